"""The yardstick: one bare `read_json` scan of landed files, in a process of its own.

Reads the same files with the same typed columns as the base models (their sources' own
`external_location`), and prints the seconds of two statements: a scan in which every value of
every column is used (hashed) and nothing is kept, and the same scan stored as a table.
"""

from __future__ import annotations

import json
import sys
import time

import duckdb
import yaml

from extract.warehouse import ROOT

SOURCES = ROOT / "models" / "base" / "wandb" / "_wandb__sources.yml"


def main(raw_dir: str, database: str, threads: str) -> None:
    tables = yaml.safe_load(SOURCES.read_text())["sources"][0]["tables"]
    con = duckdb.connect(database, config={"storage_compatibility_version": "v1.5.0"})
    con.execute(f"set threads = {int(threads)}")
    con.execute("set preserve_insertion_order = false")
    scanned = stored = 0.0
    for table in tables:
        kind = table["name"]
        scan = table["config"]["meta"]["external_location"]
        con.execute(
            f"set variable wandb_{kind}_files = "
            f"(select list(file) from glob('{raw_dir}/wandb/*/*/{kind}/*'))"
        )
        con.execute(f"set variable wandb_{kind}_object_size = 16777216")
        started = time.perf_counter()
        con.execute(f"select sum(hash(columns(*))::double) from {scan}").fetchall()
        scanned += time.perf_counter() - started
        started = time.perf_counter()
        con.execute(f"create table {kind} as select * from {scan}").fetchall()
        stored += time.perf_counter() - started
    print(json.dumps({"scanned": scanned, "stored": stored}))


if __name__ == "__main__":
    main(*sys.argv[1:])
