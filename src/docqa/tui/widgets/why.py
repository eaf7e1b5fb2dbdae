"""Why an answer stands where it does: words, logits, evidence, and the tokens that each layer of the reader kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from docqa.display import one_line
from docqa.records import Answer, Explanation, Match
from docqa.tui.content import bar

if TYPE_CHECKING:
    from docqa.tui.messages import Item

LABEL_CELLS = 10
NAME_CELLS = 18
# What the reader gives to the passage holding none.
NO_ANSWER = "no answer"


class WhyPanel(VerticalScroll):
    """What spoke for the chosen answer."""

    DEFAULT_CLASSES = "frame"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(id="why")
        self._item: Item | None = None
        self._words: Mapping[str, str] = {}
        self._read = False

    def compose(self) -> ComposeResult:
        """Lines of text."""
        yield Static(id="why-text", markup=False)

    def on_mount(self) -> None:
        """Be titled."""
        self.border_title = "Why"

    def explain(self, item: Item | None, words: Mapping[str, str], *, read: bool) -> None:
        """Explain an answer; `words` are the question's, by their terms; `read` tells whether it has been read."""
        self._item, self._words, self._read = item, words, read
        self._draw()

    def on_show(self) -> None:
        """Draw what was chosen meanwhile."""
        self._draw()

    def on_resize(self) -> None:
        """Draw the bars anew."""
        self._draw()

    def _draw(self) -> None:
        if not self.display:
            return
        cells = max(4, min(40, self.scrollable_content_region.width - LABEL_CELLS - NAME_CELLS - 8))
        self.border_subtitle = "w closes"
        match self._item:
            case Answer(explanation=Explanation() as why) as answer:
                lines = [*_terms(why.terms, self._words, answer.retriever_score), *_explanation(why, cells)]
            case Answer() as answer:
                lines = [_line("found by", Content(f"BM25 score {answer.retriever_score:.1f}")), _line("", _PENDING)]
            case Match() as match:
                lines = [
                    _line("found by", Content(f"BM25 score {match.score:.1f}")),
                    _line("", _NOTHING if self._read else _UNREAD),
                ]
            case _:
                lines = [Content.styled("Nothing is chosen.", "dim")]
        self.query_one("#why-text", Static).update(Content("\n").join(lines))


_PENDING = Content.styled("The rest is told when all passages have been read.", "dim")
_NOTHING = Content.styled("The reader saw no answer in it that is sure enough.", "dim")
_UNREAD = Content.styled("A passage found by its words; the reader has not judged it.", "dim")


def _terms(found: Sequence[str], words: Mapping[str, str], score: float) -> Iterator[Content]:
    """The question's words as they were typed, though it is their stems that were looked for."""
    there = (one_line(words.get(term, term)) for term in found)
    yield _line("words", Content("  ").join(Content.styled(word, "bold") for word in there))
    if missing := [one_line(word) for term, word in words.items() if term not in found]:
        yield _line("not there", Content.styled("  ".join(missing), "dim"))
    yield _line("found by", Content(f"BM25 score {score:.1f}"))


def _explanation(why: Explanation, cells: int) -> Iterator[Content]:
    logits = (("start", why.start_logit), ("end", why.end_logit), (NO_ANSWER, why.null_logit))
    yield from _bars("logits", logits, cells, sign="")
    evidence = [(each.feature.replace("_", " "), each.contribution) for each in why.evidence if each.weight]
    yield from _bars("ranking", [*evidence, ("score", why.score)], cells, sign="+")
    for number, count in enumerate(why.kept):
        name = Content(f"{f'layer {number + 1}':<{NAME_CELLS}}")
        told = Content.assemble(name, bar(count / max(1, why.tokens), cells, "$text-accent"), f" {count:6,}")
        yield _line("" if number else "tokens", told)


def _bars(label: str, values: Sequence[tuple[str, float]], cells: int, sign: str) -> Iterator[Content]:
    """One line a value, its bar's length in proportion to the largest; what speaks against is of another colour."""
    most = max((abs(value) for _, value in values), default=0.0) or 1.0
    for number, (name, value) in enumerate(values):
        colour = "$error" if value < 0 else "$warning" if name == NO_ANSWER else "$success"
        shown = Content.assemble(
            f"{one_line(name)[: NAME_CELLS - 1]:<{NAME_CELLS}}",
            bar(abs(value) / most, cells, colour),
            f" {value:{sign}6.2f}",
        )
        yield _line("" if number else label, shown)


def _line(label: str, content: Content) -> Content:
    return Content.assemble((f"{label:<{LABEL_CELLS}}", "dim"), content)
