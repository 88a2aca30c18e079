"""What an incremental call fetches of a run: the whole of the decision, and nothing else.

A run is looked at again whatever its state: evaluations and tags arrive weeks after its end (spec
wandb_source, section 4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from extract.wandb.client import ListedRun, Selection
from extract.wandb.ledger import HistoryProgress, KnownRun

FINISHED_STATES = frozenset({"finished", "failed", "crashed", "killed"})
# W&B's parquet exports lag hours behind a run: a history that is short is asked for again so long.
SETTLED_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Options:
    """What a call asks for, beside the projects."""

    selection: Selection = field(default_factory=Selection)
    since: str | None = None
    limit: int | None = None
    runs_only: bool = False
    history_keys: tuple[str, ...] = ()
    min_step: int | None = None
    max_step: int | None = None
    metadata: bool = False
    full: bool = False
    dry_run: bool = False
    accept_deletions: bool = False
    workers: int = 4
    deadline_s: float = 600.0
    max_failures: int = 20

    @property
    def is_everything(self) -> bool:
        """Whether a run that is not listed is gone."""
        return self.selection.is_everything and self.since is None and self.limit is None


@dataclass(frozen=True)
class Needs:
    """What is to be fetched of one run, and why."""

    snapshot: Literal["new", "changed", "again"] | None = None
    metadata: bool = False
    history: Literal["whole", "tail"] | None = None

    def __bool__(self) -> bool:
        return bool(self.snapshot or self.metadata or self.history)


def needs(listed: ListedRun, listed_sha256: str, known: KnownRun | None, options: Options) -> Needs:
    """What to fetch of a listed run, given what has landed of it."""
    if known is None or known.listed_sha256 is None:
        snapshot = "new"
    elif known.listed_sha256 != listed_sha256:
        snapshot = "changed"
    elif options.full or known.is_deleted or "run" in known.refused:
        snapshot = "again"
    else:
        snapshot = None
    known = known or KnownRun()
    metadata = options.metadata and (
        snapshot is not None or not known.has_metadata or "metadata" in known.refused
    )
    return Needs(
        "again" if metadata and snapshot is None else snapshot,
        metadata,
        None if options.runs_only else _history(listed, known, options),
    )


def _history(
    listed: ListedRun, known: KnownRun, options: Options
) -> Literal["whole", "tail"] | None:
    landed = known.history
    finished = listed.record.fields.get("state") in FINISHED_STATES
    if landed is None:
        nothing_there = listed.history_line_count == 0 and finished
        return None if nothing_there and "history" not in known.refused else "whole"
    if options.full or not _covers(landed, options):
        return "whole"
    if listed_progress(listed) != (
        landed.heartbeat_at, landed.listed_line_count, landed.listed_last_step,
    ):  # fmt: skip
        return "tail"
    if not finished or "history" in known.refused:
        return "tail"
    return "whole" if landed.is_short and not _is_settled(landed) else None


def listed_progress(listed: ListedRun) -> tuple[str | None, int | None, int | None]:
    """What a listing tells of a history: it changes when the history does."""
    heartbeat = listed.record.fields.get("heartbeat_at")
    return heartbeat, listed.history_line_count, listed.last_step


def keys_to_fetch(known: HistoryProgress | None, options: Options) -> tuple[str, ...] | None:
    """The metrics to land, None for all: never fewer than have landed of this run before."""
    asked = options.history_keys or None
    if known is None or asked is None:
        return asked
    return None if known.keys is None else tuple(sorted({*known.keys, *asked}))


def window_to_fetch(
    known: HistoryProgress | None, options: Options
) -> tuple[int | None, int | None]:
    """The steps to land, None for no limit: all of them where all have landed before."""
    if known is not None and not known.is_window:
        return None, None
    return options.min_step, options.max_step


def _covers(landed: HistoryProgress, options: Options) -> bool:
    """Whether what is asked for is part of what has landed, apart from new rows."""
    if keys_to_fetch(landed, options) != landed.keys:
        return False
    if not landed.is_window:
        return True
    return (landed.min_step, landed.max_step) == (options.min_step, options.max_step)


def _is_settled(landed: HistoryProgress) -> bool:
    try:
        heartbeat = datetime.fromisoformat(landed.heartbeat_at or "")
    except ValueError:
        return True
    if heartbeat.tzinfo is None:  # W&B's times are UTC, some without saying so
        heartbeat = heartbeat.replace(tzinfo=UTC)
    return datetime.now(UTC) - heartbeat > SETTLED_AFTER
