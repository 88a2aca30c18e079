"""`instances`: archives, trees and names, as they are published and as others make them."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from extract.instances.recipe import Summary
from extract.instances.request import all_tasks
from extract.landing.zone import LandingZone
from extract.simulator import instances as simulator
from tests.python.instances.testing import (
    KEYS,
    RECIPE,
    Files,
    changed,
    check_clean,
    counts,
    keys_of,
    land,
    landed_content,
    line_cut,
    reasons,
    rows,
    tar_gz,
    write_archive,
)
from tests.python.simulator.test_instances import checkpoints_of


def test_a_checkpoint_that_is_in_an_archive_twice_lands_once(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    inner = tar_gz(checkpoint_files().items())
    name = simulator.member_name(RECIPE, *KEYS[0])
    path = write_archive(
        tmp_path, [(name, inner), (name.upper().replace("TAR.GZ", "tar.gz"), inner)]
    )
    assert counts(land(zone, path)) == (1, 0, 0)
    assert keys_of(zone) == {(RECIPE, *KEYS[0]): 66}


def copies(zone: LandingZone, folder: Path, *contents: bytes) -> Summary:
    name = simulator.member_name(RECIPE, *KEYS[0])
    names = [name, name.replace("seed-2", "Seed-02"), name.replace("150M", "150m")]
    return land(zone, write_archive(folder, list(zip(names, contents, strict=False))))


def test_the_first_copy_of_a_checkpoint_that_can_be_read_lands(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    """The second was once dropped without a word, also where the first was damaged."""
    files = checkpoint_files()
    whole = tar_gz(files.items())
    for number, damaged in enumerate((whole[:-9], tar_gz(line_cut(files).items()))):
        found = LandingZone(tmp_path / f"raw-{number}")
        assert counts(copies(found, tmp_path, damaged, whole, whole)) == (1, 0, 1)
        assert keys_of(found) == {(RECIPE, *KEYS[0]): 66}
        check_clean(found)
    other = tar_gz(changed(files, "piqa", lambda document: document.update(label=0)).items())
    summary = copies(zone, tmp_path, whole, other, whole)
    assert counts(summary) == (1, 0, 1)
    assert reasons(zone) == {"dolma1.7/150M/seed-2/step-1250": "repeated_checkpoint"}
    assert hashlib.sha256(other).hexdigest()[:8] in summary.messages[0]
    (sha256,) = {row["tarball_sha256"] for row in rows(zone, "tasks")}
    assert sha256 == hashlib.sha256(whole).hexdigest()
    assert counts(copies(zone, tmp_path, whole, other)) == (0, 1, 0)


def unpacked(archive: Path, folder: Path, *, steps: bool) -> Path:
    """The tree that an archive unpacks to, also its inner tarballs if ``steps``."""
    for name, files in checkpoints_of(archive):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not steps:
            path.write_bytes(tar_gz(files.items()))
            continue
        for file, content in files.items():
            (path.parent / file).parent.mkdir(exist_ok=True)
            (path.parent / file).write_bytes(content)
    return folder


@pytest.mark.parametrize("steps", [False, True], ids=["tarballs", "folders"])
@pytest.mark.parametrize("where", [".", RECIPE, ".."])
def test_unpacked_trees(
    zone: LandingZone, archive: Path, tmp_path: Path, steps: bool, where: str
) -> None:
    whole = LandingZone(tmp_path / "whole")
    land(whole, archive)
    models = unpacked(archive, tmp_path / "source" / "models", steps=steps)
    (models / RECIPE / ".DS_Store").write_text("left by a file manager")
    summary = land(zone, (models / where).resolve())
    assert counts(summary) == (4, 0, 0), summary.messages
    check_clean(zone)
    for kind, counted in landed_content(zone).items():
        assert sum(counted.values()) == sum(landed_content(whole)[kind].values())
    assert landed_content(zone)["questions"] == landed_content(whole)["questions"]
    assert all((row["tarball_sha256"] is None) == steps for row in rows(zone, "tasks"))


def test_a_tarball_and_a_tree_of_it_land_once(
    zone: LandingZone, archive: Path, tmp_path: Path
) -> None:
    source = unpacked(archive, tmp_path / "source", steps=True)
    shutil.copy(archive, source / archive.name)
    assert counts(land(zone, source)) == (4, 4, 0)
    assert keys_of(zone) == {(RECIPE, *key): 66 for key in KEYS}


def test_letter_case_and_prefixes_of_paths_do_not_matter(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    """Directories in the published tarballs are spelled unlike the tarball (`Dolma1.7-...`)."""
    inner = tar_gz(
        (f"./{name.replace('step', 'Step').replace('-predictions', '-Predictions')}", content)
        for name, content in checkpoint_files().items()
    )
    path = write_archive(tmp_path, [("./models/Dolma1.7/150m/Seed-2/Step-1250.tar.gz", inner)])
    renamed = path.rename(tmp_path / "DOLMA1.7.tar.gz")
    assert counts(land(zone, renamed)) == (1, 0, 0)
    assert keys_of(zone) == {(RECIPE, "150M", 2, 1250): 66}


def test_raw_names_of_olmes_land(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    files = {}
    for number, (name, content) in enumerate(checkpoint_files().items()):
        folder, _, file = name.partition("/")
        files[f"{folder}/task-{number // 2:03}-{file}"] = content
        if name.endswith("predictions.jsonl"):
            for kind in ("requests.jsonl", "requests.jsonl.gz", "recorded-inputs.jsonl",
                         "verbose-metrics.json"):  # fmt: skip
                task = file.removesuffix("-predictions.jsonl")
                files[f"{folder}/task-{number // 2:03}-{task}-{kind}"] = b"of no interest {"
    files["step-1250/metrics.json"] = b"a summary"
    files["step-1250/metrics-all.jsonl"] = b'{"task_name": "mmlu"}\n'
    summary = land(zone, write_archive(tmp_path, {KEYS[0]: tar_gz(files.items())}))
    assert counts(summary) == (1, 0, 0), summary.messages
    assert {row["task"] for row in rows(zone, "tasks")} == set(all_tasks())


def test_flat_predictions_land(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    files = {name.replace("-predictions", ""): content
             for name, content in checkpoint_files().items()}  # fmt: skip
    assert counts(land(zone, write_archive(tmp_path, {KEYS[0]: tar_gz(files.items())}))) == (
        1,
        0,
        0,
    )


def test_tars_of_other_makers(
    zone: LandingZone, archive: Path, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    """GNU tar writes long names, pax headers and folders; gzip may be written in pieces."""
    tree = tmp_path / "tree"
    long = "a-folder-with-a-name-that-does-not-fit-into-the-header-of-a-tar-" * 2
    for name, content in checkpoint_files().items():
        file = tree / long / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    results = []
    for number, form in enumerate(("gnu", "pax", "ustar")):
        member = tree / RECIPE / "150M" / "seed-2" / f"step-{1250}.tar.gz"
        member.parent.mkdir(parents=True, exist_ok=True)
        source = tree / long
        subprocess.run(
            ["tar", f"--format={form}", "-C", source, "-czf", member,
             *(["--transform", "s,^,./,"] if number else []), "step-1250"],
            check=True,
        )  # fmt: skip
        path = tmp_path / form / f"{RECIPE}.tar.gz"
        path.parent.mkdir()
        raw = subprocess.run(
            ["tar", f"--format={form}", "-C", tree, "-cf", "-", RECIPE],
            check=True, capture_output=True,
        ).stdout  # fmt: skip
        half = len(raw) // 2
        path.write_bytes(gzip.compress(raw[:half]) + gzip.compress(raw[half:]) + bytes(4096))
        found = LandingZone(tmp_path / f"raw-{form}")
        summary = land(found, path)
        assert counts(summary) == (1, 0, 0), summary.messages
        results.append(content_alone(found))
    assert results[0] == results[1] == results[2]


def content_alone(zone: LandingZone) -> list[str]:
    """Without what tells of the container."""
    container = {"member": "", "tarball_sha256": ""}
    return sorted(json.dumps(row | container) for row in rows(zone, "tasks"))


def test_members_that_are_no_checkpoint_are_told_once(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    inner = tar_gz(checkpoint_files().items())
    path = write_archive(
        tmp_path,
        [
            ("dolma1.7/README.md", b"hello"),
            ("dolma1.7/._150M", b"of a Mac"),
            ("c4/150M/seed-2/step-1250.tar.gz", inner),
            ("dolma1.7/big/seed-2/step-1250.tar.gz", inner),
            (simulator.member_name(RECIPE, *KEYS[0]), inner),
        ],
    )
    summary = land(zone, path)
    assert counts(summary) == (1, 0, 1)
    assert reasons(zone) == {"dolma1.7/README.md": "unexpected_member"}
    assert "3 files" in summary.messages[0]


def test_what_cannot_be_opened_does_not_stop_other_recipes(
    zone: LandingZone, archive: Path, tmp_path: Path
) -> None:
    """A link that leads nowhere once ended the call, and a pipe made it wait for ever."""
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(archive, source / archive.name)
    (source / "c4.tar.gz").symlink_to("/nowhere")
    os.mkfifo(source / "falcon.tar.gz")
    (source / "fineweb-pro" / "150M" / "seed-2" / "step-1.tar.gz").mkdir(parents=True)
    recipes = ["c4", "falcon", "fineweb-pro", RECIPE]
    summary = land(zone, source, recipes=recipes)
    assert counts(summary) == (4, 0, 3), summary.messages
    assert reasons(zone) == {
        "c4.tar.gz": "unreadable", "falcon.tar.gz": "no_file",
        "fineweb-pro/150M/seed-2/step-1": "no_file",
    }  # fmt: skip


def test_folders_that_are_named_twice_are_read_once(
    zone: LandingZone, archive: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "models").mkdir(parents=True)
    shutil.copy(archive, source / "models" / archive.name)
    (tmp_path / "link").symlink_to(source)
    same = [source, source / "models", source / ".." / "source", tmp_path / "link",
            source / "models" / archive.name]  # fmt: skip
    assert counts(land(zone, *same)) == (4, 0, 0)
    assert counts(land(zone, *same, steps=[99])) == (0, 0, 1)


def test_an_archive_without_checkpoints_is_told(zone: LandingZone, tmp_path: Path) -> None:
    summary = land(zone, write_archive(tmp_path, []))
    assert summary.messages == [
        f"{RECIPE}: has no checkpoint at all; get it again from its publisher"
    ]


def test_a_source_without_the_recipe_is_refused(
    zone: LandingZone, archive: Path, tmp_path: Path
) -> None:
    summary = land(zone, archive.parent, tmp_path, recipes=["c4", RECIPE])
    assert counts(summary) == (4, 0, 1)
    assert reasons(zone) == {"c4": "no_such_archive"}
    assert "c4.tar.gz" in summary.messages[0]
