"""Directories of OLMES results: where they are, what each of their files is, and their records.

Names of tasks hold colons and whatever else (`mmlu_management:0shot_cot::tulu3`); the number in
`task-002-` is used for several tasks of one directory, so it identifies none.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from extract.errors import InputError
from extract.inputs import UTF8_BOM, Line, lines

METRICS_ALL = "metrics-all"
METRICS = "metrics"
PREDICTIONS = "predictions"
OTHER = "other"
# One evaluation is a few kilobytes; what is far larger is something else under its name.
MAX_RECORD_BYTES = 64 * 1024**2

_NAME = re.compile(
    r"(?P<group>(?:task-\d+-)?(?P<task>.+?))-(?P<kind>verbose-metrics\.json|metrics\.json|"
    r"config\.json|predictions\.jsonl|recorded[-_ ]inputs\.jsonl|requests\.jsonl)"
    r"(?:\.gz|\.zst)?",
    re.IGNORECASE | re.DOTALL,
)
_METRICS_ALL = re.compile(r"metrics-all\.jsonl(?:\.gz|\.zst)?", re.IGNORECASE)
# What makes a folder one of results. The summary `metrics.json` alone does not.
_RESULTS = frozenset({METRICS_ALL, METRICS, PREDICTIONS})
# Which files know the name of their task, best first.
_NAMING = ("recorded-inputs", "requests", METRICS)
# Results of lm-evaluation-harness, by the names that it gives them.
_HARNESS = re.compile(r"results(?:_.+)?\.json|samples_.+\.jsonl", re.DOTALL)
_HARNESS_RESULTS = ("lm_eval_version", "n-shot", "versions")  # one of them beside `results`
DUMP = re.compile(r"\d{4}-\d{2}-\d{2}_.+", re.DOTALL)
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class File:
    """A file of a results directory."""

    path: Path
    kind: str
    group: str | None = None  # task-038-mmlu_management:0shot_cot::tulu3
    task: str | None = None  # by its name

    @classmethod
    def of(cls, path: Path) -> File:
        if _METRICS_ALL.fullmatch(path.name):
            return cls(path, METRICS_ALL)
        if found := _NAME.fullmatch(path.name):
            kind = re.sub("[_ ]", "-", found["kind"].lower().partition(".")[0])
            return cls(path, kind, found["group"], found["task"])
        return cls(path, OTHER)

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class Directory:
    """A results directory; ``label`` is its path from the dump on, ``dump`` that folder's name."""

    path: Path
    label: str
    dump: str | None
    files: tuple[File, ...]

    @property
    def resolved(self) -> Path:
        return self.path.resolve()

    @cached_property
    def task_names(self) -> dict[str, str]:
        """The task of each group of files: as they tell it themselves, else by their name."""
        found = {file.group: file.task for file in self.files if file.group and file.task}
        for kind in reversed(_NAMING):
            for file in self.files:
                if file.kind == kind and file.group and (told := _task_name(file.path)):
                    found[file.group] = told
        return found


@dataclass(frozen=True)
class Record:
    """One line of metrics-all.jsonl, or the content of a metrics file: its JSON text."""

    file: File
    line: int | None
    text: str


def find(folders: Sequence[Path], raw_dir: Path) -> Iterator[Directory | tuple[Path, InputError]]:
    """The results directories below the folders, each once; what cannot be searched is told."""
    seen: set[Path] = set()
    for folder in folders:
        top = folder.resolve()
        if not top.is_dir():
            what = "is no folder; name the one it is in" if top.exists() else "does not exist"
            yield folder, InputError("no_folder", f"{what}; check the path")
            continue
        is_empty = True
        problems: list[OSError] = []
        walked = {top, raw_dir}
        for above, below, names in os.walk(top, onerror=problems.append, followlinks=True):
            at = Path(above)
            inside, below[:] = below[:], []
            # Links last: a folder is known by its own path, where that is below, too.
            for name in sorted(inside, key=lambda name: ((at / name).is_symlink(), name)):
                place = (at / name).resolve()
                is_above = top.is_relative_to(place)
                if not name.startswith(".") and place not in walked and not is_above:
                    walked.add(place)
                    below.append(name)
            files = tuple(File.of(at / name) for name in sorted(names) if name[0] != ".")
            if any(file.kind in _RESULTS for file in files):
                is_empty = False
                if (place := at.resolve()) not in seen:
                    seen.add(place)
                    yield Directory(at, *_label(at, top), files)
            else:
                if any(is_of_harness(file.path) for file in files):
                    is_empty = False
                    why = (
                        "holds results of lm-evaluation-harness (results_*.json, samples_*.jsonl), "
                        "which are not read; evaluate with OLMES and land what it writes"
                    )
                    yield at, InputError("other_harness", why)
                for file in files:
                    if file.path.is_symlink() and not file.path.exists():
                        is_empty = False
                        why = "is a link that leads nowhere; mend it and call again"
                        yield file.path, InputError("unreadable", why)
        for problem in problems:
            why = f"cannot be searched ({problem.strerror}); allow it to be read and call again"
            yield Path(problem.filename), InputError("unreadable", why)
        if is_empty and not problems:
            yield (
                folder,
                InputError(
                    "no_results",
                    "holds no results of OLMES: expected folders with metrics-all.jsonl, "
                    "*-metrics.json or *-predictions.jsonl",
                ),
            )


def is_of_harness(path: Path) -> bool:
    """Whether a file is one of lm-evaluation-harness: others call theirs `results.json`, too."""
    if not _HARNESS.fullmatch(path.name) or not path.is_file():
        return False
    if path.name.startswith("samples_"):
        return True
    try:
        record = json.loads(_whole(path))
    except (InputError, OSError, ValueError, RecursionError):
        return False
    return (
        isinstance(record, dict)
        and "results" in record
        and any(key in record for key in _HARNESS_RESULTS)
    )


def _label(folder: Path, top: Path) -> tuple[str, str | None]:
    """The path of a results directory from its dump on, whichever folder above was named.

    So the same directory is known again, and equal ones of two dumps are told apart.
    """
    parts = folder.parts
    dumps = [number for number, part in enumerate(parts[:-1]) if DUMP.fullmatch(part)]
    start = dumps[-1] if dumps else len(top.parts) - 1
    return "/".join(parts[start:]), parts[start] if dumps else None


def records(directory: Directory) -> Iterator[Record | tuple[File, InputError]]:
    """The records of a directory, one by one; what cannot be read is told."""
    for file in directory.files:
        if file.kind not in (METRICS_ALL, METRICS):
            continue
        try:
            check_readable(file.path)
            if file.kind == METRICS:
                yield Record(file, None, _whole(file.path))
                continue
            for line in lines_of(file.path):
                if len(line.content) > MAX_RECORD_BYTES:
                    yield file, _too_large(line.number)
                    continue
                if line.content.startswith(UTF8_BOM):
                    why = "begins with a byte order mark in the middle of the file; remove it"
                    yield file, InputError("not_json", why, line.number)
                    continue
                try:
                    yield Record(file, line.number, line.content.decode())
                except UnicodeDecodeError:
                    yield (
                        file,
                        InputError("not_json", "is not UTF-8; copy the file again", line.number),
                    )
        except InputError as problem:
            yield file, problem if file.kind == METRICS_ALL else nothing_landed(problem)


def check_readable(path: Path) -> None:
    """Refuse what is no file, cannot be read, or only stands for one."""
    try:
        if not path.is_file():
            raise InputError("unreadable", "is no file, or leads to none; copy it again")
        with open(path, "rb") as stream:
            start = stream.read(len(_LFS_POINTER))
    except OSError as problem:
        raise InputError(
            "unreadable",
            f"cannot be read ({problem.strerror}); allow it to be read and call again",
        ) from None
    if start == _LFS_POINTER:
        raise InputError(
            "lfs_pointer", "is a pointer of Git LFS and not the file; get it with: git lfs pull"
        )


def lines_of(path: Path) -> Iterator[Line]:
    """The lines of a file; one that vanishes, or a broken disk, is a refusal of it alone."""
    try:
        yield from lines(path)
    except OSError as problem:
        why = f"cannot be read ({problem.strerror}); copy it again"
        raise InputError("unreadable", why) from None


def nothing_landed(problem: InputError) -> InputError:
    """The same of a file that lands as a whole or not at all."""
    if problem.reason not in ("truncated_compression", "broken_compression"):
        return problem
    is_cut = problem.reason == "truncated_compression"
    what = (
        "ends in the middle of its compressed stream" if is_cut else "is no valid compressed file"
    )
    return InputError(problem.reason, f"{what}; nothing of it has landed, copy the file again")


def _too_large(line: int | None = None) -> InputError:
    return InputError(
        "too_large",
        f"is larger than {MAX_RECORD_BYTES // 2**20} MiB, which no record is; is it "
        "something else?",
        line,
    )


def _whole(path: Path) -> str:
    """The text of a small file, compressed or not."""
    content: list[bytes] = []
    size = 0
    for line in lines_of(path):
        content.append(line.content)
        size += len(line.content)
        if size > MAX_RECORD_BYTES:
            raise _too_large()
    if not content:
        raise InputError("empty", "is empty; copy it again, or evaluate the task again")
    try:
        return b"\n".join(content).decode()
    except UnicodeDecodeError:
        raise InputError("not_json", "is not UTF-8; copy it again") from None


def _task_name(path: Path) -> str | None:
    """The task that the first line of a file names, if it does."""
    try:
        check_readable(path)
        for line in lines(path):
            text = _whole(path) if path.name.lower().endswith("metrics.json") else line.content
            record = json.loads(text)
            name = record.get("task_name") if isinstance(record, dict) else None
            return name if isinstance(name, str) and name else None
    except (InputError, OSError, ValueError, RecursionError):
        pass  # whatever is wrong with the file is told where it is landed
    return None
