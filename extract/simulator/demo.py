"""`demo`: simulated sources, landed exactly as real ones are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from extract.huggingface import pretrain
from extract.instances import pipeline as instances
from extract.landing.privacy import Pseudonymiser
from extract.landing.zone import LandingZone
from extract.posttrain import pipeline as posttrain
from extract.simulator import instances as simulated_instances
from extract.simulator import posttrain as simulated_posttrain
from extract.simulator.pretrain import write
from extract.simulator.wandb import SimulatedRun, simulate_runs
from extract.wandb.files import SOURCE, landed_inputs
from extract.wandb.found import ExportInput
from extract.wandb.lander import RecordLander

# Simulated people need pseudonyms that are the same on every machine, not secret ones.
DEMO_KEY = "the demo simulates people too"
# The releases have 17 digits, which would only make the demo larger.
METRIC_DIGITS = 6
# One recipe's archive, with so many questions of each task.
INSTANCES_RECIPE = "dolma1.7"
QUESTIONS_PER_TASK = 8


def land(zone: LandingZone, n_runs: int, evals_every: int) -> dict[str, Any]:
    """Land the simulated runs and pretraining results, unless they have landed before."""
    return _land_runs(zone, n_runs) | {
        "pretraining_rows": _land_pretraining(zone, evals_every),
        "instance_questions": _land_instances(zone),
        "posttrain_records": _land_posttrain(zone),
    }


def _land_pretraining(zone: LandingZone, evals_every: int) -> int:
    """Land the simulated tables of the hub; evaluations of every so many checkpoints."""
    kinds = {file.kind for batch in zone.manifests(pretrain.SOURCE) for file in batch.files}
    if kinds - {"outcomes"}:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        written = write(
            Path(folder), evals_every=evals_every, digits=METRIC_DIGITS,
            # The details of these checkpoints are in the demo too: the two agree, as in reality.
            scores=simulated_instances.scores(
                INSTANCES_RECIPE, questions_per_task=QUESTIONS_PER_TASK
            ),
        )  # fmt: skip
        summary = pretrain.land_source(zone, [Path(folder)], pretrain.Request.of((), (), ()))
    assert summary.refused == 0 and summary.rows == sum(written.rows.values()), summary.messages
    return summary.rows


def _land_instances(zone: LandingZone) -> int:
    """Land a few simulated checkpoints of one recipe, question by question."""
    checkpoints = simulated_instances.DEMO_CHECKPOINTS
    if len(instances.Landed(zone, INSTANCES_RECIPE).tasks) == len(checkpoints):
        return 0
    with tempfile.TemporaryDirectory() as folder:
        written = simulated_instances.write(
            Path(folder), INSTANCES_RECIPE, questions_per_task=QUESTIONS_PER_TASK
        )
        summary = instances.land_source(
            zone, [Path(folder)], instances.Request.of([INSTANCES_RECIPE])
        )
    n_landed = summary.checkpoints + summary.already_landed
    assert summary.refused == 0 and n_landed == written.n_checkpoints, summary.messages
    return summary.questions


def _land_posttrain(zone: LandingZone) -> int:
    """Land two simulated dumps of results of trained models."""
    with tempfile.TemporaryDirectory() as folder:
        written = simulated_posttrain.write(Path(folder))
        summary = posttrain.land(zone, [Path(folder)], Pseudonymiser(DEMO_KEY))
    n_landed = summary.directories + summary.already_landed
    assert summary.refused == 0 and n_landed == written.directories, summary.messages
    return summary.records


def _land_runs(zone: LandingZone, n_runs: int) -> dict[str, Any]:
    pseudonymiser = Pseudonymiser(DEMO_KEY)
    fingerprint = f"demo wandb {n_runs} runs"
    with zone.locked(SOURCE):
        if landed := landed_inputs(zone, pseudonymiser).get(fingerprint):
            return _summary(n_runs, 0, landed.batch_id)
        with zone.batch(
            SOURCE,
            {"command": "demo", "runs": n_runs},
            input_sha256=fingerprint,
            pseudonym_key_id=pseudonymiser.key_id,
        ) as batch:
            export = ExportInput((), entity="ml-moe", project="ft-scaling")
            lander = RecordLander(batch, export, pseudonymiser)
            lander.land(_documents(list(simulate_runs(n_runs))))
    return _summary(n_runs, n_runs, batch.manifest.batch_id)


def _documents(runs: Sequence[SimulatedRun]) -> Iterator[tuple[int, dict[str, Any]]]:
    """All runs, then all history, as one export: an item is told once, when all of it is known."""
    for line, run in enumerate(runs, start=1):
        yield line, run.record
    for run in runs:
        yield from enumerate(run.history(), start=1)


def _summary(asked: int, landed: int, batch_id: str) -> dict[str, Any]:
    return {"command": "demo", "asked": asked, "landed": landed, "batch": batch_id}
