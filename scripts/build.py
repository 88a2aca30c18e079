"""`make build`: build the marts from what has landed; where nothing has, land the demo first."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb
import progress
from rich.console import Console

from extract import warehouse
from extract.landing.current import current, real_zone
from extract.warehouse import ROOT, Warehouse

EVERY_WARNING = ("--warn-error-options", '{"error": "all"}')
STRICTLY = ("--vars", '{"strict": true}')

SUMMARY = """
    select tables.table_name, columns.n_columns
    from information_schema.tables as tables
    inner join (
        select table_schema, table_name, count(*) as n_columns
        from information_schema.columns
        group by all
    ) as columns using (table_schema, table_name)
    where tables.table_schema = 'marts'
    order by tables.table_name
"""

ISSUES = """
    with counted as (
        select kind, severity, count(*) as n, min(mend_in) as mend_in
        from marts.data_issues
        group by all
    )
    from counted
    select kind, severity, n, mend_in
    order by
        list_position(['error', 'wrong_upstream', 'warning', 'note'], severity), n desc, kind
"""
GAPS = """
    select item, n_with, n_runs, what_to_do
    from marts.run_coverage
    where n_without > 0
    order by share, item
    limit 5
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", action="store_true", help="build the demo, whatever has landed")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="also fail on data_issues that nobody has reviewed; warnings are errors",
    )
    parser.add_argument("--database", type=Path, help="another warehouse file for the demo")
    arguments = parser.parse_args()

    target = (
        warehouse.demo(arguments.database) if arguments.demo or arguments.database else current()
    )
    is_demo = target.raw == warehouse.DEMO_RAW_DIR
    if is_demo:
        if not arguments.demo:
            print(nothing_landed(real_zone().refusals()))
        landed = subprocess.run(
            [sys.executable, "-m", "extract", "demo", "--raw-dir", target.raw],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if landed.returncode:
            return landed.returncode
    else:
        print(f"Building from what has landed in {target.raw}.")
    code = build(target, strict=arguments.strict)
    print_summary(target, is_demo=is_demo)
    if code:
        print(
            "\nThe build ended with the errors above. A failed test lists what it found; the marts "
            "after it stand as shown.",
            file=sys.stderr,
        )
    return code


def nothing_landed(refusals: Sequence[str]) -> str:
    """Why it is the demo that is built, which a user with refused inputs does not expect."""
    demo = "so this builds the demo: simulated runs in real formats."
    if not refusals:
        return f"Nothing has landed yet, {demo}"
    n_inputs = "1 input was" if len(refusals) == 1 else f"{len(refusals)} inputs were"
    return (
        f"Nothing has landed: {n_inputs} refused, the last one {refusals[-1]}\n"
        f"There is no row, {demo}"
    )


def build(target: Warehouse, *, strict: bool = False) -> int:
    """`dbt build` in this process, which reads the project once and hears how far it is.

    A strict one shows dbt's own lines, each test among them.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    os.chdir(ROOT)
    os.environ.update(target.environment)
    target.database.parent.mkdir(parents=True, exist_ok=True)
    print("Reading the dbt project.", flush=True)
    how: Sequence[str] = ("--no-partial-parse", *EVERY_WARNING, *STRICTLY) if strict else ()
    read = dbtRunner().invoke(["--quiet", "parse", *target.dbt_arguments(*how)])
    if not read.success:
        return 2
    if strict:
        built = dbtRunner(read.result).invoke(
            ["--warn-error", "build", *target.dbt_arguments(*STRICTLY)]
        )
    else:
        with progress.reported(progress.totals(read.result), Console()) as report:
            built = dbtRunner(read.result, [report]).invoke(
                ["--quiet", "build", *target.dbt_arguments()]
            )
    DuckDBConnectionManager.close_all_connections()  # the file is opened in another way below
    if built.result is not None:
        progress.print_failures(built.result.results, target.database, ROOT)
    return 0 if built.success else 1


def print_summary(target: Warehouse, *, is_demo: bool) -> None:
    """The marts with their sizes, and how to query them."""
    with duckdb.connect(str(ROOT / target.database), read_only=True) as con:
        marts = con.execute(SUMMARY).fetchall()
        print(f"\n{'mart':24}{'rows':>12}{'columns':>9}")
        for name, n_columns in marts:
            rows = con.execute(f'select count(*) from marts."{name}"').fetchall()[0][0]
            print(f"{name:24}{rows:>12,}{n_columns:>9}")
        print_quality(con)
    kind = "demo" if is_demo else "your"
    print(f"\nThe {kind} warehouse is {target.database}. Query it, for example with:")
    print(
        f"  .venv/bin/python -c \"import duckdb; duckdb.connect('{target.database}', "
        "read_only=True).sql('from marts.runs').show()\""
    )
    print("`make docs` builds the documentation of every table and column.")


def print_quality(con: duckdb.DuckDBPyConnection) -> None:
    """What is odd in the landed data, and what runs lack; each with what to do."""
    if found := con.execute(ISSUES).fetchall():
        print("\nOdd in the data (marts.data_issues has each of them):")
        for kind, severity, n, mend_in in found:
            print(f"{n:>9,}  {kind:32}{severity:16}{mend_in}")
    if found := con.execute(GAPS).fetchall():
        print("\nThe largest gaps (marts.run_coverage):")
        for item, n_with, n_runs, what_to_do in found:
            print(f"{n_with:>9,} of {n_runs:,} runs have {item:16}{what_to_do}")


if __name__ == "__main__":
    sys.exit(main())
