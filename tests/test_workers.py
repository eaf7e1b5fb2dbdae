"""Child processes: results in order, and nothing a child does takes the caller along."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from docqa import workers
from docqa.workers import WorkerPool


def work(items: Iterable[str]) -> list[str]:
    """What the children do; each item says what befalls them."""
    return [_work(item) for item in items]


def _work(item: str) -> str:
    kind, _, argument = item.partition(" ")
    match kind:
        case "echo":
            return argument
        case "pid":
            return str(os.getpid())
        case "print":
            print(argument)  # noqa: T201
            sys.stdout.flush()
            return "printed"
        case "hang":
            time.sleep(600)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "compute":
            while True:
                pass
        case "busy":
            end = time.process_time() + float(argument)
            while time.process_time() < end:
                pass
            return str(os.getpid())
        case "eat":
            return str(len(bytearray(8 << 30)))
        case "once" if not os.path.exists(argument):
            open(argument, "w").close()
            os._exit(1)
    return kind


def note(item: str, reason: str) -> list[str]:
    return [f"{item}: {reason}"]


def pool(**options: Any) -> WorkerPool[str, list[str]]:
    return WorkerPool(work, note, **{"workers": 2, **options})


def chunks(*items: str, size: int = 2) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def results(*items: str, size: int = 2, **options: Any) -> list[str]:
    return [result for chunk in pool(**options).map(chunks(*items, size=size)) for result in chunk]


def test_results_come_in_the_order_of_the_items() -> None:
    assert results(*(f"echo {number}" for number in range(50)), size=3) == [str(number) for number in range(50)]


def test_work_is_done_elsewhere() -> None:
    assert str(os.getpid()) not in results("pid", "pid")


def test_a_crash_costs_only_the_item_that_caused_it() -> None:
    assert results("echo a", "crash", "echo b", size=3) == ["a", "crash: crashes the program that reads it", "b"]


def test_a_hanging_item_is_given_up() -> None:
    assert results("hang", "echo a", timeout_s=2.0) == ["hang: not read within 2 seconds", "a"]


def test_computing_is_limited_for_each_item() -> None:
    told = "compute: takes more than 1 seconds of computing"
    assert results("echo a", "compute", "echo b", size=3, cpu_s=1.0) == ["a", told, "b"]


def test_what_was_computed_before_does_not_count() -> None:
    # All in one child: together they would exceed what one may take.
    assert len(set(results(*["busy 0.4"] * 6, size=6, cpu_s=1.0, workers=1))) == 1


def test_some_items_are_worth_more_patience() -> None:
    told = "compute: takes more than 1 seconds of computing"
    done = results("busy 2.5", "compute", size=1, cpu_s=1.0, patience=lambda item: 4.0 if "busy" in item else 1.0)
    assert done[0].isdigit()
    assert done[1] == told


def test_memory_is_limited() -> None:
    assert results("eat", "echo a", memory_bytes=1 << 30)[1] == "a"
    assert results("eat", memory_bytes=1 << 30)[0].startswith("eat: ")


def test_an_item_that_fails_once_is_tried_again(tmp_path: object) -> None:
    assert results(f"once {tmp_path}/mark", size=1) == ["once"]


def test_what_a_child_prints_is_not_taken_for_a_result() -> None:
    assert results("print hello", "echo a") == ["printed", "a"]


def test_leaving_early_waits_for_nothing() -> None:
    # If it did wait, this test would not end.
    stream = pool(timeout_s=86_400).map(chunks("echo a", "hang", "hang", "hang", size=1))
    assert next(stream) == ["a"]
    stream.close()


def test_a_child_that_starts_while_the_others_go_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Event()

    class Late(workers._Child):
        def __init__(self, command: list[str]) -> None:
            if started.is_set():
                time.sleep(1)
            started.set()
            super().__init__(command)

    def work_to_do() -> Iterator[list[str]]:
        yield ["echo a"]
        started.wait()
        yield ["hang"]

    monkeypatch.setattr(workers, "_Child", Late)
    stream = pool(timeout_s=86_400).map(work_to_do())
    assert next(stream) == ["a"]
    # If it did wait, this test would not end.
    stream.close()


def test_what_is_left_early_is_not_called_failed() -> None:
    blamed: list[str] = []

    def blame(item: str, reason: str) -> list[str]:
        blamed.append(reason)
        return []

    stream = WorkerPool(work, blame, workers=2).map(chunks("echo a", "hang", "echo b", size=1))
    assert next(stream) == ["a"]
    stream.close()
    assert blamed == []
