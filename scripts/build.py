"""`make build`: build the marts from what has landed; where nothing has, land the demo first."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import duckdb
import warehouse
from warehouse import ROOT, Warehouse

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
        warehouse.demo(arguments.database)
        if arguments.demo or arguments.database
        else warehouse.current()
    )
    if target.is_demo:
        if not arguments.demo:
            print(
                "Nothing has landed yet, so this builds the demo: simulated runs in real formats."
            )
        landed = subprocess.run(
            [sys.executable, "-m", "extract", "demo", "--raw-dir", target.raw_dir],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if landed.returncode:
            return landed.returncode
    else:
        print(f"Building from what has landed in {target.raw_dir}.")
    if arguments.strict:
        every_warning = '{"error": "all"}'
        strictly = ("--vars", '{"strict": true}')
        code = target.dbt(
            "--quiet",
            "parse",
            "--no-partial-parse",
            "--warn-error-options",
            every_warning,
            *strictly,
        ) or target.dbt("--warn-error", "build", *strictly)
    else:
        code = target.dbt("--quiet", "build")
    print_summary(target)
    if code:
        print(
            "\nThe build ended with the errors above. A failed test lists what it found; the marts "
            "after it stand as shown.",
            file=sys.stderr,
        )
    return code


def print_summary(target: Warehouse) -> None:
    """The marts with their sizes, and how to query them."""
    with duckdb.connect(str(ROOT / target.database), read_only=True) as con:
        marts = con.execute(SUMMARY).fetchall()
        print(f"\n{'mart':24}{'rows':>12}{'columns':>9}")
        for name, n_columns in marts:
            rows = con.execute(f'select count(*) from marts."{name}"').fetchall()[0][0]
            print(f"{name:24}{rows:>12,}{n_columns:>9}")
        print_quality(con)
    kind = "demo" if target.is_demo else "your"
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
