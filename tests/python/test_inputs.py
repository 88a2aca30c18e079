"""Reading inputs: the compression is found by content, and a cut file gives what came before."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from extract import inputs
from extract.errors import InputError
from extract.inputs import Line, lines
from tests.python.testing import a_row, peak_memory, write_jsonl


def zstd(content: bytes) -> bytes:
    """A frame as the `zstd` tool writes it, checksum included."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


def plain(content: bytes) -> bytes:
    return content


def read(path: Path) -> tuple[list[bytes], InputError | None]:
    """All lines that are delivered, and the error that ends them."""
    found: list[bytes] = []
    try:
        for line in lines(path):
            found.append(line.content)
    except InputError as problem:
        return found, problem
    return found, None


def incompressible_rows(count: int) -> list[bytes]:
    """Rows that stay large when compressed, so that a cut falls between many of them."""
    source = random.Random(7)
    return [b'{"row": %d, "blob": "%s"}' % (n, source.randbytes(40).hex().encode())
            for n in range(count)]  # fmt: skip


# -- compression ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["runs.jsonl", "runs.jsonl.gz", "runs.jsonl.zst", "runs"])
@pytest.mark.parametrize("compress", [plain, gzip.compress, zstd])
def test_compression_is_recognised_by_content_whatever_the_name(
    tmp_path: Path, name: str, compress: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / name
    path.write_bytes(compress(b'{"a": 1}\n{"b": 2}\n'))
    assert read(path) == ([b'{"a": 1}', b'{"b": 2}'], None)


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
def test_concatenated_members_are_read_to_the_end(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    """`cat a.gz b.gz` is a valid file; readers that stop at the first member lose the rest.

    A line may begin in one member and end in the next.
    """
    path = tmp_path / "export"
    path.write_bytes(compress(b"one\ntw") + compress(b"") + compress(b"o\nthree\n"))
    assert read(path) == ([b"one", b"two", b"three"], None)


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
def test_a_file_of_many_members_larger_than_a_chunk(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    rows = incompressible_rows(20_000)
    members = [rows[start : start + 999] for start in range(0, len(rows), 999)]
    path = tmp_path / "export"
    path.write_bytes(b"".join(compress(b"\n".join(member) + b"\n") for member in members))
    assert read(path) == (rows, None)


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_truncated_stream_delivers_the_whole_lines_before_the_cut(
    tmp_path: Path, compress: Callable[[bytes], bytes], kept: float
) -> None:
    rows = incompressible_rows(20_000)
    packed = compress(b"\n".join(rows) + b"\n")
    path = tmp_path / "export"
    path.write_bytes(packed[: int(len(packed) * kept)])
    found, problem = read(path)
    assert problem is not None and problem.reason == "truncated_compression"
    assert found == rows[: len(found)]
    assert len(found) > len(rows) * kept * 0.8  # a zstd block of 128 KiB may be missing


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
def test_a_stream_cut_within_its_checksum_is_truncated_but_complete(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "export"
    path.write_bytes(compress(b"one\ntwo\n")[:-2])
    found, problem = read(path)
    assert found == [b"one", b"two"]
    assert problem is not None and problem.reason == "truncated_compression"


@pytest.mark.parametrize("method", ["gzip", "zstd"])
def test_a_corrupt_middle_delivers_the_lines_before_it(tmp_path: Path, method: str) -> None:
    """The decompressor gives no output for the piece of input in which it finds the damage.

    Fed with a megabyte at a time it lost everything of a usual export; small pieces lose little.
    """
    rows = incompressible_rows(20_000)
    halves = b"\n".join(rows[:10_000]) + b"\n", b"\n".join(rows[10_000:]) + b"\n"
    if method == "gzip":
        compressor = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        whole = compressor.compress(halves[0]) + compressor.flush(zlib.Z_FULL_FLUSH)
    else:
        compressor = zstandard.ZstdCompressor().compressobj()
        whole = compressor.compress(halves[0]) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    rest = bytearray(compressor.compress(halves[1]) + compressor.flush())
    rest[0] |= 0b110  # the type of the block that begins here; 3 does not exist in either format
    path = tmp_path / "export"
    path.write_bytes(whole + rest)
    found, problem = read(path)
    assert problem is not None and problem.reason == "broken_compression"
    assert found == rows[: len(found)]
    assert 9_800 < len(found) <= 10_000


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
def test_flipped_bytes_are_an_error_and_never_wrong_lines_without_one(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    packed = bytearray(compress(b"\n".join(incompressible_rows(5_000)) + b"\n"))
    packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / "export"
    path.write_bytes(bytes(packed))
    assert read(path)[1] is not None


# -- lines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [plain, gzip.compress, zstd])
def test_byte_order_mark_crlf_and_blank_lines(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    """Exports that went through a Windows editor."""
    path = tmp_path / "export"
    path.write_bytes(compress(b"\xef\xbb\xbf{}\r\n\r\n   \n\n[]\r\n"))
    numbered = [(line.number, line.content.strip()) for line in lines(path)]
    assert numbered == [(1, b"{}"), (5, b"[]")]


def test_the_last_line_may_lack_its_newline(tmp_path: Path) -> None:
    """It is delivered, and marked: only such a line can be one that was cut off."""
    path = tmp_path / "export"
    path.write_bytes(b"{}\n[]")
    assert list(lines(path)) == [Line(1, b"{}", False), Line(2, b"[]", True)]


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\r\n  \n", b"\xef\xbb\xbf", b"\x1f", b"PA"])
def test_tiny_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "export"
    path.write_bytes(content)
    found, problem = read(path)
    assert problem is None
    assert [line.strip() for line in found] == ([content] if content in (b"\x1f", b"PA") else [])


@pytest.mark.parametrize("chunk", [4, 7, 64])
def test_lines_do_not_depend_on_where_a_chunk_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(inputs, "CHUNK_BYTES", chunk)
    path = tmp_path / "export"
    path.write_bytes(b"\xef\xbb\xbf" + "{}\r\nä\n\n".encode() + b"x" * 200 + b"\nlast")
    assert [(line.number, line.content) for line in lines(path)] == [
        (1, b"{}\r"), (2, "ä".encode()), (4, b"x" * 200), (5, b"last"),
    ]  # fmt: skip


def test_a_line_longer_than_the_limit_is_refused_with_its_number_and_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole export as one array on one line would otherwise fill the memory."""
    monkeypatch.setattr(inputs, "MAX_LINE_BYTES", 1000)
    monkeypatch.setattr(inputs, "CHUNK_BYTES", 64)
    path = tmp_path / "export"
    path.write_bytes(b"{}\n[]\n" + b"[" + b"1," * 10_000 + b"1]\n{}\n")
    found, problem = read(path)
    assert found == [b"{}", b"[]"]
    assert problem is not None
    assert (problem.reason, problem.line) == ("line_too_long", 3)
    assert "jq -c" in str(problem)


# -- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
def test_a_highly_compressed_file_is_not_expanded_at_once(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    """Rows that are nearly equal shrink to a hundredth and less: a read of a megabyte of them
    once became a gigabyte in memory. Here 16 MB come from less than a read.
    """
    path = tmp_path / "export"
    padding = b" " * 1_000
    path.write_bytes(compress(b"".join(b"%d%s\n" % (n, padding) for n in range(16_000))))
    assert path.stat().st_size < inputs.CHUNK_BYTES
    tracemalloc.start()
    try:
        assert sum(1 for _ in lines(path)) == 16_000
        assert tracemalloc.get_traced_memory()[1] < 12_000_000
    finally:
        tracemalloc.stop()


def test_a_large_file_of_small_rows_needs_little_memory(tmp_path: Path) -> None:
    """50 MB of history rows; about 3 s."""
    text = "x" * 150
    export = write_jsonl(
        tmp_path / "history.jsonl", (a_row(step, note=text) for step in range(170_000))
    )
    assert export.stat().st_size > 50_000_000
    code, peak = peak_memory("wandb-files", export, "--raw-dir", tmp_path / "raw")
    assert code == 0
    assert peak < 250_000_000


def test_a_record_of_100_mb_fits(tmp_path: Path) -> None:
    """One run whose config holds a huge log, with what privacy looks for in it; about 9 s."""
    export = tmp_path / "runs.jsonl"
    with open(export, "w", encoding="ascii") as stream:
        stream.write('{"run_id": "r", "entity": "e", "project": "p", "config": {"log": "')
        page = "loss 0.5 at step 100; " * 180 + "saved to /scratch/name/model, mailed to x@y.zz; "
        for _ in range(250):
            stream.write(page * 100)
        stream.write('"}}\n')
    assert export.stat().st_size > 100_000_000
    code, peak = peak_memory("wandb-files", export, "--raw-dir", tmp_path / "raw")
    assert code == 0
    assert peak < 1_200_000_000
