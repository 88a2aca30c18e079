"""One run's history, from the rows that W&B sends to a section that can land.

A tail is read from the last landed step on, that step included: its rows must be the ones that
landed. If they are not, the run was rewound or rewritten, and its history is read as a whole.

Values stay the JSON texts that the client received: nothing is rounded on the way, and parsing
numbers only to write them again would take most of the time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import NamedTuple

from extract.landing.encoding import dump_json
from extract.landing.privacy import Pseudonymiser
from extract.landing.section import Section
from extract.wandb.ledger import HistoryProgress
from extract.wandb.records import (
    HISTORY_CORE_METRICS,
    MAX_BIGINT,
    MAX_EXACT_INTEGER,
    MIN_BIGINT,
)

# (key, value as JSON text), as the client has them.
Item = tuple[str, str]

HASH_CHARACTERS = 16
_CLOCKS = {"_step": "step", "_timestamp": "timestamp", "_runtime": "runtime"}
_FINITE_NUMBER = re.compile(r"(-?\d+)(\.\d+)?([eE][+-]?\d+)?")
_LONGEST_EXACT = len(str(MAX_EXACT_INTEGER)) - 1
_HOLDS_TEXT = ('"', "{", "[")


class RewrittenError(Exception):
    """The history is not the landed one with more rows: it must be read as a whole."""


class _Row(NamedTuple):
    step: int | None
    fields: dict[str, str]  # without the run's id, which is the same in all rows
    metrics: dict[str, str]

    def hash(self) -> str:
        """Equal for equal rows: the client gives the keys in any order."""
        content = repr((sorted(self.fields.items()), sorted(self.metrics.items())))
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[
            :HASH_CHARACTERS
        ]

    def identity(self) -> Hashable:
        """Equal for one logged row, whether it comes from a live table or from an export, whose
        columns have one type each: there 1.5 may be "1.5", and {"a": 1} be {"a": 1, "b": null}.
        """
        if "timestamp" not in self.fields:
            return self.hash()
        clocks = self.fields["timestamp"], self.fields.get("runtime")
        return clocks, frozenset(self.fields) | frozenset(self.metrics)


class HistoryCollector:
    """Takes the rows of one run, page after page in the order of their steps."""

    def __init__(
        self,
        section: Section,
        run_id: str,
        pseudonymiser: Pseudonymiser,
        *,
        keys: Iterable[str] | None = None,
        landed: HistoryProgress | None = None,
    ) -> None:
        self.section = section
        self.last_step = landed.last_step if landed else None
        self._run_id = run_id
        self._start = dump_json({"run_id": run_id}).decode()[:-1]
        self._pseudonymiser = pseudonymiser
        self._keys = frozenset(keys) if keys is not None else None
        self._overlap_step = self.last_step
        self._overlap = Counter(landed.last_rows if landed else ())
        self._landed_last_rows = landed.last_rows if landed else ()
        self._step_rows: list[_Row] = []  # of the step that is being read
        self._step_identities: set[Hashable] = set()
        self._last_rows: list[_Row] = []  # of the highest step
        self._name = lru_cache(maxsize=65536)(self._encoded_name)

    def add(self, items: Iterable[Item]) -> None:
        """Collect one row, unless it has landed, or came already."""
        row = self._row(items)
        if row is None:
            return
        if row.step is not None:
            if row.step == self._overlap_step and self._has_landed(row):
                return
            if self._is_repeated(row):
                return
            if self.last_step is None or row.step > self.last_step:
                self._check_overlap()
                self.last_step, self._last_rows, self._landed_last_rows = row.step, [], ()
            if row.step == self.last_step:
                self._last_rows.append(row)
        self.section.line(self._line(row))

    def last_rows(self) -> tuple[str, ...]:
        """The hashes of the rows at the last step; call it after the last row."""
        self._check_overlap()
        return tuple(sorted([*self._landed_last_rows, *(row.hash() for row in self._last_rows)]))

    def _row(self, items: Iterable[Item]) -> _Row | None:
        step = None
        fields: dict[str, str] = {}
        metrics: dict[str, str] = {}
        for key, text in items:
            if text == "null":  # rows of parquet exports have every column
                continue
            if key in _CLOCKS:
                if key == "_step":
                    step = _step(text)
                    if step is not None:
                        text = str(step)
                if step is not None if key == "_step" else _is_double(text):
                    fields[_CLOCKS[key]] = text
                else:
                    metrics[key] = text
            elif key == "_wandb" or (self._keys is not None and key not in self._keys):
                continue
            elif key in HISTORY_CORE_METRICS and _is_double(text):
                fields[key] = text
            else:
                metrics[key] = text
        if self._keys is not None and not (metrics or fields.keys() - _CLOCKS.values()):
            return None
        return _Row(step, fields, metrics)

    def _line(self, row: _Row) -> bytes:
        parts = [self._start]
        for name, text in row.fields.items():
            parts.append(f',"{name}":{text}')
        if row.metrics:
            inner = [
                self._name(key) + (self._clean(key, text) if text.startswith(_HOLDS_TEXT) else text)
                for key, text in sorted(row.metrics.items())  # W&B gives them in any order
            ]
            parts.append(f',"metrics":{{{",".join(inner)}}}')
        parts.append("}")
        return "".join(parts).encode()

    def _encoded_name(self, key: str) -> str:
        return dump_json({self._pseudonymiser.name(key): 0}).decode()[1:-2]

    def _clean(self, key: str, text: str) -> str:
        """A text, an object or a list without personal data (media paths, mostly)."""
        row = {"run_id": self._run_id, "metrics": {key: json.loads(text)}}
        (value,) = self._pseudonymiser.history_row(row)["metrics"].values()
        return dump_json({"": value}).decode()[4:-1]

    def _has_landed(self, row: _Row) -> bool:
        digest = row.hash()
        if not self._overlap[digest]:
            return False
        self._overlap[digest] -= 1
        self._step_rows.append(row)
        self._step_identities = set()
        return True

    def _is_repeated(self, row: _Row) -> bool:
        """Whether this page has brought the very same row before.

        W&B answers a window that reaches from parquet exports into live rows with the exported
        ones twice (wandb 0.31.0), ordered by step.
        """
        if not self._step_rows or self._step_rows[0].step != row.step:
            self._step_rows, self._step_identities = [row], set()
            return False
        if not self._step_identities:  # nearly all steps have one row, of which nobody needs it
            self._step_identities = {other.identity() for other in self._step_rows}
        identity = row.identity()
        if identity in self._step_identities:
            return True
        self._step_identities.add(identity)
        self._step_rows.append(row)
        return False

    def _check_overlap(self) -> None:
        if +self._overlap:
            raise RewrittenError


def _step(text: str) -> int | None:
    number = _FINITE_NUMBER.fullmatch(text)
    if not number:
        return None
    if number[2] or number[3]:  # a table of doubles holds step 100 as 100.0
        value = float(text)
        return int(value) if value.is_integer() else None
    step = int(text)
    return step if MIN_BIGINT <= step <= MAX_BIGINT else None


def _is_double(text: str) -> bool:
    """Whether DuckDB reads the text as a DOUBLE without changing it."""
    number = _FINITE_NUMBER.fullmatch(text)
    if not number:
        return False
    is_long_integer = number[2] is None and number[3] is None and len(text) > _LONGEST_EXACT
    return not is_long_integer or abs(int(text)) <= MAX_EXACT_INTEGER
