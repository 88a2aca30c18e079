"""What the tests of offline runs share: the real client, and a writer of logs by hand.

The client shows what is in a file; by hand come the files that it writes only when something goes
wrong, and those of other versions.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK = 32 * 1024
HEADER = struct.pack("<4sHB", b":W&B", 0xBEE1, 0)
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
STARTED_S = 1_755_581_965
STARTED_AT = "2025-08-19T05:39:25.000000Z"

# Whom the client finds on the machine, and what must not be found in the zone.
PERSON = {
    "WANDB_USERNAME": "asimov",
    "WANDB_USER_EMAIL": "asimov@example.org",
    "WANDB_HOST": "robot7.example.org",
    "WANDB_GIT_REMOTE_URL": "git@example.org:asimov/robots.git",
    "WANDB_GIT_COMMIT": "22a1f16d891ae31f18f70deccaf178994e306e5b",
}


# -- the real client ------------------------------------------------------------------------------


def run_client(folder: Path, script: str, *arguments: str, code: int = 0) -> Path:
    """A program that uses wandb offline, in a process of its own; the folder `wandb` it leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home" / "asimov"
    home.mkdir(parents=True)
    program = home / "train.py"
    program.write_text("import os, signal, time\nimport wandb\n" + script, encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    variables = {
        "WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false",
        "WANDB_DIR": str(folder), "WANDB_CACHE_DIR": str(folder / "cache"), "HOME": str(home),
        "WANDB_DATA_DIR": str(folder / "data"), "WANDB_CONFIG_DIR": str(folder / "config"),
        # A crash loses what is not written; the client does that every 15 seconds.
        "WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL": "0.05",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(program), *arguments],
        cwd=folder, env=kept | variables | PERSON, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return folder / "wandb"


def log_of(folder: Path) -> Path:
    """The one log below a folder."""
    (path,) = folder.glob("*run-[0-9]*/*.wandb")
    return path


# -- records by hand ------------------------------------------------------------------------------


def items(target: Any, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        target.add(key=key, value_json=json.dumps(value))


def a_record(fill: Callable[[Any], Any]) -> bytes:
    record = Record()
    fill(record)
    return record.SerializeToString()


def run_record(run_id: str = "r", *, started_s: float = STARTED_S, **fields: Any) -> bytes:
    def fill(record: Any) -> None:
        values = {"entity": "e", "project": "p", "display_name": run_id} | fields
        record.run.run_id = run_id
        record.run.start_time.FromMicroseconds(round(started_s * 1e6))
        items(record.run.config.update, values.pop("config", {}))
        record.run.tags.extend(values.pop("tags", []))
        for key, value in values.items():
            setattr(record.run, key, value)

    return a_record(fill)


def row_record(step: int, **metrics: Any) -> bytes:
    """A row as the client writes it, logged a second a step."""
    clocks = {"_step": step, "_timestamp": STARTED_S + step, "_runtime": float(step)}

    def fill(record: Any) -> None:
        record.history.step.num = step
        for key, value in (clocks | metrics).items():
            record.history.item.add(nested_key=[key], value_json=json.dumps(value))

    return a_record(fill)


def exit_record(code: int = 0) -> bytes:
    return a_record(lambda record: setattr(record.exit, "exit_code", code))


def a_log(n_rows: int = 3, *, run: bytes | None = None, ends: bool = True) -> list[bytes]:
    """The records of a small run."""
    rows = [row_record(step, train_loss=1 / (step + 1)) for step in range(n_rows)]
    return [run or run_record(), *rows, *([exit_record()] if ends else [])]


# -- logs by hand ---------------------------------------------------------------------------------


def chunk(kind: int, data: bytes) -> bytes:
    checksum = zlib.crc32(bytes([kind]) + data)
    return struct.pack("<IHB", checksum, len(data), kind) + data


def as_log(payloads: Iterable[bytes]) -> bytes:
    """The bytes of a log, its records cut into chunks where a block ends."""
    log = bytearray(HEADER)
    for payload in payloads:
        rest, is_first = payload, True
        while True:
            room = BLOCK - len(log) % BLOCK
            if room < 7:
                log += b"\0" * room
                room = BLOCK
            part, rest = rest[: room - 7], rest[room - 7 :]
            kinds = (FIRST, FULL) if is_first else (MIDDLE, LAST)
            log += chunk(kinds[not rest], part)
            is_first = False
            if not rest:
                break
    return bytes(log)


def write_log(path: Path, payloads: Sequence[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(as_log(payloads))
    return path
