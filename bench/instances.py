"""The instances part: archives of full-size checkpoints are landed and built, then one more is.

The yardstick of landing, in a process of its own: ``gzip.decompress`` of the same inner tarballs,
one after the other, their reading not counted. The yardstick of the marts is landing.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path

from bench.measure import Cost, Ratio, run
from bench.warehouse import ROOT, Warehouse

# How many checkpoints an archive has; a published one has about 540.
CHECKPOINTS = 64
RECIPE = "dolma1.7"
SAMPLE_S = 0.005
LANDINGS = 2
MARTS = (
    "instance_tasks",
    "instance_questions",
    "instance_choices",
    "instance_reconciliations",
    "instance_reconciliation_summaries",
)
SELECTION = ("--select", *(f"+{mart}" for mart in MARTS))

WRITE = """
import sys
from pathlib import Path
from extract.simulator.instances import write
if __name__ == "__main__":
    folder, recipe, count, processes = sys.argv[1:]
    keys = [("150M", 2, 1250 * number) for number in range(1, int(count) + 1)]
    write(Path(folder), recipe, checkpoints=keys, processes=int(processes))
"""
GUNZIP = """
import gzip, sys, tarfile, time
seconds, sizes = 0.0, []
with tarfile.open(sys.argv[1]) as archive:
    for member in archive:
        content = archive.extractfile(member).read()
        started = time.perf_counter()
        sizes.append(len(gzip.decompress(content)))
        seconds += time.perf_counter() - started
print(f"[{seconds}, {sizes}]")
"""
CHECKS = """
import sys, duckdb
query = "select count(*) filter (not is_ok), count(is_ok) from marts.instance_reconciliations"
print(*duckdb.connect(sys.argv[1], read_only=True).sql(query).fetchone())
"""


class FolderPeak(threading.Thread):
    """The most that the files below a folder have held together, sampled."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self._folder = folder
        self._ends = threading.Event()

    def run(self) -> None:
        while not self._ends.wait(SAMPLE_S):
            try:
                self.bytes = max(self.bytes, sum(map(_size, self._folder.rglob("*"))))
            except OSError:  # a folder has gone meanwhile
                continue

    def __enter__(self) -> FolderPeak:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self.join()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # it has gone
        return 0


def run_part(folder: Path, checkpoints: int) -> list[Ratio]:
    folder.mkdir(parents=True, exist_ok=True)
    few = max(1, checkpoints // 4)
    archives = {count: write(folder, count) for count in (few, checkpoints, checkpoints + 1)}
    archive = archives[checkpoints]
    # In turn, and the best of each, so that a busy machine weighs on both.
    gunzips, landings = [], []
    for _ in range(LANDINGS):
        gunzips.append(gunzip(archive))
        whole = new_warehouse(folder / "all")
        landings.append(land(whole, archive))
    large = min(landings, key=lambda landing: landing.seconds)
    gunzip_s, sizes = min(seconds for seconds, _ in gunzips), gunzips[0][1]
    small = land(new_warehouse(folder / "few"), archives[few])
    # Apart: to look at hundreds of files all the time slows down what writes them.
    small_bytes, large_bytes = (
        temporary_bytes(new_warehouse(folder / "watched"), archives[count])
        for count in (few, checkpoints)
    )
    landed_bytes = sum(map(_size, (whole.raw / "instances").rglob("*.parquet")))

    whole.dbt("seed")
    first, first_seconds = whole.build(*SELECTION)
    warehouse_bytes = whole.database.stat().st_size
    views = whole.read_whole("instance_questions", "instance_choices")
    failed, checks = map(int, whole.python(CHECKS, whole.database).split())
    more = land(whole, archives[checkpoints + 1])
    _, more_seconds = whole.build(*SELECTION)
    _, none_seconds = whole.build(*SELECTION)
    nothing = land(whole, archives[checkpoints + 1])

    size = f"{checkpoints} ckpts"
    each = (large.seconds - small.seconds) / (checkpoints - few)
    archive_bytes = archive.stat().st_size
    return [
        Ratio(size, "instances: rate of landing : of plain gzip.decompress",
              gunzip_s / large.seconds, "x", "0.6",
              f"{large.seconds:.2f} s : {gunzip_s:.2f} s of {sum(sizes) / 1e9:.2f} GB JSON"),
        Ratio(size, "instances: a checkpoint more in an archive : gzip.decompress of one",
              each / (gunzip_s / checkpoints), "x", "",
              f"{each:.3f} s : {gunzip_s / checkpoints:.3f} s"),
        Ratio(size, "instances: call for one more checkpoint, the others have landed",
              more.seconds, "s", "", f"for none more {nothing.seconds:.2f} s"),
        Ratio(size, "instances: peak memory", large.peak_bytes / 1e9, "GB", "1.5",
              f"of {few} checkpoints {small.peak_bytes / 1e9:.2f}"),
        Ratio(size, "instances: peak temporary space : largest checkpoint",
              large_bytes / max(sizes), "x", "3",
              f"{large_bytes / 1e6:.0f} MB; of {few} checkpoints {small_bytes / 1e6:.0f} MB"),
        Ratio(size, "instances: landed files : tarball", landed_bytes / archive_bytes, "x", "0.33",
              f"{landed_bytes / 1e6:.1f} MB : {archive_bytes / 1e6:.1f} MB"),
        Ratio(size, "instances: all models : landing", first_seconds / large.seconds, "x", "3",
              f"{first_seconds:.2f} s : {large.seconds:.2f} s"),
        Ratio(size, "instances: both views read whole : landing", views / large.seconds, "x", "",
              f"{views:.2f} s"),
        Ratio(size, "instances: build of one checkpoint more, above one of none : of the first",
              (more_seconds - none_seconds) / (first_seconds / checkpoints), "x", "",
              f"{more_seconds:.2f} s, of none {none_seconds:.2f} s"),
        Ratio(size, "instances: reconciliation checks that do not hold", failed, "", "0",
              f"of {checks:,}"),
        Ratio(size, "instances: peak memory of the build", first.peak_bytes / 1e9, "GB", "", ""),
        Ratio(size, "instances: warehouse file : tarball", warehouse_bytes / archive_bytes, "x", "",
              f"{warehouse_bytes / 1e6:.0f} MB"),
    ]  # fmt: skip


def write(folder: Path, count: int) -> Path:
    below = folder / f"source-{count}"
    path = below / "models" / f"{RECIPE}.tar.gz"
    if not path.exists():
        script = folder / "write.py"  # a file, for the processes that it starts
        script.write_text(WRITE, encoding="utf-8")
        arguments = (below, RECIPE, count, os.cpu_count() or 1)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        run([sys.executable, script, *map(str, arguments)], ROOT, environment)
    return path


def new_warehouse(folder: Path) -> Warehouse:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return Warehouse(folder)


def land(warehouse: Warehouse, archive: Path) -> Cost:
    return warehouse.extract("instances", RECIPE, "--source", archive)


def temporary_bytes(warehouse: Warehouse, archive: Path) -> int:
    """The most that a landing has in files that go."""
    with FolderPeak(warehouse.raw / "_tmp") as peak:
        land(warehouse, archive)
    return peak.bytes


def gunzip(archive: Path) -> tuple[float, list[int]]:
    """The seconds it takes, and the bytes of each checkpoint."""
    return json.loads(run([sys.executable, "-c", GUNZIP, archive], ROOT, os.environ).output)
