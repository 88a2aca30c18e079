"""The last steps: documents are recognised, and their records hidden and landed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from extract.errors import FileError, InputError
from extract.landing.batch import Batch
from extract.landing.encoding import dump_json
from extract.landing.manifest import Outcome
from extract.landing.privacy import Pseudonymiser
from extract.wandb.found import ExportInput
from extract.wandb.records import (
    HistoryRecord,
    RunName,
    RunRecord,
    UnnamedRunError,
    logged_row,
    parts,
    record_of,
    run_line,
)

# Told line by line; what more has the same fault is counted.
TOLD_LINES = 3


@dataclass
class _Fault:
    """What was refused for one reason."""

    first: list[tuple[InputError, int | None, str | None]] = field(default_factory=list)
    count: int = 0
    last_line: int | None = None


class RecordLander:
    """Lands the records of one input and keeps account of its items.

    ``run`` is the run of all that is in it; ``name`` finds the run of rows that name none.
    """

    def __init__(
        self,
        batch: Batch,
        export: ExportInput,
        pseudonymiser: Pseudonymiser,
        *,
        run: RunName | None = None,
        name: Callable[[], RunName] | None = None,
    ) -> None:
        self._batch = batch
        self._export = export
        self._pseudonymiser = pseudonymiser
        self._run = run
        self._name = name
        self._unnamed: RunName | None = None
        self._n_runs = 0
        self._last_line = -1
        self._n_records = 0
        self._faults: dict[str, _Fault] = {}
        self._n_history_rows = 0
        self._history_rows: dict[tuple[str | None, str | None, str], int] = {}
        # The runs that the input names itself, and the one that was given for rows that name none.
        self.named: dict[str, RunName] = {}
        self.given: RunName | None = None

    @property
    def without_project(self) -> set[str]:
        """The runs whose rows landed under an unknown project."""
        return {run_id for entity, _, run_id in self._history_rows if entity is None}

    def land(self, documents: Iterable[tuple[int, Any] | InputError]) -> None:
        """Land all of it. Raises ``FileError`` when nothing of it may land."""
        for document in documents:
            if isinstance(document, InputError):
                self._refuse(document)
                continue
            number, content = document
            for part in parts(content):
                self._n_records += 1
                self._land(part, number)
        self._tell_faults()
        for (entity, project, run_id), rows in self._history_rows.items():
            self._batch.outcome(
                Outcome(
                    "history", "landed", entity=entity, project=project, run_id=run_id, rows=rows
                )
            )

    def _land(self, part: Any, number: int) -> None:
        is_ready = isinstance(part, RunRecord | HistoryRecord)
        try:
            record = part if is_ready else self._recognised(part)
            if isinstance(record, RunRecord):
                self._land_run(record, number)
            else:
                self._land_history(record)
        except InputError as problem:
            if isinstance(problem, FileError) and self._n_records == 1:
                raise
            fields = part.fields if is_ready else part
            run_id = fields.get("run_id") if isinstance(fields, dict) else None
            self._refuse(problem, number, run_id if isinstance(run_id, str) else None)
        except RecursionError:
            problem = InputError("too_deep", "is nested too deeply; the rest has landed")
            self._refuse(problem, number)

    def _recognised(self, part: Any) -> RunRecord | HistoryRecord:
        if self._run is not None and isinstance(part, dict):
            return logged_row(self._run.run_id, part, self._run.entity, self._run.project)
        try:
            return record_of(part, self._unnamed)
        except UnnamedRunError:
            # A run that the file names, and no other, is the run of what names none in it.
            if len(self.named) == 1:
                (self._unnamed,) = self.named.values()
            elif self._name is not None and not self.named:
                self._unnamed = self.given = self._name()
            else:
                raise
            return record_of(part, self._unnamed)

    def _refuse(
        self, problem: InputError, line: int | None = None, run_id: str | None = None
    ) -> None:
        fault = self._faults.setdefault(problem.reason, _Fault())
        fault.count += 1
        fault.last_line = problem.line or line
        if len(fault.first) < TOLD_LINES:
            fault.first.append((problem, problem.line or line, run_id))

    def _tell_faults(self) -> None:
        """Refuse the input once where nothing of it has landed, else what is wrong in it."""
        n_refused = sum(fault.count for fault in self._faults.values())
        is_of_lines = any(fault.last_line for fault in self._faults.values())
        if n_refused > 1 and is_of_lines and not self._history_rows and not self._n_runs:
            fault = max(self._faults.values(), key=lambda one: one.count)
            problem, line, _ = fault.first[0]
            where = f"; the first, line {line}, " if line else "; the first "
            what = f"holds {n_refused} records or lines, and none can land{where}{problem}"
            self._outcome(problem.reason, f": {what}", None, None)
            return
        for reason, fault in self._faults.items():
            for problem, line, run_id in fault.first:
                where = f", line {line}" if line else ""
                run = f", run {run_id}" if run_id else ""
                self._outcome(reason, f"{where}{run}: {problem}", line, run_id)
            if more := fault.count - len(fault.first):
                up_to = f", the last in line {fault.last_line}" if fault.last_line else ""
                what = f": {more} more like this{up_to}: {fault.first[-1][0]}"
                self._outcome(reason, what, None, None, more)

    def _outcome(
        self,
        reason: str,
        message: str,
        line: int | None,
        run_id: str | None,
        rows: int | None = None,
    ) -> None:
        path = self._export.paths[0]
        outcome = Outcome(
            str(path), "refused", reason, f"{path}{message}", line,
            self._export.entity, self._export.project, run_id, rows,
        )  # fmt: skip
        self._batch.outcome(private(outcome, self._pseudonymiser))

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
        # A record is known by its file and line: those of one line are told apart, in their order.
        self._last_line = max(line, self._last_line + 1)
        self._n_runs += 1
        self.named[run_id] = RunName(run_id, entity, project)
        clean = self._pseudonymiser.run(fields | {"entity": entity, "project": project})
        exported_at = record.exported_at or self._export.exported_at
        self._batch.write("runs", entity, project, run_line(clean, self._last_line, exported_at))
        self._batch.outcome(
            Outcome("run", "landed", entity=entity, project=project, run_id=run_id, rows=1)
        )

    def _land_history(self, record: HistoryRecord) -> None:
        entity, project = record.entity, record.project
        if not (entity and project):
            entity = self._export.entity or entity
            project = self._export.project or project
        if not (entity and project):
            entity = project = None  # the models find the run by its id
        fields = self._pseudonymiser.history_row(record.fields)
        self._n_history_rows += 1
        if "timestamp" not in fields:
            # Several rows of a step are then told apart by their order alone.
            fields["input_row"] = self._n_history_rows
        self._batch.write("history", entity, project, dump_json(fields))
        key = (entity, project, fields["run_id"])
        if key in self._history_rows:
            self._history_rows[key] += 1
            return
        self._history_rows[key] = 1
        run_id = fields["run_id"]
        if self._unnamed is None or run_id != self._unnamed.run_id:
            self.named.setdefault(run_id, RunName(run_id, entity, project))


def private(outcome: Outcome, pseudonymiser: Pseudonymiser) -> Outcome:
    """An outcome as it may be written: without the folders of the machine it came from."""
    name = Path(outcome.item).name or outcome.item
    message = name + (outcome.message or "").removeprefix(outcome.item)
    if len(name) < len(outcome.item):
        message = message.replace(outcome.item, name)
    private = {"item": pseudonymiser.text(name), "message": pseudonymiser.text(message)}
    return Outcome(**(vars(outcome) | private))
