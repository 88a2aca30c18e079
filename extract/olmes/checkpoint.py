"""One checkpoint's results on disk: what a source unpacks, and what is converted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from extract.errors import InputError


def unexpected(name: str, problem: Exception, error: type[InputError]) -> InputError:
    """The refusal of what nobody thought of: it must not keep the rest from landing."""
    first_line = str(problem).partition("\n")[0][:200]
    return error(
        "unreadable",
        f"{name}: cannot be read ({type(problem).__name__}: {first_line}); get it again from its "
        "publisher, or report this",
    )


@dataclass(frozen=True, order=True)
class Checkpoint:
    """What one inner tarball is of."""

    tar_name: str
    params: str
    seed_number: int
    step: int

    @property
    def name(self) -> str:
        return f"{self.tar_name}/{self.params}/seed-{self.seed_number}/step-{self.step}"

    @property
    def folders(self) -> tuple[str, ...]:
        """Where it lands, below the source."""
        return (
            f"recipe={self.tar_name}", f"params={self.params}", f"seed={self.seed_number}",
            f"step={self.step}",
        )  # fmt: skip


@dataclass
class TaskFiles:
    """The two files of one task, as they came out of a checkpoint."""

    metrics: bytes | None = None
    metrics_sha256: str = ""
    predictions: Path | None = None
    predictions_bytes: int = 0
    colons: int = 0  # one for each key, and those in texts
    member: str = ""


@dataclass
class Unpacked:
    """A checkpoint on disk: the wanted tasks by name, and what is in it that is no task."""

    checkpoint: Checkpoint
    path: str
    tarball_sha256: str | None = None
    tasks: dict[str, TaskFiles] = field(default_factory=dict)
    unknown: dict[str, InputError] = field(default_factory=dict)
    known: frozenset[str] = frozenset()  # all tasks, wanted or not
