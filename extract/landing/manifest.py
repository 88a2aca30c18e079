"""What is said of a batch: its files, what became of each item, and what was asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from extract import __version__


@dataclass(frozen=True)
class LandedFile:
    """One immutable file of a batch; ``path`` is relative to the raw directory.

    ``entity`` and ``project`` are the two levels below a source: those of W&B, or a dataset of the
    Hugging Face hub and its commit.
    """

    path: str
    kind: str
    entity: str | None
    project: str | None
    rows: int
    bytes: int
    raw_bytes: int
    max_record_bytes: int
    sha256: str
    provenance: dict[str, Any] | None = None  # of a file that landed whole: where it is from


@dataclass(frozen=True)
class Outcome:
    """What became of one item: a run, a history, a line or a whole input."""

    item: str
    status: str  # landed | refused | deleted | restored
    reason: str | None = None
    message: str | None = None
    line: int | None = None
    entity: str | None = None
    project: str | None = None
    run_id: str | None = None
    rows: int | None = None
    progress: dict[str, Any] | None = None  # what the next call must know to go on from here


@dataclass
class Manifest:
    """One batch: what was asked, what landed, what did not."""

    batch_id: str
    source: str
    arguments: dict[str, Any]
    started_at: str
    tool_version: str = __version__
    finished_at: str | None = None
    exported_at: str | None = None
    input_sha256: str | None = None
    pseudonym_key_id: str | None = None
    n_landed: int = 0
    n_refused: int = 0
    refusals: list[dict[str, Any]] = field(default_factory=list)
    files: list[LandedFile] = field(default_factory=list)


def utc_now() -> str:
    """The current time as ISO 8601 text in UTC, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
