"""What has landed of each W&B run, read back from the outcomes that landed with it.

Nothing else is kept: the ledger cannot disagree with the landing zone, and a call that was killed
leaves no trace in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from extract.landing.manifest import Manifest
from extract.landing.zone import LandingZone

# Of one run, each with an outcome of its own.
ITEMS = frozenset({"run", "history", "metadata"})


@dataclass
class KnownRun:
    """A run that has landed before, whether from W&B or from an export's files."""

    listed_sha256: str | None = None  # of the newest snapshot taken from W&B
    has_metadata: bool = False  # or W&B has none
    is_deleted: bool = False
    seen_at: str | None = None  # when W&B last had it
    history: HistoryProgress | None = None
    refused: frozenset[str] = frozenset()  # items that failed when they were last asked for


@dataclass(frozen=True)
class HistoryProgress:
    """How far a run's history has landed, and what W&B said of the run then."""

    replaces_earlier: bool  # whether it supersedes what had landed of this history before
    n_rows: int  # of the history so far, not of this batch
    last_step: int | None
    last_rows: tuple[str, ...]  # hashes of the rows at the last step
    keys: tuple[str, ...] | None  # the metrics asked for; None: all
    min_step: int | None
    max_step: int | None
    heartbeat_at: str | None
    listed_line_count: int | None
    listed_last_step: int | None
    is_short: bool = False  # fewer rows than W&B counts

    @property
    def is_window(self) -> bool:
        return self.min_step is not None or self.max_step is not None


class Ledger:
    """Known runs by project."""

    def __init__(self, zone: LandingZone, manifests: Iterable[Manifest]) -> None:
        self._runs: dict[tuple[str, str], dict[str, KnownRun]] = {}
        for record in zone.records(manifests, "outcomes"):
            self._add(record)

    def project(self, entity: str, project: str) -> dict[str, KnownRun]:
        """The known runs of one project by run id."""
        return self._runs.setdefault((entity, project), {})

    def _add(self, record: dict[str, Any]) -> None:
        item, status, run_id = record.get("item"), record.get("status"), record.get("run_id")
        entity, project = record.get("entity"), record.get("project")
        if not (entity and project):
            return
        runs = self.project(entity, project)
        if item == "listing" and status == "landed":
            for run in runs.values():
                if not run.is_deleted:
                    run.seen_at = record["recorded_at"]
        if item not in ITEMS or not run_id or (item == "history" and run_id not in runs):
            return
        run = runs.setdefault(run_id, KnownRun())
        progress = record.get("progress") or {}
        if status == "refused":
            run.refused |= {item}
            return
        run.refused -= {item}
        if status in ("deleted", "restored"):
            run.is_deleted = status == "deleted"
        elif item == "history" and progress:
            run.history = history_progress(progress)
        elif item == "run" and progress:
            run.seen_at = record["recorded_at"]
            run.listed_sha256 = progress["listed_sha256"]
            if progress["has_metadata"]:
                run.has_metadata = True
                run.refused -= {"metadata"}


def history_progress(record: dict[str, Any]) -> HistoryProgress:
    """The progress as it was landed."""
    return HistoryProgress(**{name: _tupled(value) for name, value in record.items()})


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else value
