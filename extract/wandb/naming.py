"""Of which run a history is that does not say so: by an option, by its file's name."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from extract.errors import FileError, UsageError
from extract.wandb.records import RunName

# The whole name of a run, as W&B writes its path.
RunPath = tuple[str, str, str]

# How W&B's client calls the exports of a history that it keeps: {entity}_{project}_{run}_{n}. Each
# of the three may have underscores of its own.
_CLIENT_EXPORT = re.compile(r"(?P<names>.+)_\d+\.runhistory\.parquet(?:\.\w+)?", re.IGNORECASE)
_ENDINGS = re.compile(
    r"(?:\.(?:jsonl|ndjson|json|parquet|csv|tsv|txt|gz|zst|zstd|xz|bz2))+\Z", re.IGNORECASE
)
# Words that say what a file is, and no run.
_WORD = (
    r"(?:wandb|history|histories|hist|rows?|runs?|exports?|scan|sampled|full|metrics?|logs?|data)"
)
_BEFORE = re.compile(rf"\A(?:{_WORD}[-_. ]+)+", re.IGNORECASE)
_BEHIND = re.compile(rf"(?:[-_. ]+{_WORD})+\Z", re.IGNORECASE)
_SAYS_NOTHING = re.compile(
    rf"(?:(?:{_WORD}|train|training|eval|evals|test|val|all|df|frame|table|out|output|results?|"
    r"part|chunk|new|old|tmp|temp|untitled|file|download|input|\d+)[-_. ()]*)+",
    re.IGNORECASE,
)
# What W&B makes up for a run that was given no id.
_MADE_UP = re.compile(r"(?=.*\d)[a-z0-9]{8}")


class UndecidedRunError(FileError):
    """A file whose run cannot be told; the runs that other files name may help."""


def run_path(text: str) -> RunPath:
    """ENTITY/PROJECT/ID of an option."""
    parts = tuple(part.strip() for part in text.strip().strip("/").split("/"))
    if len(parts) == 4 and parts[2] == "runs":  # as in the address of its web page
        parts = (*parts[:2], parts[3])
    if len(parts) != 3 or not all(parts):
        raise UsageError(f"--run {text!r} is no run: write ENTITY/PROJECT/ID")
    return parts[0], parts[1], parts[2]


def is_client_export(path: Path) -> bool:
    """Whether it is one of the files that W&B's client reads histories from."""
    return _CLIENT_EXPORT.fullmatch(path.name) is not None


def of_client_export(
    path: Path,
    *,
    run: RunPath | None,
    entity: str | None,
    project: str | None,
    known: Callable[[], Collection[RunPath]],
) -> RunName:
    """The run of such a file. Raises ``FileError`` when its name fits several, or another."""
    found = _CLIENT_EXPORT.fullmatch(path.name)
    assert found is not None
    names = found["names"]
    if run is not None:
        if names == "_".join(run) or names.endswith(f"_{run[2]}") or names.count("_") < 2:
            return _name(run)
        raise FileError(
            "another_run",
            f"is named after another run than the one of --run, {'/'.join(run)}; land it in a call "
            "of its own",
        )
    splits = set(_splits(names))
    for chosen in (
        {split for split in splits if split[0] == entity and split[1] == project},
        {split for split in splits if entity in (None, split[0]) and project in (None, split[1])},
        splits,
    ):
        if len(chosen) == 1:
            return _name(*chosen)
    chosen = splits & set(known())
    if len(chosen) == 1:
        return _name(*chosen)
    raise UndecidedRunError(
        "ambiguous_run",
        "has a name that fits several entities, projects and runs; say which with --run "
        "ENTITY/PROJECT/ID, or with --entity and --project",
    )


def _splits(names: str) -> Iterator[RunPath]:
    parts = names.split("_")
    for first in range(1, len(parts) - 1):
        for second in range(first + 1, len(parts)):
            split = (
                "_".join(parts[:first]), "_".join(parts[first:second]), "_".join(parts[second:])
            )  # fmt: skip
            if all(split):
                yield split


def _name(run: RunPath) -> RunName:
    return RunName(run[2], run[0], run[1])


def of_file(
    path: Path, *, entity: str | None, project: str | None, known: Callable[[], Collection[RunPath]]
) -> RunName:
    """The run after which a file is named. Raises ``UndecidedRunError`` when it is after none."""
    stem = _ENDINGS.sub("", path.name)
    short = _BEHIND.sub("", _BEFORE.sub("", stem))
    runs = set(known())
    for run_id in (stem, short):
        fitting = {
            run for run in runs
            if run[2] == run_id and entity in (None, run[0]) and project in (None, run[1])
        }  # fmt: skip
        if len(fitting) == 1:
            return _name(*fitting)
        if fitting:
            return RunName(run_id, entity, project)
    if short == stem and not _SAYS_NOTHING.fullmatch(stem):
        return RunName(stem, entity, project)
    if _MADE_UP.fullmatch(short):
        return RunName(short, entity, project)
    raise UndecidedRunError(
        "no_run_id",
        "is history that does not say of which run, and its name does not either; name the run "
        "with --run ENTITY/PROJECT/ID, or give the file the run's id as its name",
    )
