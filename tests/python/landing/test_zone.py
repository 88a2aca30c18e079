"""The landing zone: a batch lands whole or not at all, and what has landed is never touched."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.errors import ExtractError, UsageError
from extract.landing import batch as landing
from extract.landing.encoding import dump_json, file_sha256
from extract.landing.manifest import Outcome
from extract.landing.privacy import Pseudonymiser
from extract.landing.zone import LandingZone
from extract.wandb import files as wandb_files
from tests.python.testing import (
    KEY,
    PROJECT,
    ROOT,
    a_row,
    a_run,
    check_zone,
    cli,
    environment,
    files_of,
    land,
    landed,
    multiset,
    summary_of,
    write_jsonl,
)

SOURCE = "wandb"
# Children are forked from a server without threads that has imported what takes long to import.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["extract.wandb.files", "duckdb", "pytest"])


def write_rows(zone: LandingZone, count: int = 10) -> landing.Manifest:
    with zone.locked(SOURCE), zone.batch(SOURCE, {"command": "test"}) as batch:
        for step in range(count):
            batch.write("history", "e", "p", dump_json(a_row(step)))
        batch.outcome(Outcome("history", "landed", entity="e", project="p", rows=count))
    return batch.manifest


@pytest.fixture
def exports(tmp_path: Path) -> list[Path]:
    """Six files with a few thousand rows, of two projects."""
    folder = tmp_path / "exports"
    folder.mkdir()
    found = []
    for n in range(3):
        runs = [a_run(f"run-{n}-{i}", project=f"{PROJECT}-{i % 2}") for i in range(40)]
        found.append(write_jsonl(folder / f"{n}_runs.jsonl", runs))
        rows = (a_row(step, f"run-{n}-{step % 40}") for step in range(900))
        found.append(write_jsonl(folder / f"{n}_history.jsonl", rows))
    return found


# -- a batch --------------------------------------------------------------------------------------


def test_a_batch_has_a_manifest_that_describes_its_files(zone: LandingZone) -> None:
    manifest = write_rows(zone, 10)
    check_zone(zone)
    assert [m.batch_id for m in zone.manifests()] == [manifest.batch_id]
    (kept,) = zone.manifests(SOURCE)
    assert kept == manifest
    assert kept.arguments == {"command": "test"}
    assert kept.started_at < (kept.finished_at or "")
    assert (kept.n_landed, kept.n_refused) == (1, 0)
    assert [(entry.kind, entry.rows) for entry in kept.files] == [("history", 10), ("outcomes", 1)]
    assert landed(zone, "history") == [a_row(step) for step in range(10)]


def test_a_batch_of_nothing_lands_as_a_manifest_alone(zone: LandingZone) -> None:
    with zone.batch(SOURCE, {}):
        pass
    (manifest,) = zone.manifests()
    assert manifest.files == []
    check_zone(zone)


def test_parts_roll_over_at_their_size(zone: LandingZone, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB reads one compressed file with one thread, so a large batch must be several."""
    monkeypatch.setattr(landing, "PART_BYTES", 2_000)
    manifest = write_rows(zone, 200)
    check_zone(zone)
    parts = [entry for entry in manifest.files if entry.kind == "history"]
    assert len(parts) > 5
    assert len({entry.path for entry in parts}) == len(parts)
    assert all(2_000 <= entry.raw_bytes < 2_200 for entry in parts[:-1])
    assert sum(entry.rows for entry in parts) == 200
    assert landed(zone, "history") == [a_row(step) for step in range(200)]


def test_refusals_are_in_the_manifest_but_not_without_end(zone: LandingZone) -> None:
    with zone.batch(SOURCE, {}) as batch:
        for line in range(100):
            batch.outcome(Outcome("x", "refused", "malformed_line", "is not JSON", line))
    (manifest,) = zone.manifests()
    assert manifest.n_refused == 100
    assert [entry["line"] for entry in manifest.refusals] == list(range(20))
    assert [entry["line"] for entry in landed(zone, "outcomes")] == list(range(100))


def test_an_exception_in_the_middle_leaves_nothing(
    zone: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "PART_BYTES", 2_000)  # some parts are finished, one is open
    with pytest.raises(KeyboardInterrupt), zone.batch(SOURCE, {}) as batch:
        for step in range(100):
            batch.write("history", "e", "p", dump_json(a_row(step)))
        raise KeyboardInterrupt
    assert files_of(zone) == {}
    write_rows(zone)
    check_zone(zone)


@pytest.mark.parametrize("failing_rename", range(4))
def test_a_full_disk_while_files_move_into_place_lands_nothing(
    zone: LandingZone, monkeypatch: pytest.MonkeyPatch, failing_rename: int
) -> None:
    """The manifest is renamed last: without it the moved files do not count and are removed."""
    before = write_rows(zone, 3)
    rename, calls = os.replace, iter(range(10))

    def replace(source: Any, target: Any) -> None:
        if next(calls) == failing_rename:
            raise OSError(errno.ENOSPC, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(landing.os, "replace", replace)
    monkeypatch.setattr(landing, "PART_BYTES", 600)
    if failing_rename < 3:  # two parts, the outcomes, then the manifest
        with pytest.raises(OSError, match="No space left"):
            write_rows(zone, 8)
    monkeypatch.undo()
    assert [manifest.batch_id for manifest in zone.manifests()] == [before.batch_id]
    check_zone(zone, leftovers=True)
    write_rows(zone, 5)
    check_zone(zone)
    assert len(landed(zone, "history")) == 8


def test_nothing_that_has_landed_is_ever_rewritten(zone: LandingZone, exports: list[Path]) -> None:
    land(zone, *exports[:2])
    before = files_of(zone)
    assert land(zone, *exports[:2]).already_landed == 2
    assert files_of(zone) == before
    land(zone, *exports)
    after = files_of(zone)
    assert after.items() > before.items()
    check_zone(zone)


# -- killed ---------------------------------------------------------------------------------------


def land_in_small_parts(root: Path, exports: list[Path], begun: Any = None) -> None:
    if begun is not None:
        begun.set()
    usual, landing.PART_BYTES = landing.PART_BYTES, 5_000
    wandb_files.land(LandingZone(root), exports, Pseudonymiser(KEY))
    landing.PART_BYTES = usual


def land_and_die_at_call(name: str, number: int, *, after: bool, args: tuple[Any, ...]) -> None:
    """Land, and be killed right before or after the n-th call of ``os.<name>``."""
    function, calls = getattr(os, name), iter(range(10**6))

    def dying(*arguments: Any) -> Any:
        its_time = next(calls) == number
        if its_time and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments)
        if its_time:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(os, name, dying)
    land_in_small_parts(*args)


def run_to_end(target: Callable[..., None], *args: Any, **kwargs: Any) -> int | None:
    process = PROCESSES.Process(target=target, args=args, kwargs=kwargs)
    process.start()
    process.join(timeout=60)
    return process.exitcode


def content(zone: LandingZone) -> dict[str, Any]:
    return {kind: multiset(landed(zone, kind)) for kind in ("runs", "history", "outcomes")}


@pytest.fixture
def undisturbed(tmp_path: Path, exports: list[Path]) -> dict[str, Any]:
    zone = LandingZone(tmp_path / "undisturbed")
    assert run_to_end(land_in_small_parts, zone.root, exports) == 0
    check_zone(zone)
    expected = content(zone)
    assert [sum(counts.values()) for counts in expected.values()] == [120, 2_700, 240]
    return expected


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_killed_at_every_step_of_a_commit_the_next_call_completes(
    tmp_path: Path, call: str, after: bool
) -> None:
    """`kill -9` at each rename and each fsync in turn.

    A batch is moved in several renames; killed between them the zone holds files that no
    manifest names. They must neither count nor stay.
    """
    runs = [a_run(f"run-{n}", project=f"{PROJECT}-{n % 2}") for n in range(40)]
    exports = [
        write_jsonl(tmp_path / "runs.jsonl", runs),
        write_jsonl(tmp_path / "history.jsonl", map(a_row, range(200))),
    ]
    zone = LandingZone(tmp_path / "undisturbed")
    land_in_small_parts(zone.root, exports)
    expected = content(zone)
    orphans = whole = step = 0
    while True:
        zone = LandingZone(tmp_path / f"raw-{step}")
        code = run_to_end(land_and_die_at_call, call, step, after=after, args=(zone.root, exports))
        check_zone(zone, leftovers=True)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        batches = len(list(zone.manifests()))
        orphans += len(list(zone.root.glob("wandb/**/*.zst"))) > sum(
            len(manifest.files) for manifest in zone.manifests()
        )
        whole += batches == 1
        assert run_to_end(land_in_small_parts, zone.root, exports) == 0
        check_zone(zone)
        assert content(zone) == expected
        step += 1
    assert step > 8 and orphans > 2 and whole > 2  # the kills did hit where it hurts


def test_killed_at_random_moments_the_zone_holds_whole_batches_only(
    tmp_path: Path, exports: list[Path], undisturbed: dict[str, Any]
) -> None:
    """Forty kills of a call that lands 2,820 records; a zone is used until a call completes."""
    clock, n_zones, duration = random.Random(20_250_912), 0, 0.0
    zone = LandingZone(tmp_path / "raw-0")
    kills = 0
    while kills < 40:
        begun = PROCESSES.Event()
        process = PROCESSES.Process(
            target=land_in_small_parts, args=(zone.root, exports), kwargs={"begun": begun}
        )
        process.start()
        assert begun.wait(timeout=60)
        if duration:
            time.sleep(clock.uniform(0, duration))
            process.kill()
        started = time.monotonic()
        process.join()
        check_zone(zone, leftovers=True)
        if process.exitcode == 0:
            duration = duration or time.monotonic() - started
            check_zone(zone)
            assert content(zone) == undisturbed
            n_zones += 1
            assert n_zones < 100
            zone = LandingZone(tmp_path / f"raw-{n_zones}")
        else:
            assert process.exitcode == -signal.SIGKILL
            kills += 1
    assert run_to_end(land_in_small_parts, zone.root, exports) == 0
    check_zone(zone)
    assert content(zone) == undisturbed


def test_leftovers_of_another_source_are_left_to_its_own_extractor(zone: LandingZone) -> None:
    """Each source has its own lock: cleaning up must not take the files of one that is writing."""
    with zone.batch("instances", {}) as batch:
        batch.write("questions", "e", "p", b"{}")
        with zone.locked(SOURCE):
            pass
    check_zone(zone)
    assert [manifest.source for manifest in zone.manifests()] == ["instances"]


def test_leftovers_of_another_scope_are_left_to_its_own_extractor(zone: LandingZone) -> None:
    """`dolma1.7` is what `dolma1.7-no-code` begins with: cleaning up after one recipe must not
    take the files of another one that is landing."""
    names = ["dolma1.7", "dolma1.7-no-code", "dolma1.6++", "a@b", "*", "dolma1.7@20260101T0"]
    batches = {name: zone.begin("instances", {}, scope=name) for name in names}
    for name, batch in batches.items():
        batch.write("questions", name, None, b"{}")
    for name in names:
        with zone.locked("instances", name):
            assert not batches[name].folder.exists()
            others = [other for other in names if other != name]
            assert [other for other in others if batches[other].folder.exists()] == others
        batches[name] = zone.begin("instances", {}, scope=name)
        batches[name].write("questions", name, None, b"{}")
    with zone.locked("instances"):
        pass
    for name, batch in batches.items():
        batch.commit()
        assert [manifest.batch_id for manifest in zone.manifests("instances", name)] == [
            batch.manifest.batch_id
        ]
    check_zone(zone)
    assert len(list(zone.manifests("instances"))) == len(names)


def test_scopes_do_not_wait_for_each_other(zone: LandingZone) -> None:
    with zone.locked("instances", "c4"), zone.locked("instances", "c4-x"), zone.locked(SOURCE):
        assert len(list((zone.root / "_locks").iterdir())) == 3


def test_a_batch_leaves_no_compressor_behind(zone: LandingZone) -> None:
    """zstandard's objects are not found by the garbage collector in a circle of references."""
    with zone.batch(SOURCE, {}) as batch:
        batch.write("history", "e", "p", b"{}")
        (writer,) = batch._writers.values()
    assert not hasattr(writer, "_zstd")


# -- scratch --------------------------------------------------------------------------------------

KILLED_IN_SCRATCH = """
import os, sys, time
from pathlib import Path
from extract.landing.zone import LandingZone
with LandingZone(Path(sys.argv[1])).scratch() as folder:
    (folder / "clear.txt").write_text("clear")
    print(folder, flush=True)
    time.sleep(600)
"""


def test_scratch_goes_at_its_end_and_what_a_kill_left_with_the_next_call(
    zone: LandingZone,
) -> None:
    with zone.scratch() as own:
        (own / "clear.txt").write_text("clear")
        command = [sys.executable, "-c", KILLED_IN_SCRATCH, str(zone.root)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            left = Path(other.stdout.readline().strip())
            with zone.locked(SOURCE):
                assert own.exists() and left.exists()  # somebody works in both
            other.kill()
        with zone.locked(SOURCE):
            assert own.exists() and not left.exists()
    assert not list((zone.root / "_tmp").iterdir())


def test_a_child_that_outlives_a_killed_extractor_leaves_nothing(
    zone: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """wandb-core notices late that its parent is gone: what it wrote while its folder was being
    removed stayed for ever, for the lock in the folder had gone with the rest.
    """
    remove, written = shutil.rmtree, []

    def disturbed(folder: Path, **options: object) -> None:
        remove(folder, **options)
        if not written:
            written.append(folder)
            folder.mkdir()
            (folder / "debug.log").write_text("late")

    monkeypatch.setattr(shutil, "rmtree", disturbed)
    with zone.scratch():
        pass
    assert written and written[0].exists()
    with zone.locked(SOURCE):
        pass
    assert not list((zone.root / "_tmp").iterdir())


# -- at once --------------------------------------------------------------------------------------


def test_two_processes_at_once_lose_nothing_and_land_nothing_twice(
    zone: LandingZone, exports: list[Path], undisturbed: dict[str, Any]
) -> None:
    """Both are asked for some of the same files. Without the lock one would remove what the
    other is writing, as if it were the leftover of a killed call."""
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "extract", "wandb-files", *map(str, part), "--raw-dir",
             str(zone.root)],
            cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for part in (exports[:4], exports[2:])
    ]  # fmt: skip
    answers = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert sum(json.loads(stdout)["already_landed"] for stdout, _ in answers) == 2
    check_zone(zone)
    assert content(zone) == undisturbed


def test_a_second_extractor_waits_and_says_so(zone: LandingZone, tmp_path: Path) -> None:
    export = write_jsonl(tmp_path / "runs.jsonl", [a_run()])
    with zone.locked(SOURCE):
        process = subprocess.Popen(
            [sys.executable, "-m", "extract", "wandb-files", str(export), "--raw-dir",
             str(zone.root)],
            cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        assert "waiting for another extractor of wandb" in process.stderr.readline()
        status = cli("status", "--raw-dir", zone.root)  # reading needs no lock
        assert status.returncode == 0
        assert process.poll() is None
        assert landed(zone, "runs") == []
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(landed(zone, "runs")) == 1


# -- odd names ------------------------------------------------------------------------------------

ODD_NAMES = [
    "a b", "ü", "..", ".", "a\\b", "*", "[x]", "a=b", "%2F", "-x",
    "a\nb", "nul\0", "_unknown", "wandb-x", "\ud800", "ü" * 128, "x" * 300,
]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_stay_inside_the_zone(zone: LandingZone, tmp_path: Path, name: str) -> None:
    """`..` is left alone by URL quoting: such an entity once landed outside its folder."""
    runs = [a_run("r1", entity=name), a_run("r2", project=name), a_run("r3", entity="e")]
    summary = land(zone, write_jsonl(tmp_path / "runs.jsonl", runs))
    assert (summary.runs, summary.refused) == (3, 0)
    check_zone(zone)
    for manifest in zone.manifests():
        for entry in manifest.files:
            assert len(Path(entry.path).parts) == 5
            assert ".." not in Path(entry.path).parts
    kept = name.replace("\ud800", "\\ud800")
    records = {record["run_id"]: record for record in landed(zone, "runs")}
    assert (records["r1"]["entity"], records["r2"]["project"]) == (kept, kept)
    assert {p.name for p in tmp_path.iterdir()} == {"raw", "runs.jsonl"}
    assert {p.name for p in zone.root.iterdir()} == {"_locks", "_manifests", "_tmp", "wandb"}


@pytest.mark.parametrize("name", ["/", "../..", "/etc", "a/b"])
def test_a_slash_in_a_project_is_refused(zone: LandingZone, tmp_path: Path, name: str) -> None:
    """Runs of (`a/b`, `c`) and of (`a`, `b/c`) would have the same path."""
    runs = [a_run("r1", entity=name), a_run("r2", project=name), a_run("r3", entity="e")]
    summary = land(zone, write_jsonl(tmp_path / "runs.jsonl", runs))
    assert (summary.runs, summary.refused) == (1, 2)
    assert all("slash" in message for message in summary.messages)
    check_zone(zone)


def test_files_without_a_manifest_are_left_alone(zone: LandingZone, tmp_path: Path) -> None:
    """A zone copied without its manifests lost everything at the next landing: each file without a
    manifest was taken for the leftover of a killed extractor."""
    land(zone, write_jsonl(tmp_path / "old.jsonl", [a_run("old")]))
    shutil.rmtree(zone.root / "_manifests")
    before = {path: path.read_bytes() for path in (zone.root / "wandb").rglob("*.zst")}
    land(zone, write_jsonl(tmp_path / "new.jsonl", [a_run("new")]))
    assert {path: path.read_bytes() for path in before} == before
    assert set(zone.unlisted_files()) == set(before)


def test_a_broken_manifest_is_named(zone: LandingZone, tmp_path: Path) -> None:
    land(zone, write_jsonl(tmp_path / "runs.jsonl", [a_run("r")]))
    (path,) = zone.root.glob("_manifests/wandb/*.json")
    path.write_text("{")
    with pytest.raises(ExtractError, match=path.name):
        list(zone.manifests())


@pytest.mark.parametrize("character", ["'", "[", "?", "\\"])
def test_a_zone_that_duckdb_cannot_read_is_refused(tmp_path: Path, character: str) -> None:
    """Below such folders dbt found no file, and built empty marts without a word."""
    with pytest.raises(UsageError, match="DuckDB cannot read"):
        LandingZone(tmp_path / f"a{character}b")


def test_duckdb_reads_files_of_odd_projects_by_their_path(
    zone: LandingZone, tmp_path: Path
) -> None:
    """The models pass the manifest's paths to read_json, which treats some characters as globs."""
    names = [name for name in ODD_NAMES if "\ud800" not in name]
    runs = [a_run(f"r{n}", entity=name, project=name) for n, name in enumerate(names)]
    land(zone, write_jsonl(tmp_path / "runs.jsonl", runs))
    paths = [
        f"{zone.root}/{entry.path}"
        for manifest in zone.manifests() for entry in manifest.files if entry.kind == "runs"
    ]  # fmt: skip
    found = duckdb.execute(
        "select entity, filename from read_json($1, format = 'newline_delimited', filename = true,"
        " columns = {entity: 'VARCHAR'})", [paths],
    ).fetchall()  # fmt: skip
    assert sorted(entity for entity, _ in found) == sorted(names)
    assert {filename for _, filename in found} == set(paths)


# -- odd values -----------------------------------------------------------------------------------


def read_back(zone: LandingZone) -> list[tuple[Any, ...]]:
    """Landed runs as the warehouse's base model reads them (models/base/wandb)."""
    return duckdb.execute(
        "select run_id, config, notes, extra from read_json($1, format = 'newline_delimited',"
        " columns = {run_id: 'VARCHAR', config: 'MAP(VARCHAR, JSON)', notes: 'VARCHAR',"
        " extra: 'JSON'})",
        [[f"{zone.root}/{e.path}" for m in zone.manifests() for e in m.files if e.kind == "runs"]],
    ).fetchall()


def test_lone_surrogates_and_nul_survive_as_json_that_duckdb_reads(
    zone: LandingZone, tmp_path: Path
) -> None:
    """Half an emoji, cut by some tool, is legal in JSON escapes and impossible in UTF-8. One such
    character made DuckDB refuse the whole file."""
    text = r'"\ud83d end \udc00 \u0000 \ud83d\ude00 \ud83d"'
    line = json.dumps(a_run("odd", config=0, notes=0)).replace(
        '"config": 0, "', f'"config": {{"text": {text}, {text}: 1}}, "'
    ).replace('"notes": 0', f'"notes": {text}')  # fmt: skip
    export = write_jsonl(tmp_path / "runs.jsonl", [line, a_run("other")])
    assert land(zone, export).refused == 0
    kept = "\\ud83d end \\udc00 \0 \U0001f600 \\ud83d"
    (_, config, notes, _), _ = read_back(zone)
    assert notes == kept
    assert {key: json.loads(value) for key, value in config.items()} == {"text": kept, kept: 1}


def test_a_lone_surrogate_where_a_pseudonym_is_made(zone: LandingZone, tmp_path: Path) -> None:
    """The hash is made of UTF-8 bytes, which such a name does not have."""
    line = json.dumps(a_run(user={"username": "\ud800name"}, config={"dir": "/home/\udc00/x"}))
    assert land(zone, write_jsonl(tmp_path / "runs.jsonl", [line])).refused == 0
    assert landed(zone, "runs")[0]["user"]["username"].startswith("anon-")


def test_numbers_that_are_not_doubles_survive(zone: LandingZone, tmp_path: Path) -> None:
    """`pretrain_compute` is above 2^53 and above 2^63; NaN and Infinity are what W&B writes."""
    values = {
        "compute": "168631869269606400000",
        "tokens": "9007199254740993",
        "negative": "-9223372036854775809",
        "nan": "NaN",
        "up": "Infinity",
        "down": "-Infinity",
        "zero": "-0.0",
        "tiny": "5e-324",
        "lr": "5e-06",
        "whole": "1.0",
        "text": '"NaN"',
        "flag": "true",
    }
    config = ", ".join(f'"{key}": {value}' for key, value in values.items())
    line = json.dumps(a_run(config=0)).replace('"config": 0', f'"config": {{{config}}}')
    land(zone, write_jsonl(tmp_path / "runs.jsonl", [line]))
    ((_, config, _, _),) = read_back(zone)
    assert {key: json.dumps(json.loads(text)) for key, text in config.items()} == values


def test_a_number_beyond_every_double_becomes_infinity(zone: LandingZone, tmp_path: Path) -> None:
    line = json.dumps(a_run(config=0)).replace('"config": 0', '"config": {"x": 1e400}')
    land(zone, write_jsonl(tmp_path / "runs.jsonl", [line]))
    ((_, config, _, _),) = read_back(zone)
    assert config == {"x": "Infinity"}


def test_dump_json_is_compact_utf8_and_canonical_when_sorted() -> None:
    assert dump_json({"b": "ü\0", "a": [1, None]}) == '{"b":"ü\\u0000","a":[1,null]}'.encode()
    assert dump_json({"b": 1, "a": 2}, sort_keys=True) == b'{"a":2,"b":1}'


def test_file_sha256_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert file_sha256(tmp_path / "x").startswith("ba7816bf8f01cfea")


def test_the_content_hash_does_not_depend_on_key_order(zone: LandingZone, tmp_path: Path) -> None:
    """It decides whether a run has changed since the last export."""
    run = a_run()
    turned = dict(reversed(run.items()))
    land(zone, write_jsonl(tmp_path / "a.jsonl", [run]))
    land(zone, write_jsonl(tmp_path / "b.jsonl", ["", turned]))
    land(zone, write_jsonl(tmp_path / "c.jsonl", [run | {"state": "crashed"}]))
    first, second, third = (record["content_sha256"] for record in landed(zone, "runs"))
    assert first == second != third


def test_the_summary_of_a_zone_killed_half_way_counts_whole_batches_only(
    zone: LandingZone, exports: list[Path]
) -> None:
    land_in_small_parts(zone.root, exports[:1])
    code = run_to_end(land_and_die_at_call, "replace", 2, after=True, args=(zone.root, exports[:2]))
    assert code == -signal.SIGKILL
    rows = {
        entry["kind"]: entry["rows"]
        for entry in summary_of(cli("status", "--raw-dir", zone.root))["sources"]
    }
    assert rows == {"runs": 40, "outcomes": 40}
