"""`demo`: simulated sources, landed exactly as real ones are."""

from __future__ import annotations

from typing import Any

from extract.landing import LandingZone
from extract.privacy import Pseudonymiser
from extract.simulator.wandb import simulate_runs
from extract.wandb_files import SOURCE, ExportInput, RecordLander

# Simulated people need pseudonyms that are the same on every machine, not secret ones.
DEMO_KEY = "the demo simulates people too"


def land(zone: LandingZone, n_runs: int) -> dict[str, Any]:
    """Land ``n_runs`` simulated runs unless this very simulation has landed before."""
    fingerprint = f"demo wandb {n_runs} runs"
    with zone.locked(SOURCE):
        for manifest in zone.manifests(SOURCE):
            if manifest.input_sha256 == fingerprint:
                return _summary(n_runs, 0, manifest.batch_id)
        pseudonymiser = Pseudonymiser(DEMO_KEY)
        with zone.batch(
            SOURCE,
            {"command": "demo", "runs": n_runs},
            input_sha256=fingerprint,
            pseudonym_key_id=pseudonymiser.key_id,
        ) as batch:
            export = ExportInput((), entity="ml-moe", project="ft-scaling")
            lander = RecordLander(batch, export, pseudonymiser)
            simulated = list(simulate_runs(n_runs))
            lander.land((line, run.record) for line, run in enumerate(simulated, start=1))
            for run in simulated:
                lander.land((line, row) for line, row in enumerate(run.history(), start=1))
    return _summary(n_runs, n_runs, batch.manifest.batch_id)


def _summary(asked: int, landed: int, batch_id: str) -> dict[str, Any]:
    return {"command": "demo", "asked": asked, "landed": landed, "batch": batch_id}
