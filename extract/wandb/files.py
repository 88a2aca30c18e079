"""`wandb-files`: W&B exports on disk, of every shape that is known, into the landing zone.

One input file is one batch. An input that has landed before (same bytes, by sha256) is not landed
again, so a call that was killed goes on with the first file that it had not finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from extract.errors import InputError, UsageError
from extract.inputs import PARQUET_MAGIC, lines, magic
from extract.landing.privacy import Pseudonymiser
from extract.landing.zone import Batch, LandingZone, Manifest, Outcome, dump_json, file_sha256
from extract.summary import CallSummary
from extract.wandb import offline as wandb_offline
from extract.wandb import parquet as wandb_parquet
from extract.wandb.log import MAGIC as WANDB_MAGIC
from extract.wandb.records import HistoryRecord, RunRecord, parts, record_of, run_line

SOURCE = "wandb"
# Often enough to see that something moves, seldom enough to cost nothing.
RECORDS_PER_REPORT = 500
EXPORT_SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet")
# The argument of a batch that says that its log's records tell their session, since 2026-11.
TELLS_SESSION = "tells_session"
# Written by dr_wandb 3.x beside an export; they say what it is of, and hold no records.
EXPORT_MANIFEST = "manifest.json"
EXPORT_STATE = "state.json"


@dataclass(frozen=True)
class ExportInput:
    """One input: a file, or the component Parquet files of one export, which belong together."""

    paths: tuple[Path, ...]
    entity: str | None = None
    project: str | None = None
    exported_at: str | None = None

    @property
    def name(self) -> str:
        return ", ".join(path.name for path in self.paths)


@dataclass
class Summary(CallSummary):
    """What a call did; printed as one line of JSON.

    ``runs`` and ``history_rows`` have landed in this call; ``refused`` counts the items that are
    missing, those of inputs that had landed before included.
    """

    command = "wandb-files"
    inputs: int = 0
    already_landed: int = 0
    runs: int = 0
    history_rows: int = 0
    refused: int = 0
    messages: list[str] = field(default_factory=list)


def find_inputs(
    paths: Iterable[Path], entity: str | None, project: str | None, raw_dir: Path
) -> Iterator[ExportInput | Outcome]:
    """The inputs below the given paths; a path that cannot be read becomes a refused outcome."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = list(_search(path, raw_dir))
            names = [item for item in found if isinstance(item, Path)]
            yield from (item for item in found if isinstance(item, Outcome))
            if not found:
                yield _refused(
                    path, "no_export", "holds no export: expected *.jsonl, *.json, *.parquet "
                    "(optionally .gz or .zst) or run directories of W&B with their *.wandb",
                )  # fmt: skip
            files += names
        elif path.is_file():
            files.append(path)
        else:
            yield _refused(path, "missing", "does not exist; check the path")
    for group in wandb_parquet.exports(_once(files)):
        context = _export_manifest(group[0].parent)
        yield ExportInput(
            group,
            entity or context.get("entity"),
            project or context.get("project"),
            context.get("updated_at"),
        )


def _once(files: Iterable[Path]) -> Iterable[Path]:
    """Without the second way to the same run: W&B keeps a link `latest-run` beside the runs."""
    found: dict[Path, Path] = {}
    for file in files:
        found.setdefault(file.resolve() if file.suffix == wandb_offline.SUFFIX else file, file)
    return found.values()


def _search(folder: Path, raw_dir: Path) -> Iterator[Path | Outcome]:
    """The exports below a folder; a run directory without its log is a refused outcome."""
    # The zone itself may be below the path; what has landed is no export.
    found = {path: path.resolve() for path in sorted(folder.rglob("*")) if path.is_file()}
    found = {path: at for path, at in found.items() if raw_dir not in at.parents}
    log_folders = {at.parent for at in found.values() if at.suffix == wandb_offline.SUFFIX}
    run_folders = set()
    for path, resolved in found.items():
        if path.suffix == wandb_offline.SUFFIX:
            yield path
        elif run_folder := wandb_offline.run_folder(resolved, log_folders):
            run_folders.add(run_folder)  # media, summaries, requirements: what the log refers to
        elif _is_export(path):
            yield path
    for run_folder in sorted(run_folders):
        if not any(run_folder.glob(f"*{wandb_offline.SUFFIX}")):
            yield _refused(
                run_folder, "no_log", "is a run directory of W&B, and the run is in its *.wandb "
                "file, which is missing; copy it too",
            )  # fmt: skip


def _is_export(path: Path) -> bool:
    if path.name in (EXPORT_MANIFEST, EXPORT_STATE) or path.name.startswith("."):
        return False
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    return name.endswith(EXPORT_SUFFIXES)


def _export_manifest(folder: Path) -> dict[str, str]:
    try:
        content = json.loads((folder / EXPORT_MANIFEST).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict) or "entity" not in content:
        return {}
    return {key: value for key, value in content.items() if isinstance(value, str)}


def _refused(path: Path, reason: str, message: str, line: int | None = None) -> Outcome:
    return Outcome(str(path), "refused", reason, f"{path}: {message}", line)


def land(
    zone: LandingZone,
    paths: Iterable[Path],
    pseudonymiser: Pseudonymiser,
    *,
    entity: str | None = None,
    project: str | None = None,
    report: Callable[[str, int], None] = lambda _name, _records: None,
) -> Summary:
    """Land every export below ``paths``; the summary says what landed and what did not.

    ``report`` is told the input and how many of its records have been read, now and then.
    """
    summary = Summary()
    with zone.locked(SOURCE):
        landed = landed_inputs(zone, pseudonymiser)
        for found in find_inputs(paths, entity, project, zone.root.resolve()):
            summary.inputs += 1
            if isinstance(found, ExportInput):
                report(found.name, 0)
                try:
                    digest = _digest(found)
                except OSError as problem:
                    why = f"cannot be read ({problem.strerror}); the other inputs have landed"
                    found = _refused(Path(problem.filename or found.name), "unreadable", why)
            if isinstance(found, Outcome):
                manifest = _land_refusal(zone, found, pseudonymiser)
            elif digest in landed:
                summary.already_landed += 1
                manifest = landed[digest]
            else:
                documents = _reported(_documents(found), found.name, report)
                manifest = _land_input(zone, found, documents, digest, pseudonymiser)
                landed[digest] = manifest
                summary.runs += _rows(manifest, "runs")
                summary.history_rows += _rows(manifest, "history")
            summary.refused += manifest.n_refused
            summary.messages += [entry["message"] for entry in manifest.refusals]
    return summary


def landed_inputs(zone: LandingZone, pseudonymiser: Pseudonymiser) -> dict[str, Manifest]:
    """The batch of each input that has landed, by the input's sha256."""
    manifests = landed_batches(zone, pseudonymiser)
    return {
        one.input_sha256: one for one in manifests if one.input_sha256 and not lacks_session(one)
    }


def lacks_session(manifest: Manifest) -> bool:
    """Whether a batch is an offline log that landed before sessions were told apart."""
    inputs = manifest.arguments.get("inputs") or [""]
    return inputs[0].endswith(wandb_offline.SUFFIX) and TELLS_SESSION not in manifest.arguments


def to_land_again(zone: LandingZone) -> list[str]:
    """The names of inputs that would be landed in full now, and were not when they landed."""
    manifests = [one for one in zone.manifests(SOURCE) if one.input_sha256]
    done = {one.input_sha256 for one in manifests if not lacks_session(one)}
    missing = {
        one.arguments["inputs"][0]
        for one in manifests
        if lacks_session(one) and one.input_sha256 not in done
    }
    return sorted(missing)


def landed_batches(
    zone: LandingZone, pseudonymiser: Pseudonymiser, source: str = SOURCE
) -> list[Manifest]:
    """All batches of a source with personal data, oldest first.

    One zone, one key: under two keys, or a key and none, the same person would become two.
    """
    manifests = list(zone.manifests(source))
    for manifest in manifests:
        holds_data = any(entry.kind != "outcomes" for entry in manifest.files)
        if holds_data and manifest.pseudonym_key_id != pseudonymiser.key_id:
            how = "with another pseudonym key" if manifest.pseudonym_key_id else "in clear text"
            raise UsageError(
                f"the zone {zone.root} was landed {how} (batch {manifest.batch_id}): set the "
                "original key, or --keep-personal if there was none, or land into another --raw-dir"
            )
    return manifests


def _rows(manifest: Manifest, kind: str) -> int:
    return sum(entry.rows for entry in manifest.files if entry.kind == kind)


def _digest(export: ExportInput) -> str:
    """What an input is: its bytes, and the project it is said to be of."""
    digests = [file_sha256(path) for path in export.paths]
    if len(digests) == 1 and export.entity is None and export.project is None:
        return digests[0]
    parts = [*digests, export.entity or "", export.project or ""]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _land_refusal(zone: LandingZone, refused: Outcome, pseudonymiser: Pseudonymiser) -> Manifest:
    with zone.batch(SOURCE, {"command": "wandb-files"}) as batch:
        batch.outcome(_private(refused, pseudonymiser))
        message = refused.message
    batch.manifest.refusals[0]["message"] = message  # on the terminal the path may be clear
    return batch.manifest


def _private(outcome: Outcome, pseudonymiser: Pseudonymiser) -> Outcome:
    """An outcome as it may be written: without the folders of the machine it came from."""
    name = Path(outcome.item).name or outcome.item
    message = name + (outcome.message or "").removeprefix(outcome.item)
    if len(name) < len(outcome.item):
        message = message.replace(outcome.item, name)
    private = {"item": pseudonymiser.text(name), "message": pseudonymiser.text(message)}
    return Outcome(**(vars(outcome) | private))


def _reported(
    documents: Iterable[tuple[int, Any] | InputError],
    name: str,
    report: Callable[[str, int], None],
) -> Iterator[tuple[int, Any] | InputError]:
    for count, document in enumerate(documents, start=1):
        yield document
        if count % RECORDS_PER_REPORT == 0:
            report(name, count)


def _land_input(
    zone: LandingZone,
    export: ExportInput,
    documents: Iterable[tuple[int, Any] | InputError],
    digest: str,
    pseudonymiser: Pseudonymiser,
) -> Manifest:
    arguments: dict[str, Any] = {
        "command": "wandb-files",
        "inputs": [pseudonymiser.text(path.name) for path in export.paths],
    }
    if export.paths[0].suffix == wandb_offline.SUFFIX:
        arguments[TELLS_SESSION] = True
    with zone.batch(
        SOURCE,
        arguments,
        input_sha256=digest,
        exported_at=export.exported_at,
        pseudonym_key_id=pseudonymiser.key_id,
    ) as batch:
        lander = RecordLander(batch, export, pseudonymiser)
        lander.land(documents)
    return batch.manifest


def _documents(export: ExportInput) -> Iterator[tuple[int, Any] | InputError]:
    """(line, document or record) of each record; an ``InputError`` for one that is unreadable."""
    path = export.paths[0]
    start = magic(path)
    if start == PARQUET_MAGIC:
        yield from wandb_parquet.documents(export.paths)
        return
    if start == WANDB_MAGIC or path.suffix == wandb_offline.SUFFIX:
        yield from wandb_offline.records(path, export.entity, export.project)
        return
    is_empty = True
    try:
        for line in lines(path):
            is_empty = False
            try:
                yield line.number, json.loads(line.content)
            except (ValueError, RecursionError) as problem:
                yield _malformed(line.number, line.is_last, problem)
    except InputError as problem:
        yield problem
        return
    if is_empty:
        yield InputError("empty", "is empty: nothing to land; export it again")


def _malformed(number: int, is_last: bool, problem: Exception) -> InputError:
    if is_last:
        return InputError(
            "truncated_line",
            "is cut off (the last line, without a line end): the export was interrupted; the "
            "lines before it have landed, export again",
            line=number,
        )
    return InputError(
        "malformed_line", f"is not JSON ({problem}); the other lines have landed", line=number
    )


class RecordLander:
    """Lands the records of one input and keeps account of its items."""

    def __init__(self, batch: Batch, export: ExportInput, pseudonymiser: Pseudonymiser) -> None:
        self._batch = batch
        self._export = export
        self._pseudonymiser = pseudonymiser
        self._run_lines: dict[tuple[str, str, str, str | None], int] = {}
        self._history_rows: dict[tuple[str | None, str | None, str], int] = {}
        self._n_history_rows = 0

    def land(self, documents: Iterable[tuple[int, Any] | InputError]) -> None:
        for document in documents:
            if isinstance(document, InputError):
                self._refuse(document)
                continue
            number, content = document
            for part in parts(content):
                is_ready = isinstance(part, RunRecord | HistoryRecord)
                try:
                    record = part if is_ready else record_of(part)
                    if isinstance(record, RunRecord):
                        self._land_run(record, number)
                    else:
                        self._land_history(record)
                except InputError as problem:
                    fields = part.fields if is_ready else part
                    run_id = fields.get("run_id") if isinstance(fields, dict) else None
                    self._refuse(problem, number, run_id if isinstance(run_id, str) else None)
                except RecursionError:
                    problem = InputError("too_deep", "is nested too deeply; the rest has landed")
                    self._refuse(problem, number)
        for (entity, project, run_id), rows in self._history_rows.items():
            self._batch.outcome(
                Outcome(
                    "history", "landed", entity=entity, project=project, run_id=run_id, rows=rows
                )
            )

    def _refuse(
        self, problem: InputError, line: int | None = None, run_id: str | None = None
    ) -> None:
        path = self._export.paths[0]
        line = problem.line or line
        where = f", line {line}" if line else ""
        run = f", run {run_id}" if run_id else ""
        outcome = Outcome(
            str(path), "refused", problem.reason, f"{path}{where}{run}: {problem}", line,
            self._export.entity, self._export.project, run_id,
        )  # fmt: skip
        self._batch.outcome(_private(outcome, self._pseudonymiser))

    def _land_run(self, record: RunRecord, line: int) -> None:
        fields = record.fields
        run_id = fields["run_id"]
        entity = fields.get("entity") or self._export.entity
        project = fields.get("project") or self._export.project
        if not isinstance(entity, str) or not isinstance(project, str):
            raise InputError(
                "no_project",
                "has no entity or project, and a W&B run id is unique only within its project; "
                "say which with --entity and --project",
            )
        if "/" in entity + project:
            raise InputError(
                "bad_project",
                f"is of {entity!r}, {project!r}: neither may hold a slash, which separates them in "
                "a run's path",
            )
        key = (entity, project, run_id, record.exported_at)
        if key in self._run_lines:
            raise InputError(
                "duplicate_run",
                f"repeats the run of line {self._run_lines[key]}; the first one has landed, this "
                "one has not",
            )
        self._run_lines[key] = line
        clean = self._pseudonymiser.run(fields | {"entity": entity, "project": project})
        exported_at = record.exported_at or self._export.exported_at
        self._batch.write("runs", entity, project, run_line(clean, line, exported_at))
        self._batch.outcome(
            Outcome("run", "landed", entity=entity, project=project, run_id=run_id, rows=1)
        )

    def _land_history(self, record: HistoryRecord) -> None:
        entity = record.entity or self._export.entity
        project = record.project or self._export.project
        if not (entity and project):
            entity = project = None  # the models find the run by its id
        fields = self._pseudonymiser.history_row(record.fields)
        self._n_history_rows += 1
        if "timestamp" not in fields:
            # Several rows of a step are then told apart by their order alone.
            fields["input_row"] = self._n_history_rows
        self._batch.write("history", entity, project, dump_json(fields))
        key = (entity, project, fields["run_id"])
        self._history_rows[key] = self._history_rows.get(key, 0) + 1
