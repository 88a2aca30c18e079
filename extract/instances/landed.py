"""What has landed of a recipe, and what a tarball holds that was read to its end."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from extract import __version__
from extract.instances.request import all_tasks
from extract.landing.manifest import Manifest
from extract.landing.zone import LandingZone
from extract.olmes.checkpoint import Checkpoint

SOURCE = "instances"


@dataclass(frozen=True)
class Refusal:
    """A checkpoint that was refused, with the tasks that were asked for."""

    checkpoint: Checkpoint
    tasks: frozenset[str]
    reason: str
    at: str | None = None  # when it was


@dataclass
class Contents:
    """What a tarball holds, and what has been refused of it: so that it is not fetched again."""

    held: set[Checkpoint] = field(default_factory=set)
    # The tasks count: where one is damaged, others may land.
    refused: dict[tuple[Checkpoint, frozenset[str]], Refusal] = field(default_factory=dict)
    unknown_tasks: set[tuple[Checkpoint, str]] = field(default_factory=set)

    def refuse(self, checkpoint: Checkpoint, tasks: Collection[str], reason: str) -> None:
        refusal = Refusal(checkpoint, frozenset(tasks), reason)
        self.refused[checkpoint, refusal.tasks] = refusal

    def as_arguments(self) -> dict[str, Any]:
        """For the manifest of the call that has read it."""
        return {
            "held": [_key(checkpoint) for checkpoint in sorted(self.held)],
            "refused": [
                [*_key(refusal.checkpoint), _task_list(refusal.tasks), refusal.reason]
                for refusal in self.refused.values()
            ],
            "unknown_tasks": [
                [*_key(checkpoint), task] for checkpoint, task in sorted(self.unknown_tasks)
            ],
        }

    def add(self, tar_name: str, manifest: Manifest) -> None:
        """What an earlier call has found. A newer version may take what another one refused."""
        said = manifest.arguments
        self.held.update(Checkpoint(tar_name, *key) for key in said["held"])
        self.unknown_tasks.update(
            (Checkpoint(tar_name, *key), task) for *key, task in said["unknown_tasks"]
        )
        if manifest.tool_version == __version__:
            for *key, tasks, reason in said["refused"]:
                refusal = Refusal(
                    Checkpoint(tar_name, *key), frozenset(tasks or all_tasks()), reason,
                    manifest.finished_at,
                )  # fmt: skip
                self.refused[refusal.checkpoint, refusal.tasks] = refusal


class Landed:
    """What the manifests say of a recipe."""

    def __init__(self, zone: LandingZone, tar_name: str) -> None:
        self.tasks: dict[Checkpoint, set[str]] = {}
        self._tar_name = tar_name
        self._ends: list[Manifest] = []
        for manifest in zone.manifests(SOURCE, tar_name):
            asked = manifest.arguments
            if "archive" in asked:
                self._ends.append(manifest)
            elif any(file.kind == "questions" for file in manifest.files):
                checkpoint = Checkpoint(tar_name, asked["params"], asked["seed"], asked["step"])
                self.tasks.setdefault(checkpoint, set()).update(asked["tasks"] or all_tasks())

    def missing(self, checkpoint: Checkpoint, wanted: frozenset[str]) -> frozenset[str]:
        return wanted - self.tasks.get(checkpoint, set())

    def contents(self, revision: str) -> Contents | None:
        """What calls that have read the tarball of this commit to its end have found in it."""
        ends = self._ends_of(revision)
        if not ends:
            return None
        contents = Contents()
        for manifest in ends:
            contents.add(self._tar_name, manifest)
        return contents

    def is_kept(self, revision: str) -> bool:
        """Whether the last of these calls was to keep the tarball."""
        ends = self._ends_of(revision)
        return bool(ends) and ends[-1].arguments["kept"]

    def _ends_of(self, revision: str) -> list[Manifest]:
        return [
            manifest for manifest in self._ends
            if manifest.arguments["archive"]["revision"] == revision
            and "held" in manifest.arguments
        ]  # fmt: skip


def _key(checkpoint: Checkpoint) -> list[Any]:
    return [checkpoint.params, checkpoint.seed_number, checkpoint.step]


def _task_list(tasks: frozenset[str]) -> list[str] | None:
    """For a manifest: none stands for all of them."""
    return None if tasks == frozenset(all_tasks()) else sorted(tasks)
