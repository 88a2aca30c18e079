"""One call of `posttrain`: the results directories below the folders that were named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from extract.errors import ExtractError, InputError
from extract.landing.manifest import Manifest, Outcome
from extract.landing.privacy import Pseudonymiser, home_names
from extract.landing.zone import LandingZone, landed_batches
from extract.posttrain.files import PREDICTIONS, Directory
from extract.posttrain.files import find as find_directories
from extract.posttrain.lander import SOURCE, ChangedError, Lander, Summary, is_named_for_results


def land(
    zone: LandingZone,
    folders: Sequence[Path],
    pseudonymiser: Pseudonymiser,
    *,
    report: Callable[[str, int], None] = lambda _name, _records: None,
) -> Summary:
    """Land every results directory below the folders that has not landed as it is now."""
    summary = Summary()
    with zone.locked(SOURCE):
        manifests = landed_batches(zone, SOURCE, pseudonymiser)
        landed = {one.input_sha256: one for one in manifests if one.input_sha256}
        predictions = {
            sha256
            for manifest in manifests for file in manifest.files if file.provenance
            for sha256 in file.provenance[PREDICTIONS]
        }  # fmt: skip
        for found in find_directories(folders, zone.root.resolve()):
            if not isinstance(found, Directory):
                _land_refusal(zone, *found, pseudonymiser, summary)
                continue
            report(found.path.name, 0)
            try:
                lander = Lander(found, pseudonymiser, predictions, summary)
            except UnicodeError as problem:
                _land_refusal(zone, found.path, _unexpected(problem), pseudonymiser, summary)
                continue
            if (earlier := landed.get(lander.digest)) is not None:
                summary.already_landed += 1
                summary.refused += earlier.n_refused
                summary.messages += [refusal["message"] for refusal in earlier.refusals]
                continue
            try:
                manifest = _land_unchanged(zone, lander)
            except (ExtractError, OSError, MemoryError):
                raise  # of the zone, or a full disk: the next directory would fare no better
            except Exception as problem:
                _land_refusal(zone, found.path, _unexpected(problem), pseudonymiser, summary)
                continue
            landed[lander.digest] = manifest
            predictions |= lander.converted
            summary.directories += 1
            report(found.path.name, summary.records)
    return summary


def _land_unchanged(zone: LandingZone, lander: Lander) -> Manifest:
    """Land a directory without the files that change while they are read."""
    while True:
        try:
            return lander.land(zone)
        except ChangedError as changed:
            lander.leave_out(changed.files)


def _unexpected(problem: Exception) -> InputError:
    """Its text is left out: it may be of the file."""
    return InputError("unexpected", f"cannot be landed ({type(problem).__name__}); tell of it")


def _land_refusal(
    zone: LandingZone,
    path: Path,
    problem: InputError,
    pseudonymiser: Pseudonymiser,
    summary: Summary,
) -> None:
    """Record why nothing of a folder has landed: by its name, its path says whose it is."""
    name = path.resolve().name
    if not is_named_for_results(name):
        (name,) = pseudonymiser.folders([name])
    name = pseudonymiser.text(name, home_names(str(path.resolve())))
    with zone.batch(SOURCE, {"command": "posttrain"}) as batch:
        batch.outcome(Outcome(name, "refused", problem.reason, f"{name}: {problem}"))
    summary.refused += 1
    summary.messages.append(f"{path}: {problem}")
