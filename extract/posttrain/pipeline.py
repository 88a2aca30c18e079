"""`posttrain`: directories of OLMES results, as evaluations of trained models leave them.

A results directory is one batch: its records, a list of its files, and its predictions as Parquet.
It is known by its place and the content of its files, so one that a judge has rewritten lands again
beside what it was; which evaluations are the same is for the models to say. Predictions are known
by their content alone, and land once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from extract.errors import ExtractError, InputError
from extract.landing.batch import Batch
from extract.landing.encoding import dump_json, file_sha256
from extract.landing.manifest import Manifest, Outcome
from extract.landing.privacy import Pseudonymiser, evaluation_names, home_names
from extract.landing.zone import LandingZone, landed_batches
from extract.olmes.convert import members
from extract.posttrain.files import (
    DUMP,
    OTHER,
    PREDICTIONS,
    Directory,
    File,
    Record,
    check_readable,
)
from extract.posttrain.files import find as find_directories
from extract.posttrain.files import records as records_of
from extract.posttrain.predictions import Converter
from extract.summary import CallSummary

SOURCE = "posttrain"
# The keys of a record, each a column; all others go into `extra`.
KEYS = (
    "task_name", "task_idx", "task_hash", "model_hash", "model_config", "task_config",
    "compute_config", "processing_time", "current_date", "num_instances", "beaker_info", "metrics",
)  # fmt: skip
# Those that land as JSON, whatever is in them; a text lands as it is under the other keys.
JSON_KEYS = frozenset(
    {"model_config", "task_config", "compute_config", "beaker_info", "metrics"}
)  # fmt: skip
# In predictions: texts of the benchmark, and those that a model has generated.
TEXT_KEYS = frozenset({"continuation", "context", "doc", "request", "requests", "label"})


class _ChangedError(Exception):
    """A file is not what it was when the call began to read it."""

    def __init__(self, files: set[File]) -> None:
        super().__init__()
        self.files = files


@dataclass
class Summary(CallSummary):
    """What a call did; printed as one line of JSON.

    ``directories``, ``records`` and ``questions`` have landed in this call; ``refused`` counts
    what has not, that of directories that had landed before included.
    """

    command = "posttrain"
    directories: int = 0
    already_landed: int = 0
    records: int = 0
    questions: int = 0
    refused: int = 0
    messages: list[str] = field(default_factory=list)


def land(
    zone: LandingZone,
    folders: Sequence[Path],
    pseudonymiser: Pseudonymiser,
    *,
    report: Callable[[str, int], None] = lambda _name, _records: None,
) -> Summary:
    """Land every results directory below the folders that has not landed as it is now."""
    summary = Summary()
    with zone.locked(SOURCE):
        manifests = landed_batches(zone, SOURCE, pseudonymiser)
        landed = {one.input_sha256: one for one in manifests if one.input_sha256}
        predictions = {
            sha256
            for manifest in manifests for file in manifest.files if file.provenance
            for sha256 in file.provenance[PREDICTIONS]
        }  # fmt: skip
        for found in find_directories(folders, zone.root.resolve()):
            if not isinstance(found, Directory):
                _land_refusal(zone, *found, pseudonymiser, summary)
                continue
            report(found.path.name, 0)
            try:
                lander = _Lander(found, pseudonymiser, predictions, summary)
            except UnicodeError as problem:
                _land_refusal(zone, found.path, _unexpected(problem), pseudonymiser, summary)
                continue
            if (earlier := landed.get(lander.digest)) is not None:
                summary.already_landed += 1
                summary.refused += earlier.n_refused
                summary.messages += [refusal["message"] for refusal in earlier.refusals]
                continue
            try:
                manifest = _land_unchanged(zone, lander)
            except (ExtractError, OSError, MemoryError):
                raise  # of the zone, or a full disk: the next directory would fare no better
            except Exception as problem:
                _land_refusal(zone, found.path, _unexpected(problem), pseudonymiser, summary)
                continue
            landed[lander.digest] = manifest
            predictions |= lander.converted
            summary.directories += 1
            report(found.path.name, summary.records)
    return summary


def _land_unchanged(zone: LandingZone, lander: _Lander) -> Manifest:
    """Land a directory without the files that change while they are read."""
    while True:
        try:
            return lander.land(zone)
        except _ChangedError as changed:
            lander.leave_out(changed.files)


def _unexpected(problem: Exception) -> InputError:
    """Its text is left out: it may be of the file."""
    return InputError("unexpected", f"cannot be landed ({type(problem).__name__}); tell of it")


def _land_refusal(
    zone: LandingZone,
    path: Path,
    problem: InputError,
    pseudonymiser: Pseudonymiser,
    summary: Summary,
) -> None:
    """Record why nothing of a folder has landed: by its name, its path says whose it is."""
    name = path.resolve().name
    if not is_named_for_results(name):
        (name,) = pseudonymiser.folders([name])
    name = pseudonymiser.text(name, home_names(str(path.resolve())))
    with zone.batch(SOURCE, {"command": "posttrain"}) as batch:
        batch.outcome(Outcome(name, "refused", problem.reason, f"{name}: {problem}"))
    summary.refused += 1
    summary.messages.append(f"{path}: {problem}")


class _Lander:
    """Lands one results directory."""

    def __init__(
        self,
        directory: Directory,
        pseudonymiser: Pseudonymiser,
        landed_predictions: set[str],
        summary: Summary,
    ) -> None:
        self._directory = directory
        self._pseudonymiser = pseudonymiser
        self._landed_predictions = landed_predictions
        self._summary = summary
        self._names: set[str] = set()
        self._changed: set[File] = set()
        self._states = {file: _state(file) for file in directory.files}
        self._sha256 = {file: _sha256_of(file) for file in directory.files}
        self.converted: set[str] = set()

    @property
    def digest(self) -> str:
        """What the directory is: its place, and what those of its files hold that land.

        A dump that was moved is the same; without one the place is the whole path.
        """
        directory = self._directory
        place = directory.label if directory.dump else self._pseudonymiser.place(directory.resolved)
        files = [[file.name, sha256] for file, sha256 in self._sha256.items() if file.kind != OTHER]
        content = json.dumps([place, files])
        return hashlib.sha256(content.encode()).hexdigest()

    def leave_out(self, files: set[File]) -> None:
        """Land without these files. They have no digest, so the next call looks at them again."""
        self._changed |= files
        self._sha256 |= dict.fromkeys(files)
        self.converted = set()

    def land(self, zone: LandingZone) -> Manifest:
        self._find_names()
        directory = self._directory
        *above, name = directory.label.split("/")
        if directory.dump is None:
            above = self._pseudonymiser.folders(above)
            if not above and not is_named_for_results(name):
                (name,) = self._pseudonymiser.folders([name])
        self._label = self._clean("/".join([*above, name]))
        folder = self._clean(name)
        model, _, revision = folder.rpartition("__")
        self._place = {
            "directory": self._label,
            "folder": folder,
            "folder_model": model or None,
            "folder_revision": (model and revision) or None,
            "dump": directory.dump and self._clean(directory.dump),
        }
        with zone.batch(
            SOURCE,
            {"command": "posttrain", "directory": self._label},
            input_sha256=self.digest,
            pseudonym_key_id=self._pseudonymiser.key_id,
        ) as batch:
            self._batch = batch
            n_refused, n_messages = self._summary.refused, len(self._summary.messages)
            n_records = self._land_records()
            self._land_files()
            n_questions = self._land_predictions(batch)
            changed = {
                file for file, state in self._states.items()
                if file not in self._changed and file.kind != OTHER and _state(file) != state
            }  # fmt: skip
            if changed:
                self._summary.refused = n_refused
                del self._summary.messages[n_messages:]
                raise _ChangedError(changed)
            for file in sorted(self._changed, key=lambda file: file.name):
                why = "has changed while it was read, or is gone; call again"
                self._refuse(file, InputError("changed", why))
            self._outcome(Outcome(self._label, "landed", rows=n_records))
        self._summary.records += n_records
        self._summary.questions += n_questions
        return batch.manifest

    @property
    def _unchanged(self) -> Directory:
        files = tuple(file for file in self._directory.files if file not in self._changed)
        return replace(self._directory, files=files)

    # -- records -----------------------------------------------------------------------------------

    def _find_names(self) -> None:
        """Who and what machines are named anywhere, before anything is written."""
        if self._pseudonymiser.key_id is None:
            return
        for record in records_of(self._unchanged):
            if isinstance(record, Record):
                try:
                    self._names.update(evaluation_names(json.loads(record.text)))
                except (ValueError, RecursionError):
                    continue  # refused below

    def _land_records(self) -> int:
        count = 0
        for record in records_of(self._unchanged):
            try:
                if not isinstance(record, Record):
                    file, problem = record
                    raise problem
                file = record.file
                self._write("records", self._columns(record))
                count += 1
            except InputError as problem:
                self._refuse(file, problem, None if not isinstance(record, Record) else record.line)
        return count

    def _columns(self, record: Record) -> dict[str, Any]:
        try:
            texts = members(record.text)
            values = {key: json.loads(text) for key, text in texts.items()}
            clean = self._pseudonymiser.evaluation(values, self._names)
        except (ValueError, RecursionError) as problem:
            what = "no whole JSON object" if record.line is None else "no JSON object"
            raise InputError(
                "not_json", f"is {what} ({problem}); copy the file again, the rest has landed"
            ) from None
        if not isinstance(values.get("task_name"), str) or not values["task_name"].strip():
            raise InputError(
                "no_task_name",
                "has no text `task_name`, so it is no evaluation of a task; the rest has landed",
            )
        # As it is written, unless something in it was replaced.
        kept = {
            key: None if value is None
            else value if isinstance(value, str) and key not in JSON_KEYS
            else texts[key] if value == values[key]
            else _json(value)
            for key, value in clean.items()
        }  # fmt: skip
        others = {key: value for key, value in clean.items() if key not in KEYS}
        # What number a task had in a call does not make it another evaluation.
        content = {key: value for key, value in clean.items() if key != "task_idx"}
        return self._place | {
            "file": self._clean(record.file.name),
            "line": record.line,
            **{key: kept.get(key) for key in KEYS},
            "extra": _json(others) if others else None,
            "content_sha256": _sha256(content),
            "config_sha256": _sha256(clean.get("task_config")),
        }

    # -- files -------------------------------------------------------------------------------------

    def _land_files(self) -> None:
        names = self._unchanged.task_names
        for file, sha256 in self._sha256.items():
            task_name = names.get(file.group) if file.group else None
            self._write("files", self._place | {
                "file": self._clean(file.name),
                "bytes": self._states[file][0] if sha256 else None,
                "sha256": sha256,
                "kind": file.kind,
                "file_group": file.group and self._clean(file.group),
                "task_name": task_name and self._clean(task_name),
            })  # fmt: skip

    def _land_predictions(self, batch: Batch) -> int:
        count = 0
        with closing(Converter(batch.folder, self._clean_prediction)) as converter:
            for file, sha256 in self._sha256.items():
                if file.kind != PREDICTIONS or file in self._changed:
                    continue
                try:
                    check_readable(file.path)
                    if (
                        sha256 is None
                        or sha256 in self._landed_predictions
                        or sha256 in self.converted
                    ):
                        continue
                    count += converter.add(file.path, sha256)
                    self.converted.add(sha256)
                except InputError as problem:
                    self._refuse(file, problem)
            if not self.converted:
                return 0
            for one in converter.merge():
                batch.adopt(
                    batch.take(one.path, link=True), "questions", *self._folders,
                    name=one.path.name, rows=one.n_rows,
                    provenance={PREDICTIONS: list(one.sha256s)},
                )  # fmt: skip
        return count

    def _clean_prediction(
        self, extra: str | None, native_id: str | None
    ) -> tuple[str | None, str | None]:
        """What is no text of the benchmark, without personal data; as it was, if it has none."""
        if self._pseudonymiser.key_id is None:
            return extra, native_id
        return self._clean_json(extra), self._clean_json(native_id)

    def _clean_json(self, text: str | None) -> str | None:
        value = None if text is None else json.loads(text)
        clean = self._pseudonymiser.evaluation(value, self._names, TEXT_KEYS)
        return text if clean == value else _json(clean)

    # -- both --------------------------------------------------------------------------------------

    @property
    def _folders(self) -> tuple[str, str]:
        return self._place["dump"] or self._label.split("/")[0], self._place["folder"]

    def _write(self, kind: str, record: dict[str, Any]) -> None:
        self._batch.write(kind, *self._folders, dump_json(record))

    def _outcome(self, outcome: Outcome) -> None:
        entity, project = self._folders
        self._batch.outcome(Outcome(**(vars(outcome) | {"entity": entity, "project": project})))

    def _refuse(self, file: File, problem: InputError, line: int | None = None) -> None:
        line = problem.line or line
        said = f", line {line}: {problem}" if line else f": {problem}"
        item = f"{self._label}/{self._clean(file.name)}"
        message = item + self._clean(said)
        self._outcome(Outcome(item, "refused", problem.reason, message, line))
        self._summary.refused += 1
        self._summary.messages.append(f"{file.path}{said}")

    def _clean(self, text: str) -> str:
        """A text, or a part of a path, without the names of people and machines."""
        names = self._names.union(home_names(f"{self._directory.path}/"))
        return self._pseudonymiser.text(text, sorted(names, key=len, reverse=True))


def is_named_for_results(name: str) -> bool:
    """Whether a name is that of a dump, a model with its revision, or a file of results."""
    return "__" in name or DUMP.fullmatch(name) is not None or File.of(Path(name)).kind != OTHER


def _state(file: File) -> tuple[int, ...]:
    """Of a file that changes this does, too."""
    try:
        state = file.path.stat()
    except OSError:
        return ()
    return state.st_size, state.st_mtime_ns, state.st_ino


def _sha256_of(file: File) -> str | None:
    try:
        check_readable(file.path)
    except InputError as problem:
        if problem.reason == "unreadable":
            return None
    try:
        return file_sha256(file.path)
    except OSError:
        return None  # gone by now, which is told where it is landed


def _json(value: Any) -> str:
    return dump_json(value).decode()


def _sha256(value: Any) -> str:
    """Of the content of JSON, however it is written."""
    return hashlib.sha256(dump_json(value, sort_keys=True)).hexdigest()
