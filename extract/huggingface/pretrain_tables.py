"""What the published pretraining tables must look like, checked with DuckDB before they land.

What has landed is never rewritten, so a file that the models cannot read would fail every build
from then on. Only what the models select is asked for; other columns may come and go (the
releases have carried pandas' ``__index_level_0__``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from extract.errors import InputError
from extract.inputs import PARQUET_MAGIC, magic

INTEGERS = frozenset(
    f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")
) | {"INTEGER", "UINTEGER"}
TEXT = frozenset({"VARCHAR"})
# pandas writes integers as doubles where one is missing, and a column that is null everywhere
# without a type, which DuckDB shows as INTEGER.
NUMBER = INTEGERS | {"DOUBLE", "FLOAT", "DECIMAL"}
TEXT_OR_JSON = TEXT | {"JSON"}
_NAMES = {TEXT: "text", TEXT_OR_JSON: "text", NUMBER: "a number"}

PERPLEXITY_SETS = (
    "wikitext_103", "pile", "c4_en", "m2d2_s2orc", "ice", "dolma_wiki", "dolma_stack",
    "dolma_reddit", "dolma_pes2o", "dolma_common-crawl", "dolma_books",
)  # fmt: skip
# Tasks that only the aggregated split has; the other one has the 57 subjects of MMLU instead.
AGGREGATED_TASKS = ("mmlu", "olmes_10_macro_avg")
LFS_POINTER = b"vers"


@dataclass(frozen=True, eq=False)
class Table:
    """One published table: the kind that its files land as, and the columns that are read.

    Those in ``optional`` may be missing, but not be of another type.
    """

    kind: str
    columns: dict[str, frozenset[str]]
    optional: dict[str, frozenset[str]] = field(default_factory=dict)


_CHECKPOINT = {"params": TEXT, "data": TEXT, "seed": TEXT, "step": NUMBER}
_EVALS = _CHECKPOINT | {
    "chinchilla": TEXT, "tokens": NUMBER, "compute": NUMBER, "task": TEXT, "metrics": TEXT_OR_JSON,
}  # fmt: skip
_FITS = {"task": TEXT, "mix": TEXT, "metric": TEXT, "setup": TEXT} | {
    f"{part}_{what}": NUMBER for part in ("step_1", "step_2", "stacked") for what in ("y", "pred")
}

PPL = Table(
    "ppl", _CHECKPOINT | {f"eval/{name}-validation/Perplexity": NUMBER for name in PERPLEXITY_SETS}
)
EVALS = Table("evals", _EVALS)
MACRO_AVG = Table("macro_avg", _EVALS)
SCALING_LAW_FITS = Table("scaling_law_fits", _FITS, {"decision_acc": NUMBER})


def recognise(path: Path, name: str) -> Table:
    """Which table a Parquet file is of, by its columns and its tasks."""
    with duckdb.connect() as con:
        columns = _columns(con, path, name)
        if any(column.endswith("/Perplexity") for column in columns):
            return PPL
        if "setup" in columns and "mix" in columns:
            return SCALING_LAW_FITS
        if "params" in columns and {"task", "metrics"} & columns.keys():
            if columns.get("task") != "VARCHAR":
                return EVALS  # and inspect() says what is wrong
            query = f"select count(*) from {_SCAN} where task in (select unnest(?))"
            aggregated = _ask(con, query, path, name, list(AGGREGATED_TASKS))
            return MACRO_AVG if aggregated else EVALS
    raise InputError(
        "unknown_table",
        f"{name}: is none of the pretraining tables; expected eval/...-validation/Perplexity "
        "columns, or task and metrics, or mix and setup. Leave it out of --source",
    )


def inspect(path: Path, table: Table, name: str, *, whole: bool) -> int:
    """The number of rows of a file that fits its table; refuse any other.

    ``whole`` reads every value: for files whose checksum nobody knows, because a damaged page is
    found by nothing else.
    """
    with duckdb.connect() as con:
        columns = _columns(con, path, name)
        for column, accepted in (table.columns | table.optional).items():
            if column not in columns and column in table.optional:
                continue
            if column not in columns:
                raise InputError(
                    "missing_column",
                    f"{name}: has no column {column}, which {table.kind} needs; {_OTHER_REVISION}",
                )
            if columns[column].partition("(")[0] not in accepted:
                raise InputError(
                    "wrong_type",
                    f"{name}: column {column} is {columns[column]}, expected {_NAMES[accepted]}; "
                    f"{_OTHER_REVISION}",
                )
        if whole:
            _ask(con, f"select bit_xor(hash(_file)) from {_SCAN} as _file", path, name)
        rows = _ask(con, "select sum(num_rows)::bigint from parquet_file_metadata(?)", path, name)
    if not rows:
        raise InputError("empty", f"{name}: has no rows; {_OTHER_REVISION}")
    return rows


_SCAN = "read_parquet(?, hive_partitioning = false)"
_OTHER_REVISION = (
    "land a revision that this version reads (the default is one), or update the extractor"
)


def _columns(con: duckdb.DuckDBPyConnection, path: Path, name: str) -> dict[str, str]:
    with _readable(path, name):
        rows = con.execute(f"describe select * from {_SCAN}", [str(path)]).fetchall()
    return {column: kind for column, kind, *_ in rows}


def _ask(con: duckdb.DuckDBPyConnection, query: str, path: Path, name: str, *more: object) -> int:
    with _readable(path, name):
        (value,) = con.execute(query, [str(path), *more]).fetchall()[0]
    return int(value or 0)


@contextmanager
def _readable(path: Path, name: str) -> Iterator[None]:
    """Turn what DuckDB says of a file into a refusal."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as problem:
        start = magic(path)
        if start == LFS_POINTER:
            raise InputError(
                "not_parquet",
                f"{name}: is a Git LFS pointer, not the file that it stands for: run `git lfs "
                "pull` in its folder",
            ) from None
        is_parquet = start == PARQUET_MAGIC
        why = str(problem).partition("\n")[0].replace(str(path), name)
        raise InputError(
            "damaged_parquet" if is_parquet else "not_parquet",
            f"{name}: {'is cut off or damaged' if is_parquet else 'is not a Parquet file'} "
            f"({why}): fetch it again",
        ) from None
