"""How a record is written, and what tells a file from another."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def dump_json(value: Mapping[str, Any], *, sort_keys: bool = False) -> bytes:
    """Compact UTF-8 JSON. Big integers stay exact; NaN and Infinity are written bare, as W&B does.

    A lone surrogate cannot be written as UTF-8 and would make DuckDB refuse the whole file: it
    becomes the text of its escape, so that two of them stay different.
    """
    try:
        content = orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except TypeError:  # an integer of more than 64 bits, or a lone surrogate
        content = b"null"
    # It writes a null for NaN and Infinity too.
    return _dump_exactly(value, sort_keys) if b"null" in content else content


def _dump_exactly(value: Mapping[str, Any], sort_keys: bool) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _LONE_SURROGATE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text).encode()


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, read in constant memory."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
