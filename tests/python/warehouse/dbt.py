"""dbt for the tests: its project is read once, and each call is a fork of the process that did.

Before its first model a call of `dbt` takes 13 s of a core: 3 s to import dbt, 10 s to read the
project (2026-11). That is what is saved; the rest is what any call does, in a process of its own
that can be killed, with its own environment, arguments and output, which ends as Python ends.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from extract.warehouse import ROOT, Warehouse

# dbt's own cache of what it has read, for the next run of the tests.
FOLDER = ROOT / "target" / "tests"
# No such database is opened; but relations are of the catalog that its file is named after.
READ = Warehouse(FOLDER / "raw", FOLDER / "datadecide.duckdb", FOLDER)
READY, STARTED, ENDED = "ready", "started", "ended"


class Server:
    """The process that has read the project; it serves one call after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.python.warehouse.dbt"],
            cwd=ROOT, env=READ.environment, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._answers = _Answers(self._process)
        self._answers.next(READY)

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        output: Path,
        dies_at: int | None = None,
    ) -> Call:
        """With `dies_at` it is killed at that statement to the database, counted from 0."""
        # A variable can decide what is enabled, which was settled as the project was read.
        assert "--vars" not in arguments, "call dbt as a process of its own: dbt_command"
        request = {
            "arguments": arguments, "environment": dict(environment), "output": str(output),
            "dies_at": dies_at,
        }  # fmt: skip
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request) + "\n")
        return Call(arguments, output, self._answers)

    def close(self) -> None:
        self._process.communicate()


class Call:
    """One call of dbt, as far as it is like a `subprocess.Popen`."""

    def __init__(self, arguments: Sequence[str], output: Path, answers: _Answers) -> None:
        self.args = ["dbt", *arguments]
        self.returncode: int | None = None
        self._output = output
        self._answers = answers
        self.pid = answers.next(STARTED)

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not self._answers.wait(timeout):
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = self._answers.next(ENDED)
        return self.returncode

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def statements(self) -> int:
        """How many it sent to the database."""
        return int(Path(f"{self._output}.statements").read_text())

    def completed(self) -> subprocess.CompletedProcess[str]:
        """Its end, with what it said."""
        code = self.wait()
        said = [Path(f"{self._output}.{name}").read_text() for name in ("out", "err")]
        return subprocess.CompletedProcess(self.args, code, *said)


class _Answers:
    """What the server says, one line at a time."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        assert server.stdout
        self._lines: IO[str] = server.stdout

    def wait(self, timeout: float | None) -> bool:
        return bool(select.select([self._lines], [], [], timeout)[0])

    def next(self, kind: str) -> int:
        found, _, number = self._lines.readline().partition(" ")
        assert found == kind, f"dbt's server has ended, see above: {found}"
        return int(number)


def _serve() -> None:
    import duckdb
    from dbt.cli.main import dbtRunner
    from filelock import FileLock

    duckdb.close()  # the connection that comes with the import has threads, which do not fork
    FOLDER.mkdir(parents=True, exist_ok=True)
    with FileLock(FOLDER / ".lock"):  # two processes of pytest read the project one by one
        read = dbtRunner().invoke(["--quiet", "parse", *READ.dbt_arguments()])
    if read.exception:
        raise read.exception
    # dbt's own output goes to files, so that only answers are on the way they take.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    print(READY, 0, file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            answers.close()
            sys.exit(_run(request, read.result))
        print(STARTED, pid, file=answers)
        _, status = os.waitpid(pid, 0)
        print(ENDED, os.waitstatus_to_exitcode(status), file=answers)


def _run(request: dict[str, Any], manifest: Any) -> int:
    from dbt.cli.main import dbtRunner

    os.environ.clear()
    os.environ.update(request["environment"])
    for number, path in enumerate((os.devnull, f"{request['output']}.out",
                                   f"{request['output']}.err")):  # fmt: skip
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
        os.close(opened)
    statements = _Statements(request["dies_at"])
    done = dbtRunner(manifest, [statements.count]).invoke(request["arguments"])
    Path(f"{request['output']}.statements").write_text(str(statements.number))
    if done.exception:
        print(repr(done.exception), file=sys.stderr)
    return 0 if done.success else 2 if done.exception else 1


class _Statements:
    """Counts what dbt sends to the database, and kills the process at one of them.

    At every second one just before it is sent, at the others while it is carried out.
    """

    def __init__(self, dies_at: int | None) -> None:
        self.number = 0
        self._dies_at = dies_at
        self._lock = threading.Lock()  # dbt has several threads

    def count(self, event: Any) -> None:
        if event.info.name != "SQLQuery":
            return
        with self._lock:
            number = self.number
            self.number += 1
        if number == self._dies_at:
            if number % 2:
                threading.Timer(0.003, os.kill, (os.getpid(), signal.SIGKILL)).start()
            else:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _serve()
