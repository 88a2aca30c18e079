"""`wandb-files`: W&B exports on disk, of every shape that is known, into the landing zone.

Each goes one way: found (`found`), read into documents (`read`, and a reader for each format),
recognised as records (`records`), hidden and landed (`lander`).

One input file is one batch. An input that has landed before (same bytes, by sha256) is not landed
again, so a call that was killed goes on with the first file that it had not finished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from extract.errors import InputError, UsageError
from extract.landing.privacy import Pseudonymiser
from extract.landing.zone import LandingZone, Manifest, Outcome, file_sha256
from extract.summary import CallSummary
from extract.wandb.found import ExportInput, find_inputs, refused_path
from extract.wandb.lander import RecordLander, private
from extract.wandb.read import documents

SOURCE = "wandb"
# Often enough to see that something moves, seldom enough to cost nothing.
RECORDS_PER_REPORT = 500


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
                    found = refused_path(Path(problem.filename or found.name), "unreadable", why)
            if isinstance(found, Outcome):
                manifest = _land_refusal(zone, found, pseudonymiser)
            elif digest in landed:
                summary.already_landed += 1
                manifest = landed[digest]
            else:
                records = _reported(documents(found), found.name, report)
                manifest = _land_input(zone, found, records, digest, pseudonymiser)
                landed[digest] = manifest
                summary.runs += _rows(manifest, "runs")
                summary.history_rows += _rows(manifest, "history")
            summary.refused += manifest.n_refused
            summary.messages += [entry["message"] for entry in manifest.refusals]
    return summary


def landed_inputs(zone: LandingZone, pseudonymiser: Pseudonymiser) -> dict[str, Manifest]:
    """The batch of each input that has landed, by the input's sha256."""
    manifests = landed_batches(zone, pseudonymiser)
    return {one.input_sha256: one for one in manifests if one.input_sha256}


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
        batch.outcome(private(refused, pseudonymiser))
        message = refused.message
    batch.manifest.refusals[0]["message"] = message  # on the terminal the path may be clear
    return batch.manifest


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
    with zone.batch(
        SOURCE,
        {
            "command": "wandb-files",
            "inputs": [pseudonymiser.text(path.name) for path in export.paths],
        },
        input_sha256=digest,
        exported_at=export.exported_at,
        pseudonym_key_id=pseudonymiser.key_id,
    ) as batch:
        lander = RecordLander(batch, export, pseudonymiser)
        lander.land(documents)
    return batch.manifest
