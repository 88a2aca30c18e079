"""The run record: config, summary and attributes, assembled from a plan."""

from __future__ import annotations

import base64
from typing import Any

from . import names
from .config_templates import (
    ENTITY,
    PROJECT,
    WANDB_TELEMETRY,
    config_template,
    tokenizer_repr,
)
from .facts import RunFacts, hex_text, utc_text
from .finetune_evals import oe_eval_values
from .machine import system_history_keys, system_metrics
from .metadata import metadata_of
from .plans import RunPlan
from .pretrain_evals import pretrain_values

EXACT_FLOAT_LIMIT = 2**63  # larger integers arrive as floats in the export
READING_INTERVAL_S = 10  # between two machine readings


def _number(exact: bool, value: int) -> int | float:
    return float(value) if value >= EXACT_FLOAT_LIMIT and not exact else value


def config_of(facts: RunFacts) -> dict[str, Any]:
    """Hyper-parameters and uploaded amounts, {key: value}."""
    plan, sc = facts.plan, facts.plan.scenario
    trainer = not sc.config_overwritten
    text = plan.text_numbers and trainer
    has_wandb_config = facts.has_wandb_config or text
    config = config_template(
        plan.method, trainer, plan.evaluated, has_wandb_config, text, plan.vocabulary
    ).copy()
    steps = sc.pretrain_steps or facts.pretrain_steps
    sequences = steps * plan.size.batch
    compute = facts.pretrain_compute(steps)
    config["model_size"] = str(plan.size.parameters) if text else plan.size.parameters
    config["pretrain_steps"] = steps
    config["pretrain_sequences"] = sequences
    config["pretrain_tokens"] = sequences * names.SEQUENCE_LENGTH
    config["pretrain_compute"] = _number(sc.exact_integers, compute)
    config.update(
        pretrain_values(facts.rng, facts.skill, plan.vocabulary, plan.size.pile_perplexity)
    )
    if plan.evaluated:
        unique, total = plan.sequences, facts.finetune_sequences
        config["d_model"] = plan.size.d_model
        config["n_heads"] = plan.size.n_heads
        config["n_layers"] = plan.size.n_layers
        config["finetune_sequences"] = str(total) if text else total
        config["finetune_unique_sequences"] = str(unique) if text else unique
        config["total_compute_est"] = _number(
            sc.exact_integers, compute + 6 * plan.size.parameters * total * names.SEQUENCE_LENGTH
        )
    if trainer:
        config["seed"] = facts.seed_flag
        config["exp_name"] = config["run_name"] = plan.name
        tokenizer = facts.model_path
        config["tokenizer"] = f"OLMoTokenizerFast(name_or_path='{tokenizer}'{tokenizer_repr()}"
        config["tokenizer_name_or_path"] = tokenizer
        config["tokenizer_files_hash"] = (
            ",".join(hex_text(facts.rng, 64) for _ in range(3)) + ",vocab.json not found"
        )
        config["output_dir"] = facts.output_dir
        config["model_name_or_path"] = facts.model_path
        config["dataset_local_cache_dir"] = facts.dataset_cache()
        # tags were extended on the run afterwards, the config keeps the first one
        config["wandb_tags"] = "dpo_tune_cache" if plan.method == "dpo" else "finetune"
        config["reduce_loss"] = plan.reduce_loss
        config["learning_rate"] = float(plan.lr)
        config["num_train_epochs"] = plan.epochs
        config["max_train_samples"] = plan.samples
        config["logging_steps"] = plan.history.interval
        if text:
            config["wandb_config"] = facts.wandb_config
            config["model_pretrain_steps"] = str(facts.pretrain_steps)
            config["model_pretrain_compute"] = str(facts.pretrain_compute(facts.pretrain_steps))
    for key in sc.config_nulls:
        config[key] = None
    return config


def summary_of(facts: RunFacts) -> dict[str, Any]:
    """Last logged values and evaluations, sorted by key."""
    plan, values = facts.plan, facts.final
    evaluations = oe_eval_values(facts.rng, facts.skill) if plan.evaluated else {}
    # "_" and "e" to "l" sort before "oe_eval", the rest after it
    plain = sorted(values)
    before = {key: values[key] for key in plain if key < "oe_eval"}
    after = {key: values[key] for key in plain if key >= "oe_eval"}
    return {**before, **evaluations, **after}


def _history_keys(facts: RunFacts) -> dict[str, Any]:
    """Which keys were logged how often; machine readings have keys system/..."""
    history = facts.plan.history
    rows = history.row_count()
    logged: dict[str, Any] = {}
    if rows:
        always_up = {"_runtime", "_step", "_timestamp", "epoch", "training_step"}
        if not history.resets():
            always_up |= {"total_tokens", "total_tokens_including_padding"}
        texts: dict[str, int] = {}
        for _, metric, value in history.odd_values:
            texts[metric] = texts.get(metric, 0) + isinstance(value, str)
        for key, value in facts.final.items():
            if key == "_wandb":
                continue
            types = [{"type": "number", "count": rows - texts.get(key, 0)}]
            if texts.get(key):
                types.append({"type": "string", "count": texts[key]})
            entry: dict[str, Any] = {"typeCounts": types}
            if key in always_up:
                entry["monotonic"] = True
            entry["previousValue"] = value
            logged[key] = entry
    readings = max(45, int((facts.ended - facts.plan.created) / READING_INTERVAL_S))
    reading = {"typeCounts": [{"type": "number", "count": readings}]}
    logged.update(dict.fromkeys(system_history_keys(facts.hardware), reading))
    return {
        "keys": dict(sorted(logged.items())),
        "lastStep": history.logged_until if rows else -1,
        "sets": [],
    }


def _system_attrs(
    facts: RunFacts, config: dict[str, Any], summary: dict[str, Any], system: dict[str, Any]
) -> dict[str, Any]:
    """SDK attributes in camelCase, repeating config, summary and system metrics."""
    plan = facts.plan
    storage_id = f"Run:v1:{plan.run_id}:{PROJECT}:{ENTITY}"
    return {
        "projectId": "42374156",
        "id": base64.b64encode(storage_id.encode()).decode(),
        "tags": list(plan.tags),
        "name": plan.run_id,
        "displayName": plan.name,
        "sweepName": None,
        "state": plan.scenario.state,
        "config": config.copy(),
        "group": None,
        "jobType": None,
        "commit": facts.commit,
        "readOnly": True,
        "createdAt": utc_text(plan.created),
        "heartbeatAt": utc_text(facts.touched),
        "description": plan.name,
        "notes": plan.scenario.notes,
        "systemMetrics": system.copy(),
        "summaryMetrics": summary.copy(),
        "historyLineCount": plan.history.row_count(),
        "user": {"name": plan.person.full_name, "username": plan.person.username},
        "historyKeys": _history_keys(facts),
        "rawconfig": {**WANDB_TELEMETRY, **config},
    }


def record_of(plan: RunPlan) -> dict[str, Any]:
    """The whole run record.  The order of the calls fixes the order of the random numbers."""
    facts = RunFacts(plan)
    config = config_of(facts)
    summary = summary_of(facts)
    metadata = metadata_of(facts)
    system = system_metrics(facts.rng, facts.hardware)
    return {
        "run_id": plan.run_id,
        "run_name": plan.name,
        "state": plan.scenario.state,
        "project": PROJECT,
        "entity": ENTITY,
        "created_at": utc_text(plan.created),
        "config": config,
        "summary": summary,
        "wandb_metadata": metadata,
        "system_metrics": system,
        "system_attrs": _system_attrs(facts, config, summary, system),
        "sweep_info": {"sweep_id": None, "sweep_url": None},
    }
