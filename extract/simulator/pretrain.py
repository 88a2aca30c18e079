"""Deterministic simulator of the published pretraining results, in their raw formats.

    write(folder)                    # every checkpoint of every model: 1.4 million evaluations
    write(folder, evals_every=8)     # perplexities at every checkpoint, evaluations at every eighth

The files are those of the releases: metrics as the text of a Python dict (of JSON in `macro_avg`),
25 recipes x 14 sizes x their seeds, checkpoints every 1250 steps and at the end, short copies at
1B, a step 0, perplexities that are missing here and there, two vocabularies of metrics. The numbers
are invented: they get better with compute and differ by recipe, seed and task, no more.

Everything is arithmetic on integers that DuckDB does alike in all versions; nothing is random.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from extract.huggingface.pretrain_tables import PERPLEXITY_SETS

SEEDS_FOLDER = Path(__file__).resolve().parents[2] / "seeds"

CHECKPOINT_EVERY = 1250
# Where the published curves end: copies of 1B and 750M that stopped early, and downstream results
# of 750M that were evaluated only up to here (spec pretraining, sections 3 and 10).
SHORT_SEEDS = {("1B", "small aux 2"): 17339, ("1B", "small aux 3"): 17339,
               ("750M", "small aux 2"): 28257, ("750M", "small aux 3"): 28257,
               ("530M", "small aux 2"): 51411, ("530M", "small aux 3"): 51411}  # fmt: skip
LAST_EVALUATED = {"750M": 26250}
# This recipe's 4M model has perplexities ten steps after its last evaluation (verified).
LATE_PERPLEXITY = ("Dolma1.7", "4M", 5735)

PROBABILITIES = ("correct_prob", "total_prob", "norm_correct_prob", "uncond_correct_prob", "margin")
FORMS = ("", "_per_token", "_per_char")
INDICES = ("raw", "per_token", "per_char", "per_byte", "uncond")
ACCURACIES = ("acc_raw", "acc_per_token", "acc_per_char", "acc_per_byte", "acc_uncond")
# Boolq and winogrande have no unconditioned form.
CONDITIONED_ONLY = ("boolq", "winogrande")

# recipe, params, seed, step, task, value of the primary metric
Score = tuple[str, str, str, int, str, float]


@dataclass(frozen=True)
class Written:
    """The files of one simulation, and their rows."""

    files: dict[str, Path]
    rows: dict[str, int]


def write(
    folder: Path,
    *,
    evals_every: int = 1,
    digits: int = 17,
    max_perplexities: int | None = None,
    max_evaluated: int | None = None,
    scores: Iterable[Score] = (),
) -> Written:
    """Write the four tables below ``folder``; the same arguments give the same rows.

    ``digits`` is how many decimals the metrics have; the maxima cut the tables to a number of
    checkpoints. ``scores`` are values of primary metrics that are known from elsewhere.
    """
    folder.mkdir(parents=True, exist_ok=True)
    queries = {
        "ppl": _PPL,
        "evals": _EVALS,
        "macro_avg": _MACRO_AVG,
        "scaling_law_fits": _FITS,
    }
    files = {
        "ppl": folder / "ppl-results" / "train-00000-of-00001.parquet",
        "evals": folder / "eval-results" / "train-00000-of-00001.parquet",
        "macro_avg": folder / "eval-results" / "macro_avg-00000-of-00001.parquet",
        "scaling_law_fits": folder / "eval-results" / "scaling_law_fit-00000-of-00001.parquet",
    }
    rows = {}
    with duckdb.connect() as con:
        con.execute("set preserve_insertion_order = true")
        _load(con, evals_every, digits, max_perplexities, max_evaluated, list(scores))
        for name, query in queries.items():
            files[name].parent.mkdir(exist_ok=True)
            con.execute(f"copy ({query}) to '{files[name]}' (format parquet, compression zstd)")
            ((rows[name],),) = con.execute(f"select count(*) from '{files[name]}'").fetchall()
    return Written(files, rows)


def _seed(name: str) -> list[dict[str, str]]:
    with open(SEEDS_FOLDER / f"{name}.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _load(
    con: duckdb.DuckDBPyConnection,
    evals_every: int,
    digits: int,
    max_perplexities: int | None,
    max_evaluated: int | None,
    scores: list[Score],
) -> None:
    def table(name: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
        con.execute(f"create table {name} ({columns})")
        if rows:
            marks = ", ".join("?" for _ in rows[0])
            con.executemany(f"insert into {name} values ({marks})", rows)

    recipes = [row["recipe"] for row in _seed("recipe_registry")]
    mixes = {row["recipe"]: row["mix_name"] for row in _seed("recipe_registry")}
    table(
        "recipes", "data varchar, mix varchar, quality double",
        # Every recipe its place between the worst (0) and the best (1).
        [(name, mixes[name], (7 * i % 25) / 24) for i, name in enumerate(recipes)],
    )  # fmt: skip
    sizes = []
    for i, row in enumerate(_seed("model_size_registry")):
        n, n_params = int(row["n_schedule"]), int(row["n_params"])
        batch = 32 * round(160 * (n / 108e6) ** (2 / 3) / 32)
        sizes.append((i, row["params"], n_params, batch * 2048, int(row["final_step"])))
    table("sizes", "i int, params varchar, n bigint, tokens bigint, final_step bigint", sizes)
    names = [row["seed"] for row in _seed("training_seeds")]
    seeds = [
        (j, params, name, SHORT_SEEDS.get((params, name), final_step))
        for _, params, _, _, final_step in sizes
        for j, name in enumerate(names)
        if params == "1B" or not name.startswith("large")
    ]
    table("seeds", "j int, params varchar, seed varchar, last_step bigint", seeds)
    tasks = []
    for row in _seed("task_registry"):
        if row["task_group"] in ("olmes", "mmlu") and row["task"] not in ("mmlu", "mmlu_average"):
            chance = float(row["chance_accuracy"])
            tasks.append((len(tasks), row["task"], chance, row["primary_metric"]))
    table("tasks", "t int, task varchar, chance double, primary_metric varchar", tasks)
    con.execute(f"""
        create table checkpoints as
        with steps as (
            select params, seed, j, last_step, unnest(
                [0] || range({CHECKPOINT_EVERY}, last_step, {CHECKPOINT_EVERY}) || [last_step]
            ) as step
            from seeds
        )
        select
            recipes.*, steps.*, sizes.i, sizes.n, sizes.tokens * steps.step as tokens,
            6.0::double * sizes.n * sizes.tokens * steps.step as compute,
            row_number() over (
                partition by recipes.data, steps.params, steps.seed order by steps.step
            ) - 1 as k,
            steps.step = steps.last_step as is_last
        from recipes, steps inner join sizes using (params)
    """)
    limits = json.dumps(LAST_EVALUATED)
    con.execute(f"""
        create table evaluated as
        select * from checkpoints
        where (k % {evals_every} = 0 or is_last)
            and step <= coalesce((json '{limits}' ->> params)::bigint, step)
        order by data, i, j, step
        limit {max_evaluated or 10**9}
    """)
    table(
        "scores",
        "data varchar, params varchar, seed varchar, step bigint, task varchar, score double",
        scores,
    )
    con.execute("""
        create view evaluations as
        select evaluated.*, tasks.*, scores.score
        from evaluated
        cross join tasks
        left join scores on (scores.data, scores.params, scores.seed, scores.step, scores.task)
            = (evaluated.data, evaluated.params, evaluated.seed, evaluated.step, tasks.task)
    """)
    con.execute("""
        create macro noise(a, b) as
            ((a * 2654435761 + b * 40503 + (a % 9973) * (b + 7919)) % 1000003) / 1000003.0::double
    """)
    # How much a model has learned: 0 untrained, below 1.
    con.execute("""
        create macro learned(compute, quality, salt) as
            case when compute > 0 then
                1 - 1 / (1 + pow(compute / 1e17, 0.11)) + 0.06 * quality + 0.004 * noise(salt, 1)
            else 0.01 * noise(salt, 1) end
    """)
    rounded = "x" if digits >= 17 else f"round(x, {digits})"
    con.execute(f"create macro rounded(x) as {rounded}")
    con.execute(
        "create macro spelled(x) as case when x is null then 'None' else rounded(x)::varchar end"
    )
    con.execute(f"create macro max_perplexities() as {max_perplexities or 10**9}")


def _salt() -> str:
    return "(step * 31 + i * 1009 + j * 101 + (quality * 24)::bigint * 7)"


_PERPLEXITIES = ",\n".join(
    f"""case when noise({_salt()}, {number + 50}) > 0.01 then
        {9 + 2 * number} * (1 + 9 * pow(1 - learned(compute, quality, {_salt()}), 3))
        * (1 + 0.01 * noise({_salt()}, {number})) end as "eval/{name}-validation/Perplexity" """
    for number, name in enumerate(PERPLEXITY_SETS)
)
_PPL = f"""
    select params, data, seed, step, {_PERPLEXITIES}
    from (
        select * from checkpoints where step > 0
        union all by name
        select * replace ({LATE_PERPLEXITY[2]} as step) from checkpoints
        where data = '{LATE_PERPLEXITY[0]}' and params = '{LATE_PERPLEXITY[1]}'
            and seed = 'default' and is_last
    )
    order by data, params, seed, step
    limit max_perplexities()
"""


def _values() -> dict[str, str]:
    """SQL of each metric, in the order of the release."""
    salt = f"({_salt()} + t * 13)"
    values: dict[str, str] = {
        f"predicted_index_{form}": f"1 + noise({salt}, {n})" for n, form in enumerate(INDICES)
    }
    values["correct_choice"] = "1.5 + t / 100.0::double"
    for n, name in enumerate(ACCURACIES):
        values[name] = (
            f"coalesce(case when primary_metric = '{name}' then score end, "
            f"chance + (0.95 - chance) * pow(learned(compute, quality, {salt}), {2 + n / 10}))"
        )
    values["no_answer"] = "0.0::double"
    values["sum_logits_corr"] = f"-40 + 30 * learned(compute, quality, {salt})"
    for n, form in enumerate(("token", "char", "byte")):
        values[f"logits_per_{form}_corr"] = (
            f"-{3 - n} + {2 - n / 2} * learned(compute, quality, {salt})"
        )
    values["bits_per_byte_corr"] = values["logits_per_byte_corr"] = (
        f"2.5 - 1.8 * learned(compute, quality, {salt})"
    )
    for n, name in enumerate(PROBABILITIES):
        sign = "-" if name == "margin" else ""
        for m, form in enumerate(FORMS):
            exponent = 9 - 4 * m
            values[name + form] = (
                f"{sign}pow(0.2 + 0.6 * learned(compute, quality, {salt}), {exponent})"
                f" * (1 + {n} / 9.0::double)"
            )
    values["uncond_total_prob"] = f"pow(0.3 + 0.2 * noise({salt}, 5), 4)"
    return values


def _metrics() -> str:
    """SQL of the metrics text: two vocabularies, like the releases."""
    values = _values()
    extended = {  # of the 37-key variant only; the 34-key variant has the others
        f"{name}_per_byte": values[f"{name}_per_char"] + " * 900" for name in PROBABILITIES
    } | {"correct_logit_per_byte": values["bits_per_byte_corr"]}
    leaves_out = ("acc_per_byte", "bits_per_byte_corr", "logits_per_byte_corr")
    parts = []
    for name, value in (values | extended).items():
        condition = []
        if name in extended:
            condition.append("is_extended")
        if name in leaves_out:
            condition.append("not is_extended")
        if name.startswith("uncond_") or name.endswith("_uncond"):
            condition.append(f"task not in {CONDITIONED_ONLY}")
        item = f"'''{name}'': ' || spelled({value}) || ', '"
        parts.append(
            f"case when {' and '.join(condition)} then {item} else '' end" if condition else item
        )
    primary = "case primary_metric " + " ".join(
        f"when '{name}' then {values[name]}" for name in ACCURACIES
    ) + " end"  # fmt: skip
    last = f"'''primary_metric'': ' || spelled({primary}) || '}}'"
    return " || ".join(["'{'", *parts, last])


# A recipe's evaluations are of one vocabulary: the two came from two machines.
_EVALS = f"""
    select params, data, task, step, seed, '5xC' as chinchilla, tokens, compute,
        {_metrics()} as metrics
    from (
        select *, (quality * 24)::bigint % 5 = 0 as is_extended
        from evaluations
    )
    order by data, params, seed, step, task
"""
# Real JSON there, and the ten tasks with their average; computed here, not with the models' SQL.
# Sorted, because the last digit of a mean depends on the order of its values.
_MACRO_AVG = """
    with scored as (
        select * replace (rounded({primary}) as primary_metric)
        from evaluations
    ),
    by_task as (
        select params, data, seed, step, tokens, compute,
            case when task like 'mmlu_%' then 'mmlu' else task end as task,
            list_avg(list_sort(list(primary_metric))) as primary_metric
        from scored group by all
    ),
    averaged as (
        select params, data, seed, step, tokens, compute, 'olmes_10_macro_avg' as task,
            list_avg(list_sort(list(primary_metric))) as primary_metric
        from by_task group by all
        union all by name select * from by_task
    )
    select params, data, task, step, seed, '5xC' as chinchilla, tokens, compute,
        '{{"primary_metric": ' || primary_metric || '}}' as metrics
    from averaged
    order by data, params, seed, step, task
""".format(
    primary="case primary_metric "
    + " ".join(f"when '{name}' then {_values()[name]}" for name in ACCURACIES)
    + " end"
)
_SETUPS = (
    "3_param-default", "2_param-default", "5_param-ai2", "3_param-1_step", "5_param-1_step-ai2",
    "3_param-default-helper_points", "3_param-default-step2=0.5", "3_param-no_750M",
    "5_param-ai2-no_750M_no_530M",
)  # fmt: skip
_FITS = f"""
    select task, mix, metric, setup,
        4 - 3 * truth as step_1_y, 4 - 3 * truth * (1 + error) as step_1_pred,
        truth as step_2_y, truth * (1 + error / 2) as step_2_pred,
        truth as stacked_y, truth * (1 + error) as stacked_pred,
        abs(truth * error) as abs_error_stacked, 60 + 30 * noise(length(setup), t) as decision_acc
    from (
        select if(t < 9, task, 'mmlu') as task, t, recipes.mix, metric, setup,
            chance + (0.9 - chance) * (0.5 + 0.3 * quality) as truth,
            0.05 * noise((quality * 24)::bigint, t) - 0.02 as error
        from recipes, tasks,
            (select unnest(['primary_metric', 'acc_raw', 'correct_prob']) as metric),
            (select unnest({list(_SETUPS)}) as setup)
        where t < 10
    )
    order by task, mix, metric, setup
"""
