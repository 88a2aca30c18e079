"""wandb_metadata: the program, its command line, the machine and the batch job."""

from __future__ import annotations

from typing import Any

from .config_templates import DPO_DATA, ENTITY, PROJECT, SFT_DATA
from .facts import REPOSITORY, RunFacts, utc_text


def _trainer_args(facts: RunFacts) -> list[str]:
    """The command line of the training program, flat."""
    plan = facts.plan
    dpo = plan.method == "dpo"
    suffix_lr = "learning_rate=" in plan.name  # a sweep appends its value to the base command
    base_lr = "5e-06" if suffix_lr and not dpo else plan.lr
    flags: list[tuple[str, str | None]] = [
        ("exp_name", plan.name),
        ("run_name", plan.name),
        ("output_dir", facts.output_dir.rpartition("/")[0]),
        ("wandb_tags", ",".join(plan.tags)),
    ]
    if facts.has_wandb_config:
        flags.append(("wandb_config", facts.wandb_config))
    flags += [
        ("model_revision", "main"),
        ("add_bos", None),
        ("gradient_checkpointing", None),
        ("seed", str(facts.seed_flag)),
        ("with_tracking", "true"),
        ("report_to", "wandb"),
        ("logging_steps", str(plan.history.interval)),
        ("wandb_entity", ENTITY),
        ("wandb_project_name", PROJECT),
        ("push_to_hub", "false"),
        ("try_launch_beaker_eval_jobs", "false"),
        ("try_auto_save_to_beaker", "false"),
        ("use_flash_attn", None),
        ("use_slow_tokenizer", None),
    ]
    if facts.has_wandb_config:
        flags.append(("dataset-local-cache-dir", facts.dataset_cache()))
    flags += [
        ("max_seq_length", "2048" if dpo else "4096"),
        ("preprocessing_num_workers", "16" if dpo else "128"),
        ("per_device_train_batch_size", "2" if dpo else "4"),
        ("gradient_accumulation_steps", "32" if dpo else "16"),
        ("learning_rate", base_lr),
        ("lr_scheduler_type", "linear"),
        ("warmup_ratio", "0.1" if dpo else "0.03"),
        ("weight_decay", "0.0"),
        ("num_train_epochs", str(plan.epochs)),
    ]
    data = DPO_DATA if dpo else SFT_DATA
    if dpo:
        flags += [("use_lora", "false"), ("dpo_loss_type", "dpo_norm"), ("dpo_beta", "5")]
    else:
        flags += [("reduce_loss", plan.reduce_loss), ("dataset_mix_dir", "output/sft_8b")]
    flags.append(("checkpointing_steps", "1000" if dpo else "epoch"))
    if plan.samples is not None:
        flags.append(("max_train_samples", str(plan.samples)))
    if suffix_lr and not dpo:
        hub_name = f"allenai/DataDecide-{plan.spelling.slug}-{plan.size.label}"
        flags += [("model_name_or_path", hub_name), ("learning_rate", plan.lr)]
    flags.append(("model_name_or_path", facts.model_path))
    if plan.scenario.equals_args:
        args = [f"--{k}" if v is None else f"--{k}={v}" for k, v in flags]
    else:
        args = [token for k, v in flags for token in ((f"--{k}",) if v is None else (f"--{k}", v))]
    return [*args, "--dataset_mixer_list", *data]


def metadata_of(facts: RunFacts) -> dict[str, Any]:
    """wandb_metadata: program, machine and job, or those of the updating script."""
    plan, person = facts.plan, facts.plan.person
    micros = f".{int(facts.rng.random() * 1e6):06d}"
    system = {
        "os": "Linux-4.18.0-513.18.1.el8_9.x86_64-x86_64-with-glibc2.28",
        "python": "3.11.13",
    }
    environment = f"{person.scratch}/miniforge3/envs/fts/bin"
    if plan.scenario.evaluation_only:
        return {
            **system,
            "startedAt": utc_text(facts.touched - 90, micros),
            "args": ["--model-sweep-names", plan.name[:10] + "*"],
            "program": f"{facts.repository}/ml/scripts/update_wandb.py",
            "email": person.email,
            "root": person.home,
            "host": facts.host,
            "username": person.username,
            "executable": f"{environment}/python",
        }
    hardware = facts.hardware
    program = "dpo_tune_cache.py" if plan.method == "dpo" else "finetune.py"
    started = plan.created + plan.history.downtime(plan.history.logged_until)
    metadata: dict[str, Any] = {
        **system,
        "startedAt": utc_text(started - 1, micros),
        "args": _trainer_args(facts),
        "program": f"{facts.repository}/open_instruct/{program}",
        "codePath": f"open_instruct/{program}",
        "git": {
            "remote": f"https://example.org/{person.username}/{REPOSITORY}.git",
            "commit": facts.commit,
        },
        "email": person.email,
        "root": facts.output_dir,
        "host": facts.host,
        "username": person.username,
        "executable": f"{environment}/python3.11",
        "codePathLocal": f"open_instruct/{program}",
        "cpu_count": hardware.cpus,
        "cpu_count_logical": hardware.logical_cpus,
        "gpu": f"[{hardware.gpu}, {hardware.gpu}]",
        "gpu_count": 2,
        "disk": {"/": {"total": "811518435328", "used": str(8_000_000_000 + plan.index)}},
        "memory": {"total": hardware.memory},
        "cpu": {"count": hardware.cpus, "countLogical": hardware.logical_cpus},
        "gpu_nvidia": [
            {
                "name": hardware.gpu,
                "memoryTotal": hardware.gpu_memory,
                "cudaCores": hardware.gpu_cores,
                "architecture": hardware.architecture,
            }
        ]
        * 2,
        "slurm": _slurm(facts, int(started)),
        "cudaVersion": "12.7",
    }
    if plan.method == "dpo":
        del metadata["email"]  # absent in real preference runs
    return metadata


def _slurm(facts: RunFacts, started: int) -> dict[str, str]:
    """The batch job, as the scheduler's environment variables describe it."""
    plan, person = facts.plan, facts.plan.person
    job = 28_500_000 + plan.index * 7
    partition = "gpu-" + facts.hardware.gpu.split()[-1].lower()
    return {
        "array_job_id": str(job),
        "array_task_count": "3",
        "array_task_id": "1",
        "array_task_max": "2",
        "array_task_min": "0",
        "array_task_step": "1",
        "cluster_name": "cluster",
        "conf": "/var/spool/slurmd/conf-cache/slurm.conf",
        "cpus_on_node": "10",
        "cpus_per_task": "5",
        "gpus_on_node": "2",
        "gpus_per_node": "2",
        "gtids": "0",
        "job_account": "group-1",
        "job_cpus_per_node": "10",
        "job_end_time": str(started + 86_400),
        "job_gid": "1000",
        "job_gpus": "0,2",
        "job_id": str(job + 2),
        "job_name": plan.name,
        "job_nodelist": facts.host,
        "job_num_nodes": "1",
        "job_partition": partition,
        "job_qos": f"group-1-{partition}",
        "job_start_time": str(started - 60),
        "job_uid": "1000",
        "job_user": person.username,
        "jobid": str(job + 2),
        "localid": "0",
        "mem_per_node": "122880",
        "nnodes": "1",
        "nodeid": "0",
        "nodelist": facts.host,
        "nprocs": "2",
        "ntasks": "2",
        "ntasks_per_node": "2",
        "oom_kill_step": "0",
        "open_mode": "a",
        "prio_process": "0",
        "procid": "0",
        "script_context": "prolog_task",
        "submit_dir": person.home,
        "submit_host": "node-007",
        "task_pid": str(10_000 + plan.index),
        "tasks_per_node": "2",
        "topology_addr": f"switch-core.switch-003.{facts.host}",
        "topology_addr_pattern": "switch.switch.node",
        "tres_per_task": "cpu=5",
    }
