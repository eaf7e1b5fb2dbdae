"""Work in child processes: what hangs, crashes or eats memory there takes nothing else along.

Parsers of foreign formats do all three on hostile or merely odd files. A child is an interpreter of its own,
not a fork and not a re-import of the caller's program, so it can be used from threads and from any script.
"""

from __future__ import annotations

import math
import os
import pickle
import queue
import select
import signal
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from typing import IO, Any, Generic, TypeVar

try:
    import fcntl
    import resource
except ImportError:  # Windows has neither such limits nor such pipes
    fcntl = None  # type: ignore[assignment]
    resource = None  # type: ignore[assignment]

T = TypeVar("T")
R = TypeVar("R")

TIMEOUT_S = 60.0
CPU_S = 40.0
MEMORY_BYTES = 4 << 30
# Room for a usual result: it is read at once, where each further step would wait for whatever else Python does.
_PIPE_BYTES = 1 << 20
_LENGTH = struct.Struct("<Q")


class WorkerPool(Generic[T, R]):
    """Maps chunks of items by a module-level function in child processes, which start when needed.

    The function takes the items of a chunk one by one and returns one result for all. A chunk may take `timeout_s`
    seconds of wall-clock time, an item `cpu_s` seconds of computing and a child `memory_bytes` of address space;
    `patience` says how many times the usual time an item is worth. A chunk that exceeds a limit, or kills its child,
    is tried again item by item; an item that does so alone, and then once more, is handed to `failed` with the
    reason, and its result takes the item's place. Each worker has a chunk; more are under way, or done but not yet
    taken, while their items' `size` comes to at most `ahead`.
    """

    def __init__(
        self,
        function: Callable[[Iterable[T]], R],
        failed: Callable[[T, str], R],
        *,
        workers: int | None = None,
        timeout_s: float = TIMEOUT_S,
        cpu_s: float = CPU_S,
        memory_bytes: int = MEMORY_BYTES,
        patience: Callable[[T], float] = lambda _: 1.0,
        size: Callable[[T], float] = lambda _: 1.0,
        ahead: float = 0.0,
    ) -> None:
        self._command = [
            *(sys.executable, "-m", "docqa.workers", function.__module__, function.__qualname__),
            str(memory_bytes),
        ]
        self._failed = failed
        self._timeout_s = timeout_s
        self._cpu_s = cpu_s
        self._patience = patience
        self._size, self._ahead = size, ahead
        self._workers = workers or _cores()
        self._idle: queue.SimpleQueue[_Child] = queue.SimpleQueue()
        self._children: list[_Child] = []
        self._stopped = threading.Event()

    def map(self, chunks: Iterable[list[T]]) -> Generator[R]:
        """Yield the results of the chunks in order; of a chunk that was tried item by item, those of its items."""
        source = ((chunk, sum(map(self._size, chunk))) for chunk in chunks)
        waiting = next(source, None)
        with ThreadPoolExecutor(self._workers) as threads:
            under_way: deque[tuple[Future[list[R]], float]] = deque()
            held = 0.0
            try:
                while waiting is not None or under_way:
                    while waiting is not None and (len(under_way) < self._workers or held + waiting[1] <= self._ahead):
                        chunk, size = waiting
                        under_way.append((threads.submit(self._run, chunk), size))
                        held += size
                        waiting = next(source, None)
                    future, size = under_way.popleft()
                    held -= size
                    yield from future.result()
            finally:
                # Left early, by Ctrl-C say, nobody waits for a chunk: its child goes, and with it the thread.
                self._stopped.set()
                for future, _ in under_way:
                    future.cancel()
                for child in self._children:
                    child.kill()

    def _run(self, chunk: list[T]) -> list[R]:
        try:
            return [self._attempt(chunk)]
        except _ChildError:
            return [self._run_alone(item) for item in chunk]

    def _run_alone(self, item: T) -> R:
        for _ in range(2):
            try:
                return self._attempt([item])
            except _ChildError as error:
                reason = str(error)
        return self._failed(item, reason)

    def _attempt(self, chunk: list[T]) -> R:
        child = self._take_child()
        patience = [self._patience(item) for item in chunk]
        try:
            result: R = child.call(
                [(item, self._cpu_s * factor) for item, factor in zip(chunk, patience, strict=True)],
                self._timeout_s * (1 + sum(factor - 1 for factor in patience)),
            )
        except BaseException:
            child.kill()
            raise
        self._idle.put(child)
        return result

    def _take_child(self) -> _Child:
        """Take an idle child or start one; CancelledError if nobody waits for what it would do."""
        if self._stopped.is_set():
            raise CancelledError
        with suppress(queue.Empty):
            return self._idle.get_nowait()
        child = _Child(self._command)
        self._children.append(child)
        if self._stopped.is_set():  # since then, and the others may have been made to go without this one
            child.kill()
            raise CancelledError
        return child


class _ChildError(Exception):
    """The child did not come back with a result; the message says why, for the person who asked."""


class _Child:
    """One child process; it reads pickled lists of items, each with its seconds, and writes their results."""

    def __init__(self, command: list[str]) -> None:
        # The child finds the modules where this process does.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests: IO[bytes] = self._process.stdin
        self._results: IO[bytes] = self._process.stdout
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(OSError):
                fcntl.fcntl(self._results, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def call(self, chunk: list[tuple[Any, float]], timeout_s: float) -> Any:
        try:
            pickle.dump(chunk, self._requests)
            self._requests.flush()
            ready, _, _ = select.select([self._results], [], [], timeout_s)
            if not ready:
                raise _ChildError(f"not read within {timeout_s:.0f} seconds")
            return pickle.loads(self._read(*_LENGTH.unpack(self._read(_LENGTH.size))))  # noqa: S301 (our own child's)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise _ChildError(self._cause_of_death(chunk)) from error

    def _read(self, count: int) -> bytes:
        data = self._results.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def _cause_of_death(self, chunk: list[tuple[Any, float]]) -> str:
        with suppress(subprocess.TimeoutExpired):
            if self._process.wait(timeout=1) == -getattr(signal, "SIGXCPU", 0):
                return f"takes more than {chunk[0][1]:.0f} seconds of computing"
        return "crashes the program that reads it"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        # A thread may still be reading or writing; it finds the pipe's end and closes nothing of its own.
        for pipe in (self._requests, self._results):
            with suppress(OSError, ValueError):
                pipe.close()


def _serve(module: str, name: str, memory_bytes: int) -> None:
    """Be a child: answer chunks on standard input until it ends."""
    # Ctrl-C reaches the whole process group; it is the parent who decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_memory(memory_bytes)
    requests, results = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a parser prints must not get between the results.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    function = getattr(import_module(module), name)
    while True:
        try:
            chunk = pickle.load(requests)  # noqa: S301 (our own parent's)
        except EOFError:
            return
        result = pickle.dumps(function(_limited(chunk)), protocol=pickle.HIGHEST_PROTOCOL)
        results.write(_LENGTH.pack(len(result)))
        results.write(result)
        results.flush()


def _limited(chunk: Iterable[tuple[Any, float]]) -> Iterator[Any]:
    """Yield the items; the seconds of one begin when it is taken."""
    for item, cpu_s in chunk:
        _limit_computing(cpu_s)
        yield item


def _cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _limit_memory(limit_bytes: int) -> None:
    if resource is not None:
        _lower(resource.RLIMIT_AS, limit_bytes)
        _lower(resource.RLIMIT_CORE, 0)  # a child that is killed leaves no picture of its memory behind


def _limit_computing(seconds: float) -> None:
    """Let the system end this process when it has computed for so much longer."""
    if resource is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _lower(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + seconds))


def _lower(kind: int, limit: int) -> None:
    _, most = resource.getrlimit(kind)
    resource.setrlimit(kind, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
