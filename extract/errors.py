"""Errors that the command line turns into a message and an exit code."""

from __future__ import annotations


class ExtractError(Exception):
    """Something the user can fix. The message says what is wrong and what to do next."""


class UsageError(ExtractError):
    """The command cannot start as it was called (exit code 2)."""


class InputError(ExtractError):
    """One input, or a part of it, cannot land; the rest does (exit code 1)."""

    def __init__(self, reason: str, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.line = line


class FileError(InputError):
    """An input of which nothing can land: it is refused once, whatever else is in it."""
