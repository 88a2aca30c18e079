"""`pretrain`: offline, from the client's own cache, and from files on disk."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from extract.huggingface import pretrain_tables as tables
from extract.huggingface.pretrain import DATASETS
from extract.landing.zone import LandingZone
from tests.python.huggingface.double import Blob, HubDouble
from tests.python.huggingface.testing import (
    EVAL,
    MACRO_FILE,
    PPL,
    PPL_FILE,
    TRAIN_FILES,
    Answer,
    columns_of,
    content,
    entries,
    eval_file,
    eval_files,
    fits_file,
    macro_file,
    parquet,
    ppl_file,
    pretrain,
    refused,
    variables,
)
from tests.python.testing import check_zone, files_of, landed


def test_offline_what_has_landed_is_enough(hub: HubDouble, zone: LandingZone) -> None:
    pretrain(hub, zone)
    hub.requests.clear()
    answer = pretrain(hub, zone, HF_HUB_OFFLINE="1")
    assert (answer.code, answer.counts()) == (0, (0, 5, 0))
    assert hub.requests == []


def test_offline_without_landed_files(hub: HubDouble, zone: LandingZone) -> None:
    pretrain(hub, zone, "--dataset", "ppl-results")
    hub.requests.clear()
    answer = pretrain(hub, zone, HF_HUB_OFFLINE="1")
    assert (answer.code, answer.counts()) == (1, (0, 1, 1))
    assert refused(zone) == {EVAL.repo_id: "offline"}
    assert "HF_HUB_OFFLINE" in answer.err and "--source DIR" in answer.err
    assert hub.requests == []
    branch = pretrain(hub, zone, "--revision", "ppl-results=main", HF_HUB_OFFLINE="1")
    assert branch.code == 1
    assert hub.requests == []


_FILL_CACHE = """
import sys
from huggingface_hub import snapshot_download
for repo_id, revision in zip(sys.argv[1::2], sys.argv[2::2]):
    snapshot_download(repo_id, repo_type="dataset", revision=revision)
"""


def fill_cache(hub: HubDouble, zone: LandingZone) -> Path:
    """Download with the client itself, into its own cache."""
    pairs = [text for data in DATASETS for text in (data.repo_id, data.revision)]
    subprocess.run(
        [sys.executable, "-c", _FILL_CACHE, *pairs],
        env=variables(hub, zone, HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1"),
        check=True, timeout=60,
    )  # fmt: skip
    hub.requests.clear()
    return zone.root.parent / "home" / "hub"


def test_offline_lands_what_the_clients_own_cache_has(
    hub: HubDouble, zone: LandingZone, everything: Counter[Any]
) -> None:
    """A node without a network, and a cache that another machine has filled."""
    cache_folder = fill_cache(hub, zone)
    answer = pretrain(hub, zone, HF_HUB_OFFLINE="1")
    assert (answer.code, answer.counts()) == (0, (5, 0, 0)), answer.err
    assert content(zone) == everything
    assert hub.requests == []
    assert pretrain(hub, zone, HF_HUB_OFFLINE="1").counts() == (0, 5, 0)
    (name,) = cache_folder.glob(f"**/{EVAL.revision}/{MACRO_FILE}")
    name.unlink()
    other = LandingZone(zone.root.parent / "other")
    partial = pretrain(hub, other, HF_HUB_OFFLINE="1")
    assert partial.code == 1
    assert set(refused(other).values()) <= {"offline", "no_such_split"}
    check_zone(zone)
    check_zone(other)


def test_what_the_clients_own_cache_has_is_not_downloaded(
    hub: HubDouble, zone: LandingZone, everything: Counter[Any]
) -> None:
    fill_cache(hub, zone)
    answer = pretrain(hub, zone)
    assert (answer.code, answer.summary["downloaded_bytes"]) == (0, 0)
    assert hub.asked("cdn GET") == []
    assert content(zone) == everything


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def source(zone: LandingZone, folder: Path, *arguments: str, **more: str) -> Answer:
    """A call that may not reach any hub."""
    return pretrain("http://127.0.0.1:9", zone, "--source", folder, *arguments, **more)


def test_files_on_disk_are_recognised_by_their_columns(zone: LandingZone, tmp_path: Path) -> None:
    folder = put(
        tmp_path / "any [layout]*",
        {
            "perplexity": ppl_file(),  # no name helps
            "lr=5e-06/it's.parquet": eval_file(40),
            "a/train.parquet": macro_file(),  # a name that is wrong
            "b/table.PARQUET": fits_file(),
            "notes.txt": b"PAR",
            "data/train-00000-of-00001.parquet": eval_file(41),
            "copy/of/it.parquet": eval_file(41),
        },
    )
    answer = source(zone, folder)
    assert (answer.code, answer.counts()) == (0, (5, 0, 0)), answer.err
    check_zone(zone)
    found = {(e.kind, e.project, (e.provenance or {})["path"], e.rows) for e in entries(zone)}
    assert found == {
        ("ppl", None, "perplexity", 40),
        ("evals", None, "it's.parquet", 40),
        ("evals", None, "it.parquet", 41),  # once
        ("macro_avg", None, "train.parquet", 11),
        ("scaling_law_fits", None, "table.PARQUET", 20),
    }
    assert {(e.provenance or {})["revision"] for e in entries(zone)} == {None}
    assert all(entry.path.endswith(".parquet") for entry in entries(zone))
    before = files_of(zone)
    assert source(zone, folder).counts() == (0, 6, 0)
    assert files_of(zone) == before
    # They are copies: the user may do with the files what they want.
    (folder / "perplexity").write_bytes(b"")
    check_zone(zone)


def test_the_sample_files(zone: LandingZone, shared_data: Path) -> None:
    answer = source(zone, shared_data / "huggingface")
    assert (answer.code, answer.counts("files", "rows", "refused")) == (0, (2, 1605, 0))
    assert {(e.kind, e.rows) for e in entries(zone)} == {("ppl", 21), ("evals", 1584)}
    check_zone(zone)


def test_files_on_disk_of_one_split(zone: LandingZone, tmp_path: Path) -> None:
    folder = put(tmp_path / "x", {"e.parquet": eval_file(), "m.parquet": macro_file()})
    answer = source(zone, folder, "--split", "macro_avg")
    assert (answer.code, answer.counts()) == (0, (1, 0, 0))
    missing = source(zone, folder, "--dataset", "ppl-results")
    assert (missing.code, missing.counts("files", "refused")) == (1, (0, 1))
    assert "no_such_split" in refused(zone).values()


def test_files_on_disk_that_cannot_land(zone: LandingZone, tmp_path: Path) -> None:
    damaged = eval_file(3000)
    damaged = damaged[:4000] + bytes(byte ^ 255 for byte in damaged[4000:4100]) + damaged[4100:]
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    folder = put(
        tmp_path / "alice",
        {
            "fine.parquet": ppl_file(),
            "pointer.parquet": pointer,
            "other.parquet": parquet({"a": "i"}),
            "cut.parquet": ppl_file()[:-100],
            "damaged.parquet": damaged,
            "columns.parquet": parquet(columns_of(tables.PPL, seed=None)),
            "evals/train-00001-of-00003.parquet": eval_file(),
        },
    )
    answer = source(zone, folder)
    assert (answer.code, answer.counts()) == (1, (2, 0, 6))
    assert refused(zone) == {
        "pointer.parquet": "not_parquet",
        "other.parquet": "unknown_table",
        "cut.parquet": "damaged_parquet",
        # The footer is whole: only reading every value finds it.
        "damaged.parquet": "damaged_parquet",
        "columns.parquet": "missing_column",
        "train": "missing_shards",
    }
    assert "git lfs pull" in answer.err
    assert f"{folder}/damaged.parquet: is cut off or damaged" in answer.err
    # The folder is for the terminal; in the zone it could be a person's name.
    assert all("alice" not in json.dumps(record) for record in landed(zone, "outcomes"))
    assert all("alice" not in json.dumps(m.arguments) for m in zone.manifests())
    check_zone(zone)


@pytest.mark.parametrize("name", ["absent", "empty", "file.txt"])
def test_a_source_without_files(zone: LandingZone, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("text")
    answer = source(zone, tmp_path / name)
    assert (answer.code, answer.counts()) == (1, (0, 0, 1))
    assert refused(zone) == {"--source": "no_parquet"}
    assert f"refused: {tmp_path / name}: " in answer.err


def test_files_on_disk_of_a_stated_commit(
    hub: HubDouble, zone: LandingZone, tmp_path: Path, everything: Counter[Any]
) -> None:
    """Landed from disk as a commit, it need not be fetched from the hub as that commit."""
    files = eval_files()
    names = (*TRAIN_FILES, MACRO_FILE)
    folder = put(tmp_path / "x", {Path(name).name: files[name] for name in names})
    stated = source(zone, folder, "--revision", f"eval-results={EVAL.revision}")
    assert (stated.code, stated.counts()) == (0, (3, 0, 0))
    assert {entry.project for entry in entries(zone)} == {EVAL.revision}
    answer = pretrain(hub, zone)
    assert (answer.code, answer.counts()) == (0, (2, 3, 0))
    assert len(hub.asked("cdn GET")) == 2
    assert {entry.sha256 for entry in entries(zone)} == {sha for *_, sha in everything}
    # Now that the hub's listing is known, another file cannot be passed off as this one.
    put(folder, {Path(MACRO_FILE).name: macro_file(9)})
    other = source(zone, folder, "--revision", f"eval-results={EVAL.revision}")
    assert other.code == 1
    assert "checksum_mismatch" in refused(zone).values()
    check_zone(zone)


def test_files_on_disk_tell_their_commit_where_the_client_wrote_it(
    hub: HubDouble, zone: LandingZone, tmp_path: Path, everything: Counter[Any]
) -> None:
    """In the client's cache by the folders, in a folder of `hf download --local-dir` by notes."""
    caches = fill_cache(hub, zone)
    assert source(zone, caches).counts() == (5, 0, 0)
    assert content(zone) == everything
    other = LandingZone(tmp_path / "other")
    folder = put(tmp_path / "local", {PPL_FILE: ppl_file(), MACRO_FILE: macro_file(3)})
    for path, data in ((PPL_FILE, ppl_file()), (MACRO_FILE, macro_file())):
        note = f"{PPL.revision}\n{Blob(data).sha256}\n{time.time()}\n".encode()
        put(folder, {f".cache/huggingface/download/{path}.metadata": note})
    assert source(other, folder).counts() == (1, 0, 1)
    ((_, _, revision, path, _),) = content(other)
    assert (revision, path) == (PPL.revision, PPL_FILE)
    assert refused(other) == {"macro_avg-00000-of-00001.parquet": "checksum_mismatch"}


def test_what_landed_from_disk_is_not_downloaded(
    hub: HubDouble, zone: LandingZone, tmp_path: Path
) -> None:
    source(zone, put(tmp_path / "x", {"p.parquet": ppl_file(), "m.parquet": macro_file()}))
    answer = pretrain(hub, zone)
    assert (answer.code, answer.counts()) == (0, (5, 0, 0))
    assert len(hub.asked("cdn GET")) == 3
    check_zone(zone)


def test_the_zone_is_no_source_of_itself(hub: HubDouble, zone: LandingZone) -> None:
    pretrain(hub, zone)
    answer = source(zone, zone.root.parent)
    assert refused(zone) == {"--source": "no_parquet"}
    assert answer.code == 1
