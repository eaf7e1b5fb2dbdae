"""What the person said of answers: read from the library's gold set, written there, and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docqa.citing import quoted
from docqa.records import Answer, Verdict
from docqa.tui.engine_thread import EngineThread

if TYPE_CHECKING:
    from docqa.engine import DocQA

Key = tuple[str, str | None]


class Judgement:
    """The verdicts on the question at hand, and those of this session, latest last, that can be taken back."""

    def __init__(self) -> None:
        self._question = ""
        self.said: dict[Key, bool] = {}
        self._done: list[tuple[Verdict, Verdict | None]] = []

    def __bool__(self) -> bool:
        return bool(self._done)

    def of(self, text: str | None) -> bool | None:
        """What was said of an answer to the question at hand; None if nothing."""
        return self.said.get((self._question, text))

    async def load(self, engine: EngineThread, question: str) -> None:
        """Look up what was said of answers to a question, which is the one at hand from now on."""
        self._question = question
        found = await engine.call(lambda library: library.verdicts())
        self.said.update({(each.question, each.text): each.accepted for each in found if each.question == question})

    async def say(
        self, engine: EngineThread, question: str, answer: Answer | None, right: bool, source: int = 0
    ) -> None:
        """Put a verdict on an answer, at one of its sources, into the gold set; no answer: that there is none."""
        verdict = _verdict(question, answer, right, source)
        before = await engine.call(lambda library: _replaced(library, verdict))
        self._done.append((verdict, before))
        self.said[question, verdict.text] = right

    async def take_back(self, engine: EngineThread) -> None:
        """Make the gold set what it was before the last verdict."""
        if not self._done:
            return
        verdict, before = self._done[-1]
        await engine.call(lambda library: _restored(library, verdict, before))
        self._done.pop()
        key = (verdict.question, verdict.text)
        if before is None:
            self.said.pop(key, None)
        else:
            self.said[key] = before.accepted

    def forget(self) -> None:
        """Begin anew, with another library."""
        self.__init__()  # type: ignore[misc]


def _verdict(question: str, answer: Answer | None, right: bool, source: int) -> Verdict:
    if answer is None:
        return Verdict(question, None, accepted=right)
    # The same said in other words elsewhere is no quote from there.
    shown = answer.sources[min(source, len(answer.sources) - 1)]
    where = shown if quoted(shown) == answer.text else answer.sources[0]
    return Verdict(
        question,
        answer.text,
        accepted=right,
        path=where.path,
        context=where.context,
        start=where.start - where.context_start,
    )


def _replaced(library: DocQA, verdict: Verdict) -> Verdict | None:
    """Add a verdict; return the one that it replaces."""
    before = _stored(library, verdict)
    library.add_verdicts([verdict])
    return before


def _restored(library: DocQA, verdict: Verdict, before: Verdict | None) -> None:
    if before is not None:
        library.add_verdicts([before])
    elif (stored := _stored(library, verdict)) is not None:
        library.remove_verdict(stored.id)


def _stored(library: DocQA, verdict: Verdict) -> Verdict | None:
    key = (verdict.question, verdict.text)
    return next((each for each in library.verdicts() if (each.question, each.text) == key), None)
