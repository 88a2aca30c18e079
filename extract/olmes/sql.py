"""The SQL that turns the predictions of a checkpoint into one table, `questions`.

DuckDB drops without a word a key that it was not told of. The lines of a task have the same keys,
as a rule, so those of the first are what it is told. That no line has more, or others, is known
from the number of colons, where no value is missing. Otherwise a task is read by all keys that are
known, and what it has more is kept as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# A document has at most 100 choices of 300 bytes. Above this DuckDB refuses it; a reading thread
# holds buffers of twice as much.
MAX_LINE_BYTES = 4 * 1024**2
# log2(e), as OLMES has it: logits per byte are bits, and positive.
BITS = "-1.44269504089::double"
# Relative differences up to here are rounding: the releases agree to 1e-12.
SAME = "1e-6"

INDICES = ("raw", "per_token", "per_char", "per_byte", "uncond")
INTEGERS = (*(f"predicted_index_{form}" for form in INDICES), "correct_choice")
NUMBERS = (*(f"acc_{form}" for form in INDICES), "no_answer")
CORR = ("sum_logits_corr", "logits_per_token_corr", "logits_per_char_corr", "logits_per_byte_corr")
# What OLMES has renamed, by its older name.
BITS_PER_BYTE = {"logits_per_byte": "bits_per_byte", "logits_per_byte_corr": "bits_per_byte_corr"}
TOP_LEVEL = {
    "doc_id": "DOUBLE", "native_id": "JSON", "label": "JSON", "task_hash": "VARCHAR",
    "model_hash": "VARCHAR",
}  # fmt: skip
# As doubles: DuckDB would round 1.5 for an integer.
_COUNTS = ("num_tokens", "num_tokens_all", "num_chars")
METRICS = dict.fromkeys((*INTEGERS, *NUMBERS, *CORR, "bits_per_byte_corr"), "DOUBLE")
CHOICES = {
    "sum_logits": "DOUBLE", "num_tokens": "DOUBLE", "num_tokens_all": "DOUBLE",
    "is_greedy": "BOOLEAN", "sum_logits_uncond": "DOUBLE", "logits_per_token": "DOUBLE",
    "logits_per_char": "DOUBLE", "logits_per_byte": "DOUBLE", "bits_per_byte": "DOUBLE",
    "num_chars": "DOUBLE",
}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """The keys of a line, of its metrics and of its choices."""

    top_level: frozenset[str]
    metrics: frozenset[str]
    choices: frozenset[str]

    def n_keys(self, n_lines: int, n_choices: int) -> int:
        """How many keys so many lines have."""
        n_of_line = len(self.top_level) + len(self.metrics)
        return n_lines * n_of_line + n_choices * len(self.choices)

    @property
    def is_known(self) -> bool:
        """Whether there is a column for each of them, and what no line can do without."""
        return (
            {"metrics", "model_output"} <= self.top_level <= TOP_LEVEL.keys() | _NESTED
            and self.metrics <= METRICS.keys()
            and self.choices <= CHOICES.keys()
        )


_NESTED = {"metrics", "model_output"}
ALL_KEYS = Shape(frozenset(TOP_LEVEL) | _NESTED, frozenset(METRICS), frozenset(CHOICES))


def shape_of(line: bytes) -> Shape | None:
    """The shape of a line, if it is one that can be demanded of the others."""
    try:
        record = json.loads(line)
        choices = record["model_output"]
        shape = Shape(frozenset(record), frozenset(record["metrics"]), frozenset(choices[0]))
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    return shape if shape.is_known and isinstance(choices, list) else None


def load(groups: Mapping[Shape | None, Sequence[str]], folder: str) -> str:
    """The table of all files, which are named after their task; those of no shape may have any key.

    Paths have no quote in them (``landing.UNREADABLE_IN_PATHS``).
    """
    task = f"filename[{len(folder) + 2}:-7]"  # folder/task.jsonl
    selects = []
    for shape, paths in groups.items():
        files = "[" + ", ".join(f"'{path}'" for path in paths) + "]"
        keys = shape or ALL_KEYS
        columns = ", ".join(f"{key}: '{kind}'" for key, kind in _columns(keys).items())
        lines = f"""
            select {task} as task, *
            from read_json(
                {files}, format = 'newline_delimited', filename = true,
                maximum_object_size = {MAX_LINE_BYTES}, columns = {{{columns}}}
            )
        """
        selects.append(_questions_of(lines, keys))
    return "create or replace temp table questions as " + " union all by name ".join(selects)


def _columns(shape: Shape) -> dict[str, str]:
    return _only(TOP_LEVEL, shape.top_level) | {
        "metrics": _struct(_only(METRICS, shape.metrics)),
        "model_output": _struct(_only(CHOICES, shape.choices)) + "[]",
    }


def _only(known: Mapping[str, str], keys: frozenset[str]) -> dict[str, str]:
    return {key: kind for key, kind in known.items() if key in keys}


def _struct(fields: Mapping[str, str]) -> str:
    return "STRUCT(" + ", ".join(f"{name} {kind}" for name, kind in fields.items()) + ")"


def _questions_of(lines: str, shape: Shape) -> str:
    """The columns of one shape. Each step is a query of its own: what is named in it is computed
    once, and not wherever it is used.
    """

    def top(key: str) -> str:
        return key if key in shape.top_level else f"null::{TOP_LEVEL[key]}"

    def named(holder: str, key: str, keys: frozenset[str], kind: str) -> str:
        """The value under either of its names, if there is one."""
        names = [name for name in (key, BITS_PER_BYTE.get(key)) if name in keys]
        found = ", ".join(f"{holder}.{name}" for name in names)
        return f"coalesce({found})" if len(names) > 1 else found or f"null::{kind}"

    def metric(key: str) -> str:
        return named("metrics", key, shape.metrics, "double")

    def of(choice: str, key: str) -> str:
        return named(choice, key, shape.choices, CHOICES[key])

    def c(key: str) -> str:
        return of("c", key)

    # One without a token or a character is divided by one, as OLMES does.
    tokens, chars = (
        f"case when {c(key)} < 1 then 1 else {c(key)} end" for key in ("num_tokens", "num_chars")
    )
    bits = f"({BITS} * {c('sum_logits')} / {chars})"
    per_byte = c("logits_per_byte")

    def is_near(tolerance: str) -> str:
        """Of an infinity and a number, or NaN and a number, the number is what they differ by."""
        return f"abs({per_byte} - {bits}) <= {tolerance} * least(abs({per_byte}), abs({bits}))"

    def apart(value: str, other: str) -> str:
        """How far apart; NaN is NaN, and an infinity is itself."""
        return f"case when {value} = {other} then 0 else abs({value} - {other}) end"

    def spelt(holder: str, key: str, keys: frozenset[str]) -> str:
        """How far apart a value is under its two names, relative to what it follows from."""
        names = (key, BITS_PER_BYTE[key])
        if not keys.issuperset(names):
            return "null::double"
        difference = apart(*(f"{holder}.{name}" for name in names))
        scale = f"greatest(abs({holder}.{names[0]}), 1e-300)"
        return f"({difference}) * greatest(abs({c('sum_logits')}), 1e-300) / {scale}"

    is_per_char = f"({per_byte} = {bits} or {is_near(SAME)})"
    # How many bytes there were: as many as fit, where they are not as many as characters.
    n_bytes = f"greatest(round({BITS} * {c('sum_logits')} / {c('logits_per_byte')}), 1)"

    def largest(per_token: str, per_char: str, *others: str) -> str:
        """The largest relative difference; multiplied, which is faster than to divide first."""
        difference = f"""
            greatest(
                {apart(f"{per_token} * {tokens}", c("sum_logits"))},
                {apart(f"{per_char} * {chars}", c("sum_logits"))},
                {", ".join(others)}
            )
        """
        # None of them is none of NaN, too.
        return f"""
            case
                when {difference} = 0 then 0.0::double
                else {difference} / greatest(abs({c("sum_logits")}), 1e-300)
            end
        """

    identity_error = largest(
        c("logits_per_token"),
        c("logits_per_char"),
        f"""
        case
            when {is_per_char}
                then {apart(f"{per_byte} * {chars} / {BITS}", c("sum_logits"))}
            else {apart(f"{per_byte} * {n_bytes} / {BITS}", c("sum_logits"))}
        end
        """,
        spelt("c", "logits_per_byte", shape.choices),
    )
    corr_error = largest(
        metric("logits_per_token_corr"),
        metric("logits_per_char_corr"),
        apart(metric("sum_logits_corr"), c("sum_logits")),
        f"""
        case
            when {metric("logits_per_byte_corr")} = coalesce({per_byte}, {bits}) then 0
            else abs({metric("logits_per_byte_corr")} - coalesce({per_byte}, {bits}))
                * abs({c("sum_logits")}) / greatest(abs({metric("logits_per_byte_corr")}), 1e-300)
        end
        """,
        spelt("metrics", "logits_per_byte_corr", shape.metrics),
    )
    counts = [c(key) for key in _COUNTS if key in shape.choices]
    are_counts = " and ".join(
        ["true", *(f"{count} = floor({count}) and abs({count}) < 2147483648" for count in counts)]
    )
    are_same_spellings = (
        "coalesce(c.logits_per_byte = c.bits_per_byte, true)"
        if shape.choices.issuperset(("logits_per_byte", "bits_per_byte"))
        else "true"
    )
    # Mostly they are the same to the bit, or to rounding; the rest is for the others.
    is_same = f"""
        {c("logits_per_token")} = {c("sum_logits")} / {c("num_tokens")}
        and {c("logits_per_char")} = {c("sum_logits")} / {c("num_chars")}
        and {is_near("1e-12")}
        and {are_same_spellings}
        and {are_counts}
    """
    is_labelled = " and ".join(
        f"{metric(key)} = {of('labelled', key.removesuffix('_corr'))}" for key in CORR
    )
    # A sum is null where something in it is.
    all_metrics = " + ".join(["0::double", *(f"metrics.{key}" for key in sorted(shape.metrics))])
    all_fields = " + ".join(["0::double", *(f"c.{key}::double" for key in sorted(shape.choices))])
    # The evaluator takes a label that is no integer for 0.
    at = "greatest(coalesce(label, 0), -1) + 1"
    return f"""
        select
            task, doc_id, native_id_json, label_json, label, task_hash, model_hash,
            {", ".join(f"{metric(key)} as {key}" for key in (*INTEGERS, *NUMBERS))},
            case
                when are_same and {is_labelled} then 0.0::double
                else list_transform(model_output[{at} : {at}], lambda c: {corr_error})[1]
            end as corr_error,
            case
                when are_same then 0.0::double
                else list_max(list_transform(model_output, lambda c: {identity_error}))
            end as identity_error,
            case
                when are_same then true
                else list_count(list_transform(model_output, lambda c: {c("logits_per_byte")}))
                    = len(model_output)
            end as has_bytes,
            case
                when are_same then true
                else list_bool_and(list_transform(model_output, lambda c: {are_counts}))
            end as have_counts,
            list_transform(model_output, lambda c: {{
                'sum_logits': {c("sum_logits")},
                'sum_logits_uncond': {c("sum_logits_uncond")},
                'num_tokens': try_cast({c("num_tokens")} as integer),
                'num_tokens_all': try_cast({c("num_tokens_all")} as integer),
                'num_chars': try_cast({c("num_chars")} as integer),
                'is_greedy': {c("is_greedy")},
                'logits_per_byte': case when {is_per_char} then null
                    else {c("logits_per_byte")} end
            }}) as choices,
            null::varchar as extra,
            coalesce(
                {all_metrics} is not null
                and list_count(list_transform(model_output, lambda c: {all_fields}))
                    = len(model_output),
                false
            ) and doc_id is not null and task_hash is not null and model_hash is not null
                as is_complete
        from (
            select
                *,
                model_output[{at}] as labelled,
                list_bool_and(list_transform(model_output, lambda c: {is_same})) as are_same
            from (
                select
                    task, {top("doc_id")} as doc_id, {top("native_id")}::varchar as native_id_json,
                    {top("label")}::varchar as label_json,
                    case
                        when regexp_full_match(label_json, '-?[0-9]{{1,18}}')
                            then label_json::bigint
                    end as label,
                    {top("task_hash")} as task_hash, {top("model_hash")} as model_hash, metrics,
                    model_output
                from ({lines})
            )
        )
    """


_IS_INDEX = " and ".join(
    f"coalesce({name} = floor({name}) and abs({name}) < 32768, true)" for name in INTEGERS
)
_TEXTS = ("native_id_json", "label_json", "task_hash", "model_hash")


def _colons(text: str) -> str:
    return (
        f"case when contains({text}, ':') "
        f"then length({text}) - length(replace({text}, ':', '')) else 0 end"
    )


# In the order of instances_convert.Count.
COUNTS = f"""
    select
        task,
        count(*),
        count(distinct doc_id),
        count(*) filter (doc_id = floor(doc_id) and abs(doc_id) < 9007199254740992),
        count(*) filter (not ({_IS_INDEX} and coalesce(have_counts, true))),
        coalesce(sum(len(choices)), 0)::bigint,
        sum({" + ".join(map(_colons, _TEXTS))})::bigint,
        bool_and(is_complete),
        bool_or(native_id_json is null or label_json is null),
        min(task_hash), max(task_hash), min(model_hash), max(model_hash)
    from questions
    group by task
"""


def _nothing_of(keys: Iterable[str]) -> str:
    return "'" + json.dumps(dict.fromkeys(sorted(keys))) + "'"


# Refused by DuckDB where a line lacks a key: a null may be one that is there.
HAVE_KEYS = f"""
    select count(from_json_strict(json, '{{"native_id": "JSON", "label": "JSON"}}'))
    from read_json_objects(
        $1, format = 'newline_delimited', maximum_object_size = {MAX_LINE_BYTES}
    )
"""

# What no column has: {"key": ..., "metrics": {"key": ...}, "model_output": [{"key": ...}, {}]}
EXTRA = f"""
    with documents as (
        select
            (json ->> '$.doc_id')::double as doc_id,
            json_merge_patch(json, {_nothing_of(ALL_KEYS.top_level)}) as top_level,
            json_merge_patch(json -> '$.metrics', {_nothing_of(METRICS)}) as metrics,
            list_transform(
                from_json(json -> '$.model_output', '["JSON"]'),
                lambda choice: json_merge_patch(choice, {_nothing_of(CHOICES)})
            ) as choices
        from read_json_objects(
            $2, format = 'newline_delimited', maximum_object_size = {MAX_LINE_BYTES}
        )
    ),
    merged as (
        select
            doc_id,
            json_merge_patch(
                top_level,
                case when metrics::varchar != '{{}}' then json_object('metrics', metrics)
                    else '{{}}' end,
                case when len(list_filter(choices, lambda choice: choice::varchar != '{{}}')) > 0
                    then json_object('model_output', choices) else '{{}}' end
            )::varchar as extra
        from documents
    )
    update questions
    set extra = merged.extra
    from merged
    where questions.task = $1 and questions.doc_id = merged.doc_id and merged.extra != '{{}}'
"""

# The columns that land, after those of the checkpoint.
QUESTIONS = f"""
    task, doc_id::bigint as doc_id,
    case
        when native_id_json[1] != '"' then native_id_json
        when contains(native_id_json, '\\') then native_id_json::json ->> '$'
        else native_id_json[2:-2]
    end as native_id,
    case
        when native_id_json is null then 'null'
        when native_id_json[1] = '"' then 'text'
        when regexp_full_match(native_id_json, '-?[0-9]+') then 'integer'
        else 'other'
    end as native_id_kind,
    label,
    case when label_json[1] = '"' then label_json::json ->> '$' else label_json end as label_text,
    {", ".join(f"{name}::smallint as {name}" for name in INTEGERS)},
    {", ".join(NUMBERS)},
    corr_error, identity_error, has_bytes, choices, extra
"""
