"""The first step of a file on its way from disk: which inputs are there below the given paths.

Every file below a folder is accounted for: what may be data is an input, which is read or refused;
the rest is told, and counted as no export.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from extract.landing.manifest import Outcome
from extract.wandb.offline import SUFFIX as RUN_SUFFIX
from extract.wandb.parquet import component_of

# What holds data of some kind, also where it is refused: nothing of that is passed over in silence.
DATA_ENDINGS = frozenset(
    {
        ".jsonl", ".ndjson", ".json", ".jsonlines", ".parquet", ".pq", ".csv", ".tsv", RUN_SUFFIX,
        ".feather", ".arrow", ".ipc", ".pkl", ".pickle", ".joblib", ".npz", ".npy", ".xlsx",
        ".xlsm", ".xls", ".ods", ".zip", ".tar", ".tgz", ".tbz", ".txz", ".7z", ".rar", ".sqlite",
        ".sqlite3", ".db", ".duckdb", ".h5", ".hdf5", ".orc", ".avro", ".rds", ".rda", ".rdata",
    }
)  # fmt: skip
COMPRESSIONS = frozenset({".gz", ".zst", ".zstd", ".xz", ".bz2"})
# What files of any other name begin with that hold an export.
_DATA_MAGICS = (b"PAR1", b":W&B")
_RECORD = re.compile(rb'\s*[\[{].*"(?:run_id|_step|_timestamp|_runtime|summary)"\s*:', re.DOTALL)
_SNIFFED_BYTES = 4096
# Whatever these hold, they are written for people or programs.
_OTHER_ENDINGS = frozenset(
    {
        ".log", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".md", ".rst", ".html", ".py",
        ".ipynb", ".sh", ".js", ".css", ".lock", ".out", ".err", ".patch", ".diff",
    }
)  # fmt: skip
# Copies and tools of programs, beside what a user has made.
_PROGRAM_FOLDERS = frozenset({".git", ".ipynb_checkpoints", "__pycache__", ".venv", "node_modules"})
# Written by dr_wandb 3.x beside an export; they say what it is of, and hold no records.
EXPORT_MANIFEST = "manifest.json"
EXPORT_STATE = "state.json"

_RUN_FOLDER = re.compile(r"(?:offline-|dry)?run-\d{8}_\d{6}-.+")
# What a run directory holds beside its log: media, requirements, summaries, copies of the program.
_SIDE_FOLDERS = ("files", "logs", "tmp")


@dataclass(frozen=True)
class ExportInput:
    """One input: a file, or the component Parquet files of one export, which belong together."""

    paths: tuple[Path, ...]
    entity: str | None = None
    project: str | None = None
    exported_at: str | None = None

    @property
    def name(self) -> str:
        return ", ".join(path.name for path in self.paths)


@dataclass(frozen=True)
class NotAnExport:
    """A file below a folder that holds no data; ``name`` is its place below the folder.

    What lies beside the log of a run needs no telling.
    """

    name: str
    is_of_run: bool = False


Found = ExportInput | Outcome | NotAnExport


def find_inputs(
    paths: Iterable[Path], entity: str | None, project: str | None, raw_dir: Path
) -> Iterator[Found]:
    """The inputs below the given paths; a path that cannot be read becomes a refused outcome."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = list(_search(path, raw_dir))
            files += [item for item in found if isinstance(item, Path)]
            yield from (item for item in found if not isinstance(item, Path))
            if all(isinstance(item, NotAnExport) for item in found):
                yield refused_path(
                    path, "no_export", "holds no export: expected *.jsonl, *.json, *.csv, "
                    "*.parquet (optionally .gz, .zst, .xz or .bz2) or run directories of W&B with "
                    "their *.wandb",
                )  # fmt: skip
        elif path.is_file():
            files.append(path)
        else:
            yield refused_path(path, "missing", "does not exist; check the path")
    for group in _exports(_once(files)):
        context = _export_manifest(group[0].parent)
        yield ExportInput(
            group,
            entity or context.get("entity"),
            project or context.get("project"),
            context.get("updated_at"),
        )


def ending(path: Path) -> str:
    """The ending of a name that says its format, in lower case, without that of a compression."""
    endings = [one.lower() for one in path.suffixes[-2:]]
    if endings and endings[-1] in COMPRESSIONS:
        return endings[0] if len(endings) == 2 else ".gz"
    return endings[-1] if endings else ""


def _once(files: Iterable[Path]) -> Iterable[Path]:
    """Without the second way to the same run: W&B keeps a link `latest-run` beside the runs."""
    found: dict[Path, Path] = {}
    for file in files:
        found.setdefault(file.resolve() if ending(file) == RUN_SUFFIX else file, file)
    return found.values()


def _search(folder: Path, raw_dir: Path) -> Iterator[Path | Outcome | NotAnExport]:
    """What is below a folder; a run directory without its log is a refused outcome."""
    # W&B links its logs, out of the run directory and into it: a file is where its folder is.
    found = {
        path: path.parent.resolve() / path.name
        for path in _walk(folder, raw_dir)
        if not _is_special(path)
    }
    log_folders = {at.parent for at in found.values() if ending(at) == RUN_SUFFIX}
    run_folders: set[Path] = set()
    for path, resolved in sorted(found.items()):
        if ending(path) == RUN_SUFFIX:
            yield path
        elif folder_of_run := (
            _run_folder(resolved, log_folders) or _run_folder(path.resolve(), log_folders)
        ):
            run_folders.add(folder_of_run)
            # Media, summaries, requirements: what the log refers to.
            yield NotAnExport(str(path.relative_to(folder)), is_of_run=True)
        elif not _is_data(path, path.relative_to(folder)):
            yield NotAnExport(str(path.relative_to(folder)))
        elif path.exists():
            yield path
        else:
            yield refused_path(path, "missing", "is a link that leads nowhere; mend the link")
    for run_folder in sorted(run_folders):
        if not any(run_folder.glob(f"*{RUN_SUFFIX}")):
            yield refused_path(
                run_folder, "no_log", "is a run directory of W&B, and the run is in its *.wandb "
                "file, which is missing; copy it too",
            )  # fmt: skip


def _walk(folder: Path, raw_dir: Path) -> Iterator[Path]:
    """The files below a folder, through links too; each folder once, so that loops end.

    The zone itself may be below the path; what has landed is no export.
    """
    seen: set[Path] = set()
    links = [folder]
    for top in links:  # grows: what is a folder of its own comes before what is a link to one
        for at, folders, names in os.walk(top):
            here = Path(at).resolve()
            if here in seen or here == raw_dir or raw_dir in here.parents:
                folders.clear()
                continue
            seen.add(here)
            folders.sort()
            links += [Path(at, name) for name in folders if Path(at, name).is_symlink()]
            yield from (Path(at, name) for name in sorted(names))


def _is_special(path: Path) -> bool:
    """Whether it is a socket or a pipe, which would never end."""
    return path.exists() and not path.is_file()


def _run_folder(path: Path, log_folders: Collection[Path]) -> Path | None:
    """The run directory that a file is in, by its name or because a log is in the same place.

    Paths must be resolved, so that the directory is found also from inside it.
    """
    for folder in path.parents:
        if _RUN_FOLDER.fullmatch(folder.name):
            return folder
        if folder.name in _SIDE_FOLDERS and folder.parent in log_folders:
            return folder.parent
    return None


def _is_data(path: Path, place: Path) -> bool:
    """Whether a file may hold data; ``place`` is where it is below the folder that was named."""
    if path.name in (EXPORT_MANIFEST, EXPORT_STATE) or path.name.startswith("."):
        return False
    if not _PROGRAM_FOLDERS.isdisjoint(place.parts):
        return False
    kind = ending(path)
    if kind in DATA_ENDINGS:
        return True
    if kind in _OTHER_ENDINGS:
        return False
    if path.suffix.lower() in COMPRESSIONS:
        return True
    try:
        with open(path, "rb") as stream:
            start = stream.read(_SNIFFED_BYTES)
    except OSError:
        return False
    return start.startswith(_DATA_MAGICS) or _RECORD.match(start) is not None


def _exports(paths: Iterable[Path]) -> list[tuple[Path, ...]]:
    """The files, those together that are the components of one export and its base table."""
    found: dict[Path, set[Path]] = {}
    for path in paths:
        component = component_of(path)
        base = path.with_name(path.name.removesuffix(f"_{component}.parquet") + ".parquet")
        found.setdefault(base if component else path, set()).add(path)
    return [tuple(sorted(group)) for group in found.values()]


def _export_manifest(folder: Path) -> dict[str, str]:
    try:
        content = json.loads((folder / EXPORT_MANIFEST).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict) or "entity" not in content:
        return {}
    return {key: value for key, value in content.items() if isinstance(value, str)}


def refused_path(path: Path, reason: str, message: str, line: int | None = None) -> Outcome:
    return Outcome(str(path), "refused", reason, f"{path}: {message}", line)
