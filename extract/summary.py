"""What a command did, as its last line says it."""

from __future__ import annotations

import json
from typing import ClassVar

# What is told in words, on stderr.
TEXTS = ("messages", "notes")


class CallSummary:
    """Base of the commands' summaries: dataclasses of counts, printed as one line of JSON."""

    command: ClassVar[str]
    refused: int
    messages: list[str]

    def as_json(self) -> str:
        counts = {name: value for name, value in vars(self).items() if name not in TEXTS}
        return json.dumps({"command": self.command} | counts)
