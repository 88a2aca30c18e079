"""What a call of `wandb` says of itself: where it stands, and what it did."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass
class ProjectSummary:
    """What became of one project."""

    project: str
    listed: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    runs: int = 0  # snapshots that have landed
    histories: int = 0  # that were asked for
    history_rows: int = 0  # that have landed
    short_histories: int = 0
    deleted: int = 0
    restored: int = 0
    refused: int = 0


@dataclass
class Summary:
    """What a call did; printed as one line of JSON."""

    host: str
    dry_run: bool
    projects: list[ProjectSummary] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def refused(self) -> int:
        return sum(project.refused for project in self.projects)

    def as_json(self) -> str:
        counts = [name for name in ProjectSummary.__dataclass_fields__ if name != "project"]
        totals = {name: sum(getattr(one, name) for one in self.projects) for name in counts}
        record = {"command": "wandb", "host": self.host, "dry_run": self.dry_run, **totals}
        record |= {"quarantined": self.quarantined, "seconds": round(self.seconds, 1)}
        return json.dumps(record | {"projects": [asdict(one) for one in self.projects]})


@dataclass(frozen=True)
class Status:
    """Where a call stands, for whoever watches."""

    project: str
    total: int | None
    done: int
    rows: int
    waiting_for: str
