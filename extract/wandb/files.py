"""`wandb-files`: W&B exports on disk, of every shape that is known, into the landing zone.

Each goes one way: found (`found`), read into documents (`read`, and a reader for each format),
recognised as records (`records`), hidden and landed (`lander`).

One input file is one batch. An input that has landed before (same bytes, by sha256) is not landed
again, so a call that was killed goes on with the first file that it had not finished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from extract.errors import FileError, InputError
from extract.landing.encoding import file_sha256
from extract.landing.manifest import Manifest, Outcome
from extract.landing.privacy import Pseudonymiser
from extract.landing.zone import LandingZone, landed_batches
from extract.summary import CallSummary
from extract.wandb.found import (
    RUN_SUFFIX,
    ExportInput,
    NotAnExport,
    ending,
    find_inputs,
    refused_path,
)
from extract.wandb.lander import RecordLander, private
from extract.wandb.naming import (
    RunPath,
    UndecidedRunError,
    is_client_export,
    of_client_export,
    of_file,
    run_path,
)
from extract.wandb.read import documents
from extract.wandb.records import RunName

SOURCE = "wandb"
# The argument of a batch that says that its log's records tell their session, since 2026-11.
TELLS_SESSION = "tells_session"
# Often enough to see that something moves, seldom enough to cost nothing.
RECORDS_PER_REPORT = 500


# Raised when inputs are recognised that were refused before: they land when they come again.
READER = 2
# Files that are no exports, by name.
TOLD_NAMES = 8


@dataclass
class Summary(CallSummary):
    """What a call did; printed as one line of JSON.

    ``runs`` and ``history_rows`` have landed in this call, ``unknown_project_rows`` of them without
    a project; ``refused`` counts the items that are missing, those of inputs that had landed before
    included; ``not_exports`` the files below the folders that hold no data. ``notes`` are told
    beside the messages, and are no failures.
    """

    command = "wandb-files"
    inputs: int = 0
    already_landed: int = 0
    runs: int = 0
    history_rows: int = 0
    unknown_project_rows: int = 0
    refused: int = 0
    not_exports: int = 0
    messages: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def land(
    zone: LandingZone,
    paths: Iterable[Path],
    pseudonymiser: Pseudonymiser,
    *,
    entity: str | None = None,
    project: str | None = None,
    run: str | None = None,
    report: Callable[[str, int], None] = lambda _name, _records: None,
) -> Summary:
    """Land every export below ``paths``; the summary says what landed and what did not.

    ``run`` is the run of history that names none, as ENTITY/PROJECT/ID. ``report`` is told the
    input and how many of its records have been read, now and then.
    """
    named = run_path(run) if run is not None else None
    with zone.locked(SOURCE):
        call = _Call(zone, pseudonymiser, named, report)
        for found in find_inputs(paths, entity, project, zone.root.resolve()):
            if isinstance(found, NotAnExport):
                call.summary.not_exports += 1
                if not found.is_of_run:
                    call.not_exports.append(found.name)
            elif isinstance(found, Outcome):
                call.summary.inputs += 1
                call.refuse(found)
            else:
                call.summary.inputs += 1
                call.land(found)
        call.land_undecided()
    return call.told()


class _LandedBeforeError(Exception):
    """What an input is, was told only while it was read."""


class _NamedLaterError(Exception):
    """A file has named its run behind rows that did not."""

    def __init__(self, run: RunName) -> None:
        super().__init__()
        self.run = run


class _Call:
    """One call: what has landed, what it has done, and what other inputs of it have said."""

    def __init__(
        self,
        zone: LandingZone,
        pseudonymiser: Pseudonymiser,
        run: RunPath | None,
        report: Callable[[str, int], None],
    ) -> None:
        self.summary = Summary()
        self.not_exports: list[str] = []
        self._zone = zone
        self._pseudonymiser = pseudonymiser
        self._run = run
        self._report = report
        self._landed = landed_inputs(zone, pseudonymiser)
        self._named: set[RunPath] = set()
        self._runs_without_project: set[str] = set()
        self._undecided: list[tuple[ExportInput, str]] = []

    def land(self, export: ExportInput) -> None:
        """Land an input, unless it has landed before, or its run is not known yet."""
        self._report(export.name, 0)
        try:
            digest = _digest(export)
        except OSError as problem:
            why = f"cannot be read ({problem.strerror}); the other inputs have landed"
            self.refuse(refused_path(Path(problem.filename or export.name), "unreadable", why))
            return
        if not (self._has_landed(digest) or self._has_landed(self._refused(digest))):
            self._attempt(export, digest, is_last=False)

    def land_undecided(self) -> None:
        """Those whose run was not known, now that the runs of the other inputs are."""
        for export, digest in self._undecided:
            self._attempt(export, digest, is_last=True)

    def refuse(self, outcome: Outcome, digest: str | None = None) -> None:
        """Land nothing of an input but that it was refused."""
        arguments = self._arguments() | {"reader": READER}
        with self._zone.batch(SOURCE, arguments, input_sha256=digest) as batch:
            batch.outcome(private(outcome, self._pseudonymiser))
            message = outcome.message
        batch.manifest.refusals[0]["message"] = message  # on the terminal the path may be clear
        self._count(batch.manifest)

    def told(self) -> Summary:
        """The summary, with its notes."""
        summary = self.summary
        if names := self.not_exports:
            more = f" and {len(names) - TOLD_NAMES} more" if len(names) > TOLD_NAMES else ""
            told = ", ".join(names[:TOLD_NAMES])
            summary.notes.append(f"no exports, and left out: {told}{more}")
        if n_rows := summary.unknown_project_rows:
            summary.notes.append(
                f"{n_rows} history rows of {len(self._runs_without_project)} runs name no project "
                "and landed under an unknown one: each counts to the run of its id where exactly "
                "one project has it, else to none; --entity and --project say which"
            )
        return summary

    def _attempt(self, export: ExportInput, digest: str, *, is_last: bool) -> None:
        path = export.paths[0]
        try:
            if is_client_export(path):
                run = of_client_export(
                    path, run=self._run, entity=export.entity, project=export.project,
                    known=self._known_runs if is_last else frozenset,
                )  # fmt: skip
                digest = _digest_of_run(digest, run)
                if not self._has_landed(digest):
                    self._land(export, digest, run=run)
            else:
                self._land(export, digest, name=partial(self._name, export, digest, is_last))
        except _LandedBeforeError:
            pass
        except _NamedLaterError as later:
            run = later.run
            self._land(export, digest, name=lambda: run)
        except UndecidedRunError as problem:
            if is_last:  # another call may know the run: it is not remembered
                self.refuse(refused_path(path, problem.reason, str(problem)))
            else:
                self._undecided.append((export, digest))
        except FileError as problem:
            self.refuse(refused_path(path, problem.reason, str(problem)), self._refused(digest))

    def _name(self, export: ExportInput, digest: str, is_last: bool) -> RunName:
        """The run of rows that name none."""
        if self._run is not None:
            run = RunName(self._run[2], *self._run[:2])
        elif is_last:
            run = of_file(
                export.paths[0], entity=export.entity, project=export.project,
                known=self._known_runs,
            )  # fmt: skip
        else:
            raise UndecidedRunError("no_run_id", "is of a run that may be named later")
        if self._has_landed(_digest_of_run(digest, run)):
            raise _LandedBeforeError
        return run

    def _land(
        self,
        export: ExportInput,
        digest: str,
        *,
        run: RunName | None = None,
        name: Callable[[], RunName] | None = None,
    ) -> None:
        inputs = [self._pseudonymiser.text(path.name) for path in export.paths]
        arguments = self._arguments() | {"inputs": inputs}
        if ending(export.paths[0]) == RUN_SUFFIX:
            arguments[TELLS_SESSION] = True
        with self._zone.batch(
            SOURCE,
            arguments,
            input_sha256=digest,
            exported_at=export.exported_at,
            pseudonym_key_id=self._pseudonymiser.key_id,
        ) as batch:
            lander = RecordLander(batch, export, self._pseudonymiser, run=run, name=name)
            found = documents(export, self._zone.scratch)
            lander.land(_reported(found, export.name, self._report))
            if lander.given is not None:
                self._check_given(lander.given, lander.named)
                batch.manifest.input_sha256 = _digest_of_run(digest, lander.given)
            if batch.manifest.n_refused:
                batch.manifest.arguments["reader"] = READER
        self._landed[batch.manifest.input_sha256 or digest] = batch.manifest
        self._named |= {
            (one.entity, one.project, one.run_id)
            for one in lander.named.values()
            if one.entity and one.project
        }
        self.summary.runs += _rows(batch.manifest, "runs")
        self.summary.history_rows += _rows(batch.manifest, "history")
        unknown = [entry for entry in batch.manifest.files if entry.entity is None]
        self.summary.unknown_project_rows += sum(
            entry.rows for entry in unknown if entry.kind == "history"
        )
        self._runs_without_project |= lander.without_project
        self._count(batch.manifest)

    def _check_given(self, given: RunName, named: dict[str, RunName]) -> None:
        """The name of a file says its run only where no line of it says another."""
        if self._run is not None or not named or set(named) == {given.run_id}:
            return
        if len(named) == 1:
            raise _NamedLaterError(next(iter(named.values())))
        raise FileError(
            "no_run_id",
            "names several runs, and holds rows that name none; name theirs with --run "
            "ENTITY/PROJECT/ID",
        )

    def _has_landed(self, digest: str) -> bool:
        manifest = self._landed.get(digest)
        # What was refused without the option may land with it.
        if manifest is None or (
            manifest.n_refused and manifest.arguments.get("run") != self._arguments().get("run")
        ):
            return False
        self.summary.already_landed += 1
        self._count(manifest)
        return True

    def _count(self, manifest: Manifest) -> None:
        self.summary.refused += manifest.n_refused
        self.summary.messages += [entry["message"] for entry in manifest.refusals]

    def _arguments(self) -> dict[str, Any]:
        run = {"run": "/".join(self._run)} if self._run else {}
        return {"command": "wandb-files"} | run

    def _refused(self, digest: str) -> str:
        """The digest of an input that was refused as a whole."""
        return _joined_digest(digest, "refused", *(self._run or ()))

    def _known_runs(self) -> Collection[RunPath]:
        """The runs that inputs of this call have named, and those that have landed."""
        return self._named | self._runs_of_zone

    @cached_property
    def _runs_of_zone(self) -> set[RunPath]:
        outcomes = self._zone.records(self._zone.manifests(SOURCE), "outcomes")
        return {
            (one["entity"], one["project"], one["run_id"])
            for one in outcomes
            if one["item"] == "run" and {"entity", "project", "run_id"} <= one.keys()
        }


def landed_inputs(zone: LandingZone, pseudonymiser: Pseudonymiser) -> dict[str, Manifest]:
    """The batch of each input that has landed, by the input's sha256."""
    manifests = landed_batches(zone, SOURCE, pseudonymiser)
    return {
        one.input_sha256: one
        for one in manifests
        if one.input_sha256
        and (not one.n_refused or one.arguments.get("reader") == READER)
        and not lacks_session(one)
    }


def lacks_session(manifest: Manifest) -> bool:
    """Whether a batch is an offline log that landed before sessions were told apart."""
    inputs = manifest.arguments.get("inputs") or [""]
    return ending(Path(inputs[0])) == RUN_SUFFIX and TELLS_SESSION not in manifest.arguments


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


def _rows(manifest: Manifest, kind: str) -> int:
    return sum(entry.rows for entry in manifest.files if entry.kind == kind)


def _digest(export: ExportInput) -> str:
    """What an input is: its bytes, and the project it is said to be of."""
    digests = [file_sha256(path) for path in export.paths]
    if len(digests) == 1 and export.entity is None and export.project is None:
        return digests[0]
    return _joined_digest(*digests, export.entity or "", export.project or "")


def _digest_of_run(digest: str, run: RunName) -> str:
    """What a history is that does not say of which run: its bytes, and the run."""
    return _joined_digest(digest, run.entity or "", run.project or "", run.run_id)


def _joined_digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _reported(
    documents: Iterable[tuple[int, Any] | InputError],
    name: str,
    report: Callable[[str, int], None],
) -> Iterator[tuple[int, Any] | InputError]:
    for count, document in enumerate(documents, start=1):
        yield document
        if count % RECORDS_PER_REPORT == 0:
            report(name, count)
