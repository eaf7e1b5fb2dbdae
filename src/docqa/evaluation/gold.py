"""How well a library answers the questions of its own gold set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from docqa.engine import DocQA
from docqa.errors import UsageError
from docqa.evaluation.library import is_right
from docqa.evaluation.metrics import calibration_error
from docqa.evaluation.reading import Progress
from docqa.forms import normal_form
from docqa.questions import parse_question
from docqa.records import Verdict


@dataclass(frozen=True, slots=True)
class GoldQuestion:
    """A question of the gold set: answers that are right, answers that are wrong, and whether "no answer" is right.

    `unanswerable` is None if nobody said.
    """

    text: str
    accepted: tuple[str, ...]
    rejected: tuple[str, ...]
    unanswerable: bool | None

    @property
    def answerable(self) -> bool | None:
        """Whether the library holds an answer; None if it is not known, or not known which."""
        return True if self.accepted else False if self.unanswerable else None

    def judge(self, answer: str | None) -> bool | None:
        """Whether a first answer (None for no answer) is right; None if the gold set cannot tell."""
        if answer is None:
            return False if self.accepted else self.unanswerable
        if any(normal_form(answer) == normal_form(wrong) for wrong in self.rejected):
            return False
        if self.answerable is None:
            return None
        return is_right(answer, self.accepted)


@dataclass(frozen=True, slots=True)
class GoldReport:
    """How a gold set's questions were answered.

    Of `answerable` questions, `right` got a right first answer and `given` any; of `unanswerable` ones, `refused`
    got none. `calibration_error` is over the first answers that could be judged, None without any.
    """

    questions: int
    answerable: int
    given: int
    right: int
    unanswerable: int
    refused: int
    calibration_error: float | None


def gold_questions(verdicts: Sequence[Verdict]) -> list[GoldQuestion]:
    """Gather verdicts by question."""

    def question_of(verdict: Verdict) -> str:
        return verdict.question

    questions = []
    for question, group in groupby(sorted(verdicts, key=question_of), key=question_of):
        said = [(verdict.text, verdict.accepted) for verdict in group]
        questions.append(
            GoldQuestion(
                question,
                tuple(text for text, accepted in said if text is not None and accepted),
                tuple(text for text, accepted in said if text is not None and not accepted),
                # What was said last counts.
                next((accepted for text, accepted in reversed(said) if text is None), None),
            )
        )
    return questions


def evaluate_gold(engine: DocQA, *, progress: Progress | None = None) -> GoldReport:
    """Ask all questions of the library's gold set; UsageError if there are none, or one that cannot be asked."""
    verdicts = engine.verdicts()
    questions = gold_questions(verdicts)
    if not questions:
        raise UsageError("the gold set is empty; add to it with: docqa gold add QUESTION --answer TEXT")
    _ensure_askable(verdicts)
    least = engine.ranking.least_confidence
    given = right = refused = 0
    judged: list[tuple[float, bool]] = []
    for number, question in enumerate(questions, 1):
        answers = engine.ask(question.text, min_confidence=0.0).answers
        shown = bool(answers) and answers[0].confidence >= least
        verdict = question.judge(answers[0].text if answers else None)
        if answers and verdict is not None:
            judged.append((answers[0].confidence, verdict))
        given += bool(question.answerable and shown)
        right += bool(question.answerable and shown and verdict)
        refused += question.answerable is False and not shown
        if progress:
            progress(number, len(questions))
    return GoldReport(
        questions=len(questions),
        answerable=sum(question.answerable is True for question in questions),
        given=given,
        right=right,
        unanswerable=sum(question.answerable is False for question in questions),
        refused=refused,
        calibration_error=calibration_error([confidence for confidence, _ in judged], [was for _, was in judged])
        if judged
        else None,
    )


def _ensure_askable(verdicts: Sequence[Verdict]) -> None:
    """UsageError, before the first is asked, if one of the questions cannot be: a file's need not have words."""
    for verdict in verdicts:
        try:
            parse_question(verdict.question)
        except UsageError as error:
            numbers = [str(each.id) for each in verdicts if each.question == verdict.question]
            removal = "; ".join(f"docqa gold rm {number}" for number in numbers)
            raise UsageError(
                f"{verdict.question!r} in the gold set cannot be asked ({error}); remove it: {removal}"
            ) from error
