"""The instances part: archives of full-size checkpoints are landed, and again with one more.

The yardstick, in a process of its own: ``gzip.decompress`` of the same inner tarballs, one after
the other, their reading not counted.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path

from bench.measure import Cost, Ratio, run
from bench.wandb import ROOT

# How many checkpoints an archive has; a published one has about 540.
CHECKPOINTS = 32
RECIPE = "dolma1.7"
SAMPLE_S = 0.005
SCANS = 3

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
    for kept in folder.glob("raw*"):
        shutil.rmtree(kept)
    few = max(1, checkpoints // 4)
    archives = {count: write(folder, count) for count in (few, checkpoints, checkpoints + 1)}
    archive = archives[checkpoints]

    gunzips = [json.loads(_python(GUNZIP, archive).output) for _ in range(SCANS)]
    gunzip_s, sizes = min(seconds for seconds, _ in gunzips), gunzips[0][1]
    small, small_bytes = land(folder / "raw-few", archives[few])
    large, large_bytes = land(folder / "raw", archive)
    landed_bytes = sum(map(_size, (folder / "raw" / "instances").rglob("*.parquet")))
    more, _ = land(folder / "raw", archives[checkpoints + 1])
    nothing, _ = land(folder / "raw", archives[checkpoints + 1])

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
    ]  # fmt: skip


def write(folder: Path, count: int) -> Path:
    below = folder / f"source-{count}"
    path = below / "models" / f"{RECIPE}.tar.gz"
    if not path.exists():
        script = folder / "write.py"  # a file, for the processes that it starts
        script.write_text(WRITE, encoding="utf-8")
        arguments = (below, RECIPE, count, os.cpu_count() or 1)
        run([sys.executable, script, *map(str, arguments)], ROOT, _environment())
    return path


def land(raw_dir: Path, archive: Path) -> tuple[Cost, int]:
    """What a call of the command costs, and its peak of temporary space."""
    command = ("-m", "extract", "instances", RECIPE, "--source", archive, "--raw-dir", raw_dir)
    with FolderPeak(raw_dir / "_tmp") as peak:
        cost = run([sys.executable, *command], ROOT, _environment())
    return cost, peak.bytes


def _python(program: str, *arguments: Path) -> Cost:
    return run([sys.executable, "-c", program, *arguments], ROOT, _environment())


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
