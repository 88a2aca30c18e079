"""`make bench`: run the parts that are asked for, print their ratios as one table."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from bench import wandb
from bench.measure import Ratio, print_table

PARTS = {"wandb": wandb.run_part}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument(
        "--megabytes", type=int, nargs="+", default=[200, 1000], help="sizes of the export"
    )
    parser.add_argument("--folder", type=Path, help="work here and keep the files")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="datadecide-bench-"))
    ratios: list[Ratio] = []
    try:
        for part in arguments.parts or PARTS:
            for megabytes in arguments.megabytes:
                print(f"{part}, {megabytes} MB ...", file=sys.stderr)
                ratios += PARTS[part](folder / f"{part}-{megabytes}", megabytes)
    finally:
        if not arguments.folder:
            shutil.rmtree(folder, ignore_errors=True)
    print_table(ratios)


if __name__ == "__main__":
    main()
