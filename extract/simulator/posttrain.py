"""Deterministic simulator of dumps of OLMES results, in the layout of the post-training ones.

    write(folder)      # 2025-03-02_posttrain and 2025-06-01_posttrain below it

The older dump has metrics-all.jsonl alone, and fewer rows; the newer one also the files of each
task. Each byte follows from the arguments. Of the real irregularities they have: equal records in
one file and in both dumps, equal configurations of two models, `task-002-` for two tasks, a judge
that has rewritten the metrics of one task, aggregates among the tasks, and texts beside choices.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extract.simulator.instances import SimulatedTask
from extract.simulator.instances import Task as InstanceTask

OLDER, NEWER = "2025-03-02_posttrain", "2025-06-01_posttrain"
MODELS = (("meta-llama/Llama-3.1-8B", "main"), ("allenai/OLMo-2-1124-7B-SFT", "step_500"))
SUITE = "mmlu:0shot_cot::tulu3"
JUDGED = "alpaca_eval_v3::tulu"
# Who simulates; none of it may land in clear text.
AUTHOR, HOST = "asimov", "jupiter-cs-aus-133.reviz.ai2.in"
N_RECORDED = 3


@dataclass(frozen=True)
class Task:
    """A task, the number it has in its call, and its primary metric; with choices or with texts."""

    name: str
    number: int
    primary_metric: str
    has_choices: bool = False
    is_new: bool = False  # in the newer dump only

    @property
    def core(self) -> str:
        return self.name.partition(":")[0]

    @property
    def group(self) -> str:
        return f"task-{self.number:03}-{self.name}"


TASKS = (
    Task("arc_challenge:rc::olmes", 0, "acc_uncond", has_choices=True),
    Task("boolq:rc::olmes", 1, "acc_raw", has_choices=True),
    Task("piqa:rc::olmes", 2, "acc_per_char", has_choices=True),
    # Of another call into the same folder, whose tasks are numbered from 0 again.
    Task("gsm8k::tulu", 2, "exact_match"),
    Task(JUDGED, 3, "length_controlled_winrate"),
    Task("mmlu_management:0shot_cot::tulu3", 38, "exact_match", is_new=True),
    Task("mmlu_sociology:0shot_cot::tulu3", 39, "exact_match", is_new=True),
)


@dataclass
class Written:
    """What the dumps hold."""

    directories: int = 0
    records: int = 0  # lines of metrics-all.jsonl, and metrics files
    questions: int = 0  # of distinct predictions


def write(folder: Path, *, n_questions: int = 6) -> Written:
    """Write both dumps below the folder."""
    written = Written()
    for model, revision in MODELS:
        evaluations = [Evaluation(model, revision, task, n_questions) for task in TASKS]
        older = [one.record(is_judged_again=False) for one in evaluations if not one.task.is_new]
        # The first one a second time, as after a call that was repeated.
        _write_metrics_all(_directory(folder, OLDER, model, revision), [*older, older[0]])
        newer = _directory(folder, NEWER, model, revision)
        records = [one.record(is_judged_again=True) for one in evaluations]
        _write_metrics_all(newer, [_suite_of(records), *records])
        for one, record in zip(evaluations, records, strict=True):
            one.write(newer, record)
        scores = [f"{each['task_name']}: {each['metrics']['primary_score']}" for each in records]
        _write_json(newer / "metrics.json", {"all_primary_scores": scores})
        written.directories += 2
        written.records += len(older) + 1 + 2 * len(records) + 1
        written.questions += len(records) * n_questions
    return written


def _directory(folder: Path, dump: str, model: str, revision: str) -> Path:
    path = folder / dump / "_eval_results" / f"{model.replace('/', '_')}__{revision}"
    path.mkdir(parents=True)
    return path


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _write_lines(path: Path, records: Iterator[Any] | list[Any]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def _write_metrics_all(directory: Path, records: list[dict[str, Any]]) -> None:
    _write_lines(directory / "metrics-all.jsonl", records)


class Evaluation:
    """One task of one model: its predictions, and the metrics that follow from them."""

    def __init__(self, model: str, revision: str, task: Task, n_questions: int) -> None:
        self.task = task
        self._model = model
        self._revision = revision
        self._n_questions = n_questions
        self._hashes = {
            "task_hash": _hash(task.name), "model_hash": _hash(f"{model} {revision}"),
        }  # fmt: skip
        metric = task.primary_metric
        instance_task = InstanceTask(task.core, task.number, n_questions, metric)
        self._simulated = SimulatedTask(model, revision, 0, 40_000, instance_task, n_questions)
        documents = self._simulated.documents() if task.has_choices else self._texts()
        self._documents = [document | self._hashes for document in documents]

    def _texts(self) -> Iterator[dict[str, Any]]:
        """Predictions of a task that generates texts."""
        for doc_id in range(self._n_questions):
            state = int(_hash(f"{self._hashes} {doc_id}")[:6], 16)
            answer, right = f"So the answer is {state % 5}.", f"{doc_id % 5}"
            yield {
                "doc_id": doc_id,
                "native_id": f"{self.task.core}_{doc_id}",
                "metrics": {"exact_match": float(f"{state % 5}" == right)},
                "model_output": [{
                    "continuation": answer, "sum_logits": -(state % 997) / 7, "num_tokens": 9,
                    "context_tokens": 100 + doc_id,
                }],
                "label": right,
            }  # fmt: skip

    def record(self, *, is_judged_again: bool) -> dict[str, Any]:
        """The content of its metrics file."""
        task = self.task
        record = self._simulated.metrics_json() if task.has_choices else {"metrics": {}}
        return {
            "task_name": task.name,
            **self._hashes,
            "model_config": {
                "model": self._model, "revision": self._revision, "trust_remote_code": True,
                "max_length": 4096, "model_path": None, "model_type": "vllm",
            },
            "task_config": _config(task.name, task.primary_metric),
            "compute_config": {
                "batch_size": "auto", "output_dir": f"/weka/oe-eval/{AUTHOR}/results",
            },
            "processing_time": 0.02 * self._n_questions + task.number / 3,
            "current_date": f"2025-03-01 12:{task.number:02}:07 UTC",
            "num_instances": self._n_questions,
            "beaker_info": {
                "BEAKER_EXPERIMENT_ID": "01JNC4X9Q4R0W3S6T1VZ8E2YKB",
                "BEAKER_AUTHOR": AUTHOR, "BEAKER_NODE_HOSTNAME": HOST,
                "email": f"{AUTHOR}@example.org",
            },
            "metrics": record["metrics"] or self._text_metrics(is_judged_again),
            "task_idx": task.number,
        }  # fmt: skip

    def _text_metrics(self, is_judged_again: bool) -> dict[str, Any]:
        n_tokens = {"num_tokens_mean": 9.0, "answer_format_correct_cot": 1 / 3, "stop": None}
        if self.task.name == JUDGED:
            judge, rate = ("judge-2", 0.3) if is_judged_again else ("judge-1", 0.1)
            score = rate + len(self._model) / 700
            metrics = {"length_controlled_winrate": score, "judge": judge}
        else:
            values = [document["metrics"]["exact_match"] for document in self._documents]
            score = math.fsum(values) / len(values)
            metrics = {"exact_match": score, "exact_match_stderr": score / 3}
        return metrics | {"primary_score": score, "extra_metrics": {"all": n_tokens}}

    def write(self, directory: Path, record: dict[str, Any]) -> None:
        """Its files, as the newer generation has them."""
        group = self.task.group
        _write_json(directory / f"{group}-metrics.json", record)
        _write_json(directory / f"{group}-config.json", record["task_config"])
        _write_lines(directory / f"{group}-predictions.jsonl", self._documents)
        requests = [
            {
                "request_type": "loglikelihood" if self.task.has_choices else "generate_until",
                "doc": {"question": f"Question {document['doc_id']}?"},
                "request": {"context": "Question: ...\nAnswer:"}, "idx": 0,
                "task_name": self.task.name, "doc_id": document["doc_id"],
                "native_id": document["native_id"], "label": document["label"],
            }
            for document in self._documents
        ]  # fmt: skip
        if self.task.core == "boolq":
            _write_lines(directory / f"{group}-requests.jsonl", requests)
        recorded = [
            {key: request[key] for key in ("doc", "task_name", "doc_id", "native_id", "label")}
            | {"requests": [{key: request[key] for key in ("request_type", "request", "idx")}]}
            for request in requests[:N_RECORDED]
        ]
        _write_lines(directory / f"{group}-recorded-inputs.jsonl", recorded)


def _config(name: str, primary_metric: str) -> dict[str, Any]:
    return {
        "task_name": name, "task_core": name.partition(":")[0],
        # As OLMES writes it for an evaluation of all questions.
        "limit": 10**19,
        "split": "test", "num_shots": 5, "fewshot_seed": 1234, "primary_metric": primary_metric,
        "random_subsample_seed": 1234, "context_kwargs": None,
        "generation_kwargs": {"max_gen_toks": 512, "stop_sequences": ["</s>", "Question:"]},
        "metric_kwargs": {"uncond_docid_offset": 1000000}, "native_id_field": "id",
        "fewshot_source": None, "dataset_path": f"hub/{name.partition(':')[0]}",
        "dataset_name": None, "use_chat_format": True, "version": 0, "revision": None,
        "metadata": {"alias": name},
    }  # fmt: skip


def _suite_of(records: list[dict[str, Any]]) -> dict[str, Any]:
    """The aggregate over the subjects of MMLU."""
    subjects = [one for one in records if one["task_name"].startswith("mmlu_")]
    mean = math.fsum(one["metrics"]["primary_score"] for one in subjects) / len(subjects)
    config = _config(SUITE, "macro")
    return subjects[0] | {
        "task_name": SUITE,
        "task_hash": _hash(SUITE),
        "task_config": config | {
            "metadata": {"num_tasks": len(subjects), "description": "Aggregate metric"},
        },
        "processing_time": math.fsum(one["processing_time"] for one in subjects),
        "num_instances": sum(one["num_instances"] for one in subjects),
        "metrics": {"macro": mean, "primary_score": mean},
        "task_idx": None,
    }  # fmt: skip


def _hash(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
