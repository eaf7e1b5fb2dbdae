"""An engine and the one thread that uses it, so that no screen ever waits for a file or a model."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from docqa.engine import DocQA
    from docqa.reader.reader import Precision

T = TypeVar("T")
PathLike = str | os.PathLike[str]

# How much less of a processor than the screen a thread gets that works long, when both want it.
NICENESS = 10


class EngineThread:
    """A `DocQA` that lives in a thread of its own, because an engine is not for several threads at once.

    Calls run one after the other. A call that is cancelled before its turn never runs; one that is cancelled
    while it runs finishes unheard. The engine is imported and made in the thread, at the first call. A `patient`
    thread lets the screen go first.
    """

    def __init__(
        self,
        library: PathLike | None,
        *,
        reader: PathLike | None = None,
        precision: Precision = "auto",
        patient: bool = False,
    ) -> None:
        self._library = library
        self._reader = reader
        self._precision: Precision = precision
        self._engine: DocQA | None = None
        self._file: tuple[int, int] | None = None
        self._executor = ThreadPoolExecutor(1, "docqa", _give_way if patient else None)

    async def call(self, work: Callable[[DocQA], T]) -> T:
        """Run `work` with the engine, in its thread, and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._with_engine, work)

    async def stream(self, start: Callable[[DocQA], Generator[T]], *, gather_s: float = 0.0) -> AsyncGenerator[list[T]]:
        """Run a generator of the engine step by step; yield what came, gathered for up to `gather_s` seconds.

        Leaving the iteration early, or cancelling it, closes the generator after its current step.
        """
        generator = await self.call(start)
        try:
            while gathered := await self.call(lambda _: _gather(generator, gather_s)):
                yield gathered
        finally:
            self._submit(lambda _: generator.close())

    def move(self, library: PathLike) -> None:
        """Turn to another library; the reader stays loaded."""
        from pathlib import Path

        def turn(engine: DocQA) -> None:
            engine.close()
            engine.library = Path(os.path.realpath(library))

        self._submit(turn)

    def close(self) -> None:
        """Close the engine when its current call has finished; wait for nothing."""
        if self._engine is not None:
            self._submit(lambda engine: engine.close())
        self._executor.shutdown(wait=False, cancel_futures=False)

    def _submit(self, work: Callable[[DocQA], Any]) -> None:
        self._executor.submit(self._with_engine, work)

    def _with_engine(self, work: Callable[[DocQA], T]) -> T:
        if self._engine is None:
            from docqa.engine import DocQA

            self._engine = DocQA(self._library, reader=self._reader, precision=self._precision)
        self._notice_another_file(self._engine)
        return work(self._engine)

    def _notice_another_file(self, engine: DocQA) -> None:
        """Open the library anew if its file has gone or is another: an open file outlives its name."""
        try:
            status = os.stat(engine.library)
            file = (status.st_dev, status.st_ino)
        except OSError:
            file = None
        if file != self._file and self._file is not None:
            engine.close()
        self._file = file


def _give_way() -> None:
    """Have this thread, and those it starts, wait where the screen wants the processor."""
    # Elsewhere all threads of a process are equally nice.
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _gather(generator: Generator[T], seconds: float) -> list[T]:
    """Take at least one item, and more until `seconds` have passed; nothing means that there is no more."""
    until = time.monotonic() + seconds
    gathered = []
    for item in generator:
        gathered.append(item)
        if time.monotonic() >= until:
            break
    return gathered
