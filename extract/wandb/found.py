"""The first step of a file on its way from disk: which inputs are there below the given paths."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from extract.landing.zone import Outcome
from extract.wandb.offline import SUFFIX as RUN_SUFFIX
from extract.wandb.parquet import component_of

EXPORT_SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet")
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


def find_inputs(
    paths: Iterable[Path], entity: str | None, project: str | None, raw_dir: Path
) -> Iterator[ExportInput | Outcome]:
    """The inputs below the given paths; a path that cannot be read becomes a refused outcome."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = list(_search(path, raw_dir))
            names = [item for item in found if isinstance(item, Path)]
            yield from (item for item in found if isinstance(item, Outcome))
            if not found:
                yield refused_path(
                    path, "no_export", "holds no export: expected *.jsonl, *.json, *.parquet "
                    "(optionally .gz or .zst) or run directories of W&B with their *.wandb",
                )  # fmt: skip
            files += names
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


def _once(files: Iterable[Path]) -> Iterable[Path]:
    """Without the second way to the same run: W&B keeps a link `latest-run` beside the runs."""
    found: dict[Path, Path] = {}
    for file in files:
        found.setdefault(file.resolve() if file.suffix == RUN_SUFFIX else file, file)
    return found.values()


def _search(folder: Path, raw_dir: Path) -> Iterator[Path | Outcome]:
    """The exports below a folder; a run directory without its log is a refused outcome."""
    # The zone itself may be below the path; what has landed is no export.
    found = {path: path.resolve() for path in sorted(folder.rglob("*")) if path.is_file()}
    found = {path: at for path, at in found.items() if raw_dir not in at.parents}
    log_folders = {at.parent for at in found.values() if at.suffix == RUN_SUFFIX}
    run_folders = set()
    for path, resolved in found.items():
        if path.suffix == RUN_SUFFIX:
            yield path
        elif folder_of_run := _run_folder(resolved, log_folders):
            run_folders.add(folder_of_run)  # media, summaries, requirements: what the log refers to
        elif _is_export(path):
            yield path
    for run_folder in sorted(run_folders):
        if not any(run_folder.glob(f"*{RUN_SUFFIX}")):
            yield refused_path(
                run_folder, "no_log", "is a run directory of W&B, and the run is in its *.wandb "
                "file, which is missing; copy it too",
            )  # fmt: skip


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


def _is_export(path: Path) -> bool:
    if path.name in (EXPORT_MANIFEST, EXPORT_STATE) or path.name.startswith("."):
        return False
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    return name.endswith(EXPORT_SUFFIXES)


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
