"""The members of a JSON object as they are written: no number loses a digit on its way."""

from __future__ import annotations

import json


def members(text: str) -> dict[str, str]:
    """The text of each member of a JSON object, exactly as it is written."""
    decoder = json.JSONDecoder()
    found: dict[str, str] = {}
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise ValueError("it is no JSON object")
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        if found:
            at = _expect(text, at, ",")
        key, at = decoder.raw_decode(text, at)
        if not isinstance(key, str) or key in found:
            raise ValueError("a key is no text, or repeated")
        at = _expect(text, at, ":")
        _, end = decoder.raw_decode(text, at)
        found[key] = text[at:end]
        at = _skip(text, end)
    if _skip(text, at + 1) != len(text):
        raise ValueError("something follows the object")
    return found


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\n", "\r"):
        at += 1
    return at


def _expect(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != mark:
        raise ValueError(f"expected `{mark}` at character {at}")
    return _skip(text, at + 1)
