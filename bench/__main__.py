"""`make bench`: run the parts that are asked for, print their ratios as one table."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import acquisition, instances, pretraining, wandb
from bench.measure import Ratio, print_table


@dataclass(frozen=True)
class Part:
    """One benchmark, measured at each of its sizes in a folder of its own."""

    run: Callable[[Path, int], list[Ratio]]
    unit: str
    sizes: tuple[int, ...]


PARTS = {
    "wandb": Part(wandb.run_part, "megabytes", (200, 1000)),
    "acquisition": Part(acquisition.run_part, "runs", (2000,)),
    "pretraining": Part(pretraining.run_part, "checkpoints", (pretraining.CHECKPOINTS,)),
    "instances": Part(instances.run_part, "archived", (instances.CHECKPOINTS,)),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    for name, part in PARTS.items():
        parser.add_argument(
            f"--{part.unit}", type=int, nargs="+", default=part.sizes, help=f"sizes of {name}"
        )
    parser.add_argument("--folder", type=Path, help="work here and keep the files")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="datadecide-bench-"))
    ratios: list[Ratio] = []
    try:
        for name in arguments.parts or PARTS:
            part = PARTS[name]
            for size in getattr(arguments, part.unit):
                print(f"{name}, {size} {part.unit} ...", file=sys.stderr)
                ratios += part.run(folder / f"{name}-{size}", size)
    finally:
        if not arguments.folder:
            shutil.rmtree(folder, ignore_errors=True)
    print_table(ratios)


if __name__ == "__main__":
    main()
