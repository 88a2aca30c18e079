"""The last steps: documents are recognised, and their records hidden and landed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from extract.errors import InputError
from extract.landing.privacy import Pseudonymiser
from extract.landing.zone import Batch, Outcome, dump_json
from extract.wandb.found import ExportInput
from extract.wandb.records import HistoryRecord, RunRecord, parts, record_of, run_line


class RecordLander:
    """Lands the records of one input and keeps account of its items."""

    def __init__(self, batch: Batch, export: ExportInput, pseudonymiser: Pseudonymiser) -> None:
        self._batch = batch
        self._export = export
        self._pseudonymiser = pseudonymiser
        self._run_lines: dict[tuple[str, str, str, str | None], int] = {}
        self._history_rows: dict[tuple[str | None, str | None, str], int] = {}

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
        self._batch.write("history", entity, project, dump_json(fields))
        key = (entity, project, fields["run_id"])
        self._history_rows[key] = self._history_rows.get(key, 0) + 1


def private(outcome: Outcome, pseudonymiser: Pseudonymiser) -> Outcome:
    """An outcome as it may be written: without the folders of the machine it came from."""
    name = Path(outcome.item).name or outcome.item
    message = name + (outcome.message or "").removeprefix(outcome.item)
    if len(name) < len(outcome.item):
        message = message.replace(outcome.item, name)
    private = {"item": pseudonymiser.text(name), "message": pseudonymiser.text(message)}
    return Outcome(**(vars(outcome) | private))
