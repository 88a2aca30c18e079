"""`status`: what has landed, from the manifests alone."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

from extract.commands import DEFAULT_RAW_DIR, RawDir, exit_codes
from extract.landing.layout import DOWNLOADS
from extract.landing.zone import LandingZone
from extract.wandb.files import to_land_again

NAMES_SHOWN = 10


def summarise(zone: LandingZone) -> list[dict[str, Any]]:
    """One entry per source and kind of file: batches, files, rows, bytes, newest, refused items."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    refused: dict[str, int] = {}
    for manifest in zone.manifests():
        refused[manifest.source] = refused.get(manifest.source, 0) + manifest.n_refused
        counted: set[str] = set()
        for landed in manifest.files:
            entry = found.setdefault(
                (manifest.source, landed.kind),
                {"source": manifest.source, "kind": landed.kind, "batches": 0, "files": 0,
                 "rows": 0, "bytes": 0},
            )  # fmt: skip
            entry["batches"] += landed.kind not in counted
            counted.add(landed.kind)
            entry["files"] += 1
            entry["rows"] += landed.rows
            entry["bytes"] += landed.bytes
            entry["newest"] = max(entry.get("newest", ""), manifest.finished_at or "")
    return [entry | {"refused": refused[source]} for (source, _), entry in sorted(found.items())]


def print_table(zone: LandingZone, summary: list[dict[str, Any]], stream: TextIO) -> None:
    """The summary for a person."""
    waiting = [path for path in (zone.root / DOWNLOADS).rglob("*") if path.is_file()]
    if size := sum(path.stat().st_size for path in waiting):
        print(
            f"{size / 1e6:.2f} MB below {zone.root / DOWNLOADS} have not landed; the next call of "
            "their command goes on with them",
            file=stream,
        )
    if not summary:
        print("nothing has landed here yet; try: python -m extract demo", file=stream)
        return
    print(
        f"{'source':11} {'kind':16} {'batches':>7} {'files':>6} {'rows':>12} {'MB':>9}  newest",
        file=stream,
    )
    for entry in summary:
        print(
            f"{entry['source']:11} {entry['kind']:16} {entry['batches']:7} {entry['files']:6} "
            f"{entry['rows']:12,} {entry['bytes'] / 1e6:9.2f}  {entry['newest']}",
            file=stream,
        )
    if unlisted := len(zone.unlisted_files()):
        print(
            f"{unlisted} files are in no manifest and are not read: was the zone copied without "
            "its _manifests folder?",
            file=stream,
        )
    if names := to_land_again(zone):
        print(
            f"{len(names)} offline logs landed before the processes of a run were told apart: "
            f"{', '.join(names[:NAMES_SHOWN])}{', ...' if len(names) > NAMES_SHOWN else ''}; land "
            "them again (wandb-files) for the session of each row",
            file=stream,
        )
    errors = {entry["source"]: entry["refused"] for entry in summary if entry["refused"]}
    for source, count in errors.items():
        print(f"{source}: {count} items refused; see staging.stg_{source}__outcomes", file=stream)


def status(raw_dir: RawDir = DEFAULT_RAW_DIR) -> None:
    """Show what has landed: source, batches, files, rows, bytes, newest, errors.

    Example:

        python -m extract status
    """
    with exit_codes():
        zone = LandingZone(raw_dir)
        summary = summarise(zone)
        print_table(zone, summary, sys.stderr)
        record = {"command": "status", "raw_dir": os.fspath(raw_dir), "sources": summary}
        print(json.dumps(record | {"to_land_again": to_land_again(zone)}))
