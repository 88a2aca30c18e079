"""`instances`: archives that are cut, damaged or hostile."""

from __future__ import annotations

import gzip
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from extract.errors import InputError
from extract.instances import archive as instances_archive
from extract.instances import streams
from extract.landing.zone import LandingZone
from extract.simulator import instances as simulator
from tests.python.instances.testing import (
    KEYS,
    RECIPE,
    Files,
    a_link,
    check_clean,
    counts,
    keys_of,
    land,
    reasons,
    tar_gz,
    watching,
    write_archive,
)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files], kind: bytes
) -> None:
    files = checkpoint_files()
    good = tar_gz(checkpoint_files(KEYS[1]).items())
    target = "/etc/hostname"
    inside = tar_gz([*files.items(), (a_link("step-1250/x-predictions.jsonl", target, kind), b"")])
    name = simulator.member_name(RECIPE, *KEYS[2])
    path = write_archive(
        tmp_path,
        [
            (simulator.member_name(RECIPE, *KEYS[0]), inside),
            (a_link(name, target, kind), b""),
            (simulator.member_name(RECIPE, *KEYS[1]), good),
        ],
    )
    summary = land(zone, path)
    assert counts(summary) == (1, 0, 2), summary.messages
    assert set(reasons(zone).values()) == {"unsafe_member"}
    check_clean(zone)


def test_an_unsafe_path_outside_is_refused(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    inner = tar_gz(checkpoint_files().items())
    names = ["/dolma1.7/150M/seed-2/step-1250.tar.gz", "../dolma1.7/150M/seed-2/step-1.tar.gz",
             simulator.member_name(RECIPE, *KEYS[0])]  # fmt: skip
    summary = land(zone, write_archive(tmp_path, [(name, inner) for name in names]))
    assert counts(summary) == (1, 0, 1)
    assert reasons(zone) == {names[0]: "unsafe_path"}
    assert "the first of 2" in summary.messages[0]


def test_unsafe_members_are_told_once_and_bounded(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """20,000 links once made as many batches."""
    name = simulator.member_name(RECIPE, *KEYS[1])
    links = [(a_link(name, "x", tarfile.SYMTYPE), b"")] * 300
    good = (simulator.member_name(RECIPE, *KEYS[0]), tar_gz(checkpoint_files().items()))
    path = write_archive(tmp_path, [*links, good])
    assert counts(land(zone, path)) == (1, 0, 1)
    assert len(list(zone.manifests("instances"))) == 2
    monkeypatch.setattr(instances_archive, "MAX_ARCHIVE_MEMBERS", 250)
    other = LandingZone(tmp_path / "other")
    assert counts(land(other, path)) == (0, 0, 2)
    assert reasons(other) == {name: "unsafe_member", path.name: "too_many_members"}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_a_truncated_archive_lands_up_to_the_cut(
    zone: LandingZone, archive: Path, tmp_path: Path, share: float
) -> None:
    path = tmp_path / archive.name
    content = archive.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    summary = land(zone, path, steps=[1250, 2500])
    assert summary.refused >= 1 and summary.checkpoints < 4
    assert reasons(zone)[path.name] in ("truncated", "broken_tar")
    assert keys_of(zone).total() == 66 * summary.checkpoints
    assert summary.checkpoints == {0.0: 0, 0.3: 1, 0.7: 2, 0.999: 3}[share]
    check_clean(zone)
    assert counts(land(zone, archive)) == (4 - summary.checkpoints, summary.checkpoints, 0)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda inner: inner[: len(inner) // 2], "truncated"),
        (lambda inner: inner[:-6] + bytes(6), "broken_gzip"),
        (lambda inner: inner[:5000] + bytes(500) + inner[5500:], "broken_gzip"),
        (lambda inner: b"not gzip at all", "not_gzip"),
        (lambda inner: b"", "truncated"),
        (lambda inner: gzip.compress(gzip.decompress(inner)[:200_000]), "broken_tar"),
        (lambda inner: gzip.compress(gzip.decompress(inner)[: 512 * 3]), "broken_tar"),
        (lambda inner: gzip.compress(without_end(inner) + bytes(100)), "broken_tar"),
        (lambda inner: gzip.compress(damaged_header(gzip.decompress(inner))), "broken_tar"),
        (lambda inner: gzip.compress(gzip.decompress(inner) + b"x"), "broken_tar"),
        (lambda inner: gzip.compress(b""), "broken_tar"),
        (lambda inner: b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "not_gzip"),
    ],
)  # fmt: skip
def test_a_broken_inner_tarball_is_refused(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files],
    damage: Callable[[bytes], bytes], reason: str,
) -> None:  # fmt: skip
    inner = {key: tar_gz(checkpoint_files(key).items()) for key in KEYS[:3]}
    inner[KEYS[1]] = damage(inner[KEYS[1]])
    summary = land(zone, write_archive(tmp_path, inner))
    assert counts(summary) == (2, 0, 1), summary.messages
    assert reasons(zone) == {"dolma1.7/150M/seed-2/step-2500": reason}
    check_clean(zone)


def without_end(inner: bytes) -> bytes:
    return gzip.decompress(inner).rstrip(b"\0")


def damaged_header(tar: bytes) -> bytes:
    """A header in the middle that tarfile would take for the end."""
    at = tar.index(b"step-2500/winogrande-metrics.json")
    return tar[:at] + b"\xff" + tar[at + 1 :]


def test_a_damaged_header_outside_is_not_taken_for_the_end(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    path = write_archive(tmp_path, {key: tar_gz(checkpoint_files(key).items()) for key in KEYS[:3]})
    tar = gzip.decompress(path.read_bytes())
    at = tar.index(simulator.member_name(RECIPE, *KEYS[1]).encode())
    path.write_bytes(gzip.compress(tar[:at] + b"\xff" + tar[at + 1 :]))
    assert counts(land(zone, path)) == (1, 0, 1)
    assert reasons(zone) == {path.name: "broken_tar"}
    check_clean(zone)


def test_a_bomb_fills_neither_memory_nor_disk(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    """A thousandfold, inside a checkpoint, and outside between the checkpoints."""
    zeros = bytes(64 * 1024**2)
    bomb = tar_gz([("step-1250/boolq-predictions.jsonl", zeros)])
    assert len(bomb) < 500_000
    good = tar_gz(checkpoint_files(KEYS[1]).items())
    source = tmp_path / "source"
    path = write_archive(source, {KEYS[0]: bomb, KEYS[1]: good})
    peaks: list[int] = []
    with watching(zone, peaks):
        assert counts(land(zone, path)) == (1, 0, 1)
    assert set(reasons(zone).values()) == {"too_large"}
    assert max(peaks) < 16 * 1024**2
    check_clean(zone)

    other = LandingZone(tmp_path / "other")
    path = write_archive(
        source, [(simulator.member_name(RECIPE, *KEYS[1]), good), ("zeros", zeros)]
    )
    summary = land(other, path)
    assert counts(summary) == (1, 0, 1)
    assert reasons(other) == {path.name: "too_large"}


def test_pax_headers_are_parsed_by_their_lengths(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    """A value may look like the next record; a size may be any text."""
    inner = tar_gz(checkpoint_files().items())
    expected = {"hello\n20 size=512\n": None, "hello\n20 path=../../x\n": None}
    for number, value in enumerate(expected):
        info = tarfile.TarInfo(simulator.member_name(RECIPE, *KEYS[0]))
        info.pax_headers = {"comment": value}
        path = write_archive(tmp_path / str(number), [(info, inner)])
        assert counts(land(LandingZone(tmp_path / f"raw-{number}"), path)) == (1, 0, 0)
    info = tarfile.TarInfo(simulator.member_name(RECIPE, *KEYS[0]))
    info.pax_headers = {"size": "1" * 5000}
    path = write_archive(tmp_path / "size", [(info, inner)])
    summary = land(zone, path)
    assert counts(summary) == (0, 0, 1)
    assert reasons(zone) == {path.name: "broken_tar"} and "size" in summary.messages[0]


@pytest.mark.parametrize(
    "content", [b"9", b"99999 path=x\n", b"4 x\n", b"-9 a=b\n", b"x a=b\n", b"6 a=b\n\n"]
)
def test_pax_headers_that_are_none(content: bytes) -> None:
    with pytest.raises(ValueError):
        streams._pax(content)
    assert streams._pax(bytes(9)) == {}


def test_what_follows_the_gzip_stream_is_told(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    inner = tar_gz(checkpoint_files().items())
    path = write_archive(tmp_path, {KEYS[0]: inner + b"xx", KEYS[1]: inner + bytes(700)})
    path.write_bytes(path.read_bytes() + b"xx")
    summary = land(zone, path, steps=[1250])
    assert [message.partition(" gzip")[0] for message in summary.messages] == [
        f"{path.name}: {simulator.member_name(RECIPE, *KEYS[0])}: something follows the end of its",
        f"{path.name}: something follows the end of its",
    ]
    assert set(reasons(zone).values()) == {"trailing_data"}


def test_gzip_is_read_in_pieces_of_any_size() -> None:
    content = random.Random(1).randbytes(3000)
    pieces = [bytes([byte]) for byte in gzip.compress(content) + gzip.compress(content) + bytes(9)]

    class Trickle:
        def read(self, _size: int, /) -> bytes:
            return pieces.pop(0) if pieces else b""

    stream = streams.Gunzip(Trickle(), "a", InputError)
    assert b"".join(iter(lambda: stream.read(100), b"")) == content * 2


def test_an_error_names_what_to_do() -> None:
    problem = instances_archive.unsafe(tarfile.TarInfo("../x"), "a.tar.gz: ../x")
    assert isinstance(problem, InputError) and "a.tar.gz: ../x" in str(problem)
