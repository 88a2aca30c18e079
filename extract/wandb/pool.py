"""Threads that fetch side by side, and leave behind what does not move.

Not `concurrent.futures`: its threads are joined when Python ends, so that one request of the W&B
client that never returns would keep the process alive, and a worker that hangs is not replaced.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
# Tells what is being done now: who calls it is alive.
Beat = Callable[[str], None]
POLL_S = 0.2


class StalledError(Exception):
    """Nothing has come for longer than the deadline."""


class _LeftBehindError(Exception):
    """Ends a thread that nobody waits for any more."""


@dataclass(eq=False)
class _Ticket(Generic[Item]):
    item: Item
    moved: float = 0.0
    doing: str = ""
    is_left_behind: bool = False
    began: float = field(default_factory=time.monotonic)

    def beat(self, doing: str) -> None:
        if self.is_left_behind:
            raise _LeftBehindError
        self.moved = time.monotonic()
        self.doing = doing


class Pool(Generic[Item]):
    """``workers`` threads that work on what is submitted.

    Every item comes out of ``results`` once: with what the work returned, with what it raised, or
    with ``StalledError``. A thread whose request never ends cannot be stopped in Python: it is
    left behind, another takes its place, and its late result is dropped.
    """

    def __init__(
        self, work: Callable[[Item, Beat], Any], *, workers: int, deadline_s: float
    ) -> None:
        self._work = work
        self._deadline_s = deadline_s
        self._queue: queue.SimpleQueue[_Ticket[Item] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[Item, Any]] = queue.SimpleQueue()
        self._active: dict[int, _Ticket[Item]] = {}
        self._lock = threading.Lock()
        self._workers = workers
        self.pending = 0
        for _ in range(workers):
            self._start()

    def submit(self, item: Item) -> None:
        self.pending += 1
        self._queue.put(_Ticket(item))

    def results(self, wait_s: float) -> list[tuple[Item, Any]]:
        """What has been finished; waits for the first of it, so long at most."""
        found: list[tuple[Item, Any]] = []
        until = time.monotonic() + wait_s
        while self.pending:
            self._leave_behind()
            try:
                left = until - time.monotonic()
                found.append(self._results.get(timeout=max(0.001, min(left, POLL_S))))
                break
            except queue.Empty:
                if left <= 0:
                    return found
        while not self._results.empty():
            found.append(self._results.get())
        self.pending -= len(found)
        return found

    def waiting_for(self) -> str:
        """What the thread that has waited longest is doing."""
        with self._lock:
            tickets = sorted(self._active.values(), key=lambda ticket: ticket.moved)
        if not tickets:
            return ""
        seconds = time.monotonic() - tickets[0].moved
        return f"{tickets[0].doing} ({seconds:.0f} s)" if seconds >= 1 else tickets[0].doing

    def close(self) -> None:
        """Let the threads end; none of them keeps the process alive."""
        for _ in range(self._workers):
            self._queue.put(None)

    def _start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while ticket := self._queue.get():
            ticket.beat("starting")
            with self._lock:
                self._active[id(ticket)] = ticket
            try:
                result = self._work(ticket.item, ticket.beat)
            except _LeftBehindError:
                return
            except Exception as problem:
                result = problem
            with self._lock:
                if ticket.is_left_behind:
                    return
                del self._active[id(ticket)]
            self._results.put((ticket.item, result))

    def _leave_behind(self) -> None:
        now = time.monotonic()
        with self._lock:
            stalled = [
                ticket for ticket in self._active.values() if now - ticket.moved > self._deadline_s
            ]
            for ticket in stalled:
                ticket.is_left_behind = True
                del self._active[id(ticket)]
        for ticket in stalled:
            why = f"{ticket.doing}: nothing has come for {self._deadline_s:.0f} s"
            self._results.put((ticket.item, StalledError(why)))
            self._start()
