"""Checkpoints are read in one thread and converted in two, whatever the size of an archive.

ISA-L and DuckDB let go of the interpreter, so threads are enough. At most ``MAX_ON_DISK``
checkpoints are unpacked at once.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from extract.errors import ExtractError, InputError
from extract.instances.archive import ArchiveError, Refused
from extract.landing.batch import Batch
from extract.olmes.checkpoint import Checkpoint, Unpacked, unexpected
from extract.olmes.convert import Converted, Converter

# One is read and two are converted: 0.2 GB of JSON.
MAX_ON_DISK = 3
# Each with a DuckDB of one thread: two that share one take 1.4 times the processor's time. Together
# they keep up with one that reads, on two cores.
CONVERTERS = 2
WAIT_S = 0.1


@dataclass
class Copy:
    """One copy of a checkpoint; an archive may hold another."""

    sha256: str | None = None
    is_whole: Future[bool] = field(default_factory=Future)  # once it has been converted


@dataclass(frozen=True)
class Read:
    """A checkpoint that is unpacked into the folder of its batch, or why it is not."""

    batch: Batch
    checkpoint: Checkpoint
    copy: Copy
    content: Unpacked | InputError


@dataclass(frozen=True)
class Done:
    """A checkpoint that is ready to be committed, or why it is not."""

    read: Read
    result: Converted | InputError


class Pipeline:
    """Reads in one thread and converts in two, and yields what is done in the order of reading."""

    def __init__(self, archive: str, steps: Iterator[Callable[[], Read] | Refused]) -> None:
        self._archive = archive
        self._steps = steps
        self._slots = threading.Semaphore(MAX_ON_DISK)
        self._is_over = threading.Event()
        self._results: queue.SimpleQueue[Future[Any] | None] = queue.SimpleQueue()
        # Each thread its own: memory that one thread frees does not serve another.
        self._mine = threading.local()
        self._converters: list[Converter] = []
        self._pool = ThreadPoolExecutor(CONVERTERS, "convert", self._begin)
        self._reader = threading.Thread(target=self._read, name="read", daemon=True)
        self._reader.start()

    def __iter__(self) -> Iterator[Done | Refused]:
        while (future := self._results.get()) is not None:
            result = future.result()
            yield result
            if isinstance(result, Done):  # and committed
                self._slots.release()

    def close(self) -> None:
        """Stop, wherever it is."""
        self._is_over.set()
        self._reader.join()
        self._pool.shutdown(cancel_futures=True)
        for converter in self._converters:
            converter.close()

    def _begin(self) -> None:
        self._mine.converter = Converter()
        self._converters.append(self._mine.converter)

    def _read(self) -> None:
        try:
            for step in self._steps:
                if not callable(step):
                    self._tell(step)
                elif self._has_slot():
                    self._results.put(self._pool.submit(self._convert, step()))
                else:
                    return
        except ArchiveError as problem:
            self._tell(Refused(self._archive, problem))
        except (ExtractError, OSError, MemoryError) as problem:
            self._fail(problem)
        except Exception as problem:
            why = unexpected(self._archive, problem, ArchiveError)
            self._tell(Refused(self._archive, why))
        except BaseException as problem:
            self._fail(problem)
        finally:
            self._results.put(None)

    def _tell(self, refused: Refused) -> None:
        future: Future[Any] = Future()
        future.set_result(refused)
        self._results.put(future)

    def _fail(self, problem: BaseException) -> None:
        """To be raised where the results are used."""
        future: Future[Any] = Future()
        future.set_exception(problem)
        self._results.put(future)

    def _has_slot(self) -> bool:
        while not self._is_over.is_set():
            if self._slots.acquire(timeout=WAIT_S):
                return True
        return False

    def _convert(self, read: Read) -> Done:
        result: Converted | InputError | None = None
        try:
            result = (
                read.content if isinstance(read.content, InputError)
                else self._mine.converter.convert(read.content, read.batch.folder)
            )  # fmt: skip
        except InputError as problem:
            result = problem
        finally:
            read.copy.is_whole.set_result(isinstance(result, Converted))
            for path in read.batch.folder.glob("*.jsonl"):  # of one that is refused
                path.unlink()
        return Done(read, result)
