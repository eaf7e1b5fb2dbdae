"""The screen on which one asks: passages while typing, answers on Enter, and the source beside them.

What is shown always belongs to the question in the line: typing on drops whatever is still being searched or
read for an earlier text.
"""

from __future__ import annotations

from contextlib import aclosing
from inspect import cleandoc
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Footer, Input, Static

from docqa.display import counted, one_line, worth_showing
from docqa.errors import DocqaError, ReaderError, UsageError
from docqa.events import Answered, AnswersImproved, CandidatesFound
from docqa.records import Answer, Candidate, Match, Result, Source
from docqa.tui import actions
from docqa.tui.content import answer_row, match_row, outcome
from docqa.tui.documents import DocumentText, excerpt
from docqa.tui.messages import Item, ItemChosen, ItemOpened, LibraryChanged
from docqa.tui.widgets.notice import Notice
from docqa.tui.widgets.question import QuestionInput
from docqa.tui.widgets.results import Results
from docqa.tui.widgets.source_pane import SourcePane
from docqa.tui.widgets.text_view import TextView

if TYPE_CHECKING:
    from docqa.engine import DocQA
    from docqa.tui.app import DocqaApp

# Shorter than the time between two keys of a fast typist, longer than that between two of a pasted text.
SEARCH_DELAY_S = 0.06
PASSAGES = 10


class AskScreen(Screen[None]):
    """Ask, and read where the answer stands.

    Type: the passages that match appear at once. **Enter** lets the reader find the answer in them.
    With the answers in focus: **n** and **p** go through the places where an answer stands, **Enter** opens
    the document there, **y** copies the quote, **Y** the quote with its source, **e** opens your editor.

    In a question, `in:notes/` keeps to paths, `type:pdf` to formats, `since:2024-05-01` to files changed
    since; `"exact phrase"` must occur, `-word` must not.
    """

    app: DocqaApp

    HELP = cleandoc(__doc__ or "")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "source(1)", "Next source"),
        Binding("p", "source(-1)", "Previous source", show=False),
        Binding("y", "copy_quote", "Copy"),
        Binding("Y", "copy_citation", "Copy citation", show=False),
        Binding("e", "edit", "Editor"),
        Binding("slash,escape", "question", "Question", show=False),
        Binding("ctrl+l", "app.library", "Library"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._delay: Timer | None = None
        self._terms: frozenset[str] = frozenset()
        self._source_number = 0
        self._source_text: DocumentText | None = None

    def compose(self) -> ComposeResult:
        """The question on top, results and source below it."""
        yield Static(id="title", markup=False)
        yield QuestionInput()
        yield Notice()
        with Container(id="body"):
            yield Results()
            yield SourcePane(id="source")
        yield Static(id="status", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Start with the cursor in the line."""
        self.query_one(Results).border_title = "Passages"
        self.query_one(QuestionInput).focus()
        self.say("")

    # --- the library

    @on(LibraryChanged)
    def look_again(self) -> None:
        """Show what the library now holds, and search it anew; answers stay, for they were asked for."""
        self._count()
        asking = any(worker.group == "ask" and worker.is_running for worker in self.workers if worker.node is self)
        if not asking and self.query_one(Results).border_title != "Answers":
            self._search_now()

    @work(exclusive=True, group="count")
    async def _count(self) -> None:
        title = self.query_one("#title", Static)
        try:
            library, count = await self.app.shelf.call(lambda engine: (engine.library, len(engine.documents())))
        except DocqaError as error:
            title.update("docqa")
            self.query_one(Notice).tell(str(error))
            return
        held = f"  {one_line(library.stem)}  ·  {counted(count, 'document')}"
        title.update(Content.assemble(("docqa", "bold"), (held, "dim")))

    # --- searching while typing

    @on(Input.Changed, "#question")
    def typed(self) -> None:
        """Search when the fingers rest."""
        self.workers.cancel_group(self, "ask")
        if self._delay is not None:
            self._delay.stop()
        self._delay = self.set_timer(SEARCH_DELAY_S, self._search_now)

    def _search_now(self) -> None:
        self._search(self.query_one(QuestionInput).value.strip())

    @work(exclusive=True, group="search")
    async def _search(self, question: str) -> None:
        if not question:
            self._show((), "Passages", "")
            return
        try:
            matches, terms = await self.app.searcher.call(lambda engine: _found(engine, question))
        except UsageError as error:
            # Nothing is wrong yet with a question that is still being typed.
            self._show((), "Passages", one_line(str(error)))
            return
        except DocqaError as error:
            self._fail(error)
            return
        self._terms = terms
        told = "Enter asks the reader" if matches else "No passage shares a word with this"
        self._show(matches, "Passages", told)

    # --- asking on Enter

    @on(Input.Submitted, "#question")
    def submitted(self, event: Input.Submitted) -> None:
        """Have the question read."""
        if self._delay is not None:
            self._delay.stop()
        if question := event.value.strip():
            self.workers.cancel_group(self, "search")
            self.query_one(QuestionInput).remember(question)
            self._ask(question)

    @work(exclusive=True, group="ask")
    async def _ask(self, question: str) -> None:
        self.say("Searching…" if self.app.reader_ready else "Loading the reader…")
        try:
            self._terms = await self.app.searcher.call(lambda _: _terms(question))
            async with aclosing(self.app.asker.stream(lambda engine: engine.ask_events(question))) as steps:
                async for step in steps:
                    for event in step:
                        match event:
                            case CandidatesFound(candidates):
                                self._show_candidates(candidates)
                            case AnswersImproved(answers, read, passages):
                                self._show(
                                    worth_showing(answers), "Answers", f"Read {read} of {counted(passages, 'passage')}…"
                                )
                            case Answered(result):
                                self._show_result(result)
        except DocqaError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 (whatever befalls the reader, the question must not be lost)
            self._fail(ReaderError(f"The reader failed ({type(error).__name__}: {error}); ask again"))

    def _show_candidates(self, candidates: tuple[Candidate, ...]) -> None:
        reading = "Reading" if self.app.reader_ready else "Loading the reader, then reading"
        told = f"{reading} {counted(len(candidates), 'passage')}…" if candidates else ""
        self._show(tuple(map(_match, candidates)), "Passages", told)

    def _show_result(self, result: Result) -> None:
        items: tuple[Item, ...] = worth_showing(result.answers) or result.passages
        title = "Answers" if result.answers else "Closest passages" if result.passages else "Passages"
        self._show(items, title, outcome(result, times=self.app.show_times))
        if not result.answers:
            closest = (
                "These passages come closest." if result.passages else "No passage shares a word with the question."
            )
            self.query_one(Notice).tell(f"Not in your documents. {closest}", "warning")
        elif result.notices:
            self.query_one(Notice).tell("; ".join(result.notices), "information")
        if items:
            self.query_one(Results).focus()

    def _fail(self, error: DocqaError) -> None:
        """Tell what is the matter; the question stays where it is."""
        self.say("")
        self.query_one(Notice).tell(str(error))

    def _show(self, items: tuple[Item, ...], title: str, status: str) -> None:
        self.query_one(Notice).clear()
        results = self.query_one(Results)
        results.border_title = title
        results.show(items, [self._row(item) for item in items])
        self.say(status)

    def _row(self, item: Item) -> Content:
        return answer_row(item) if isinstance(item, Answer) else match_row(item, self._terms)

    def say(self, status: str) -> None:
        """Write the status line; without news it tells how the reader is."""
        self.query_one("#status", Static).update(status or self.app.reader_status)

    def reader_news(self, earlier: str) -> None:
        """Show how the reader is, unless the status line says something else."""
        status = self.query_one("#status", Static)
        if str(status.content) in ("", earlier):
            self.say("")

    # --- the source beside

    @on(ItemChosen)
    def follow(self, event: ItemChosen) -> None:
        """Show the first source of the item under the cursor."""
        self._source_number = 0
        if event.item is None:
            self.workers.cancel_group(self, "source")
            self.query_one(SourcePane).clear()
        else:
            self._show_source()
        self.refresh_bindings()

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of the item under the cursor."""
        item = self.query_one(Results).chosen
        if item is None:
            return ()
        return item.sources if isinstance(item, Answer) else (item.source,)

    @property
    def source(self) -> Source | None:
        """The source that is shown."""
        return self.sources[self._source_number] if self._source_number < len(self.sources) else None

    @work(exclusive=True, group="source")
    async def _show_source(self) -> None:
        item, source = self.query_one(Results).chosen, self.source
        if item is None or source is None:
            return
        self._source_text = None
        pane = self.query_one(SourcePane)
        pane.announce(source, self._source_number + 1, len(self.sources))
        try:
            text = await self.app.shelf.call(lambda engine: excerpt(engine, source))
        except DocqaError as error:
            self.query_one(Notice).tell(str(error))
            return
        self._source_text = text
        if isinstance(item, Answer):
            pane.show_quote(source, text)
        else:
            pane.show_passage(source, text, self._terms)

    # --- actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Offer what makes sense for the item under the cursor."""
        if action == "source":
            return len(self.sources) > 1
        if action in ("copy_quote", "copy_citation", "edit"):
            return self.source is not None
        return True

    def action_question(self) -> None:
        """Go back to the line, with its text selected, so that typing replaces it."""
        line = self.query_one(QuestionInput)
        line.focus()
        line.select_all()

    def action_source(self, step: int) -> None:
        """Show another source of the same answer."""
        if self.sources:
            self._source_number = (self._source_number + step) % len(self.sources)
            self._show_source()

    def action_copy_quote(self) -> None:
        """Copy the quote, or the passage."""
        if text := self._quoted():
            actions.tell(self.app, actions.copy_quote(self.app, text))

    def action_copy_citation(self) -> None:
        """Copy the quote with its source."""
        if self.source is not None and (text := self._quoted()):
            actions.tell(self.app, actions.copy_citation(self.app, text, self.source))

    def _quoted(self) -> str:
        """The words of the shown source itself, which may differ in case from the answer's first."""
        source = self.source
        return (
            "" if source is None else source.context[source.start - source.context_start :][: source.end - source.start]
        )

    def action_edit(self) -> None:
        """Open the source's file in the person's editor."""
        if self.source is not None:
            remark = self._source_text.remark if self._source_text else ""
            if done := actions.edit(self.app, self.source, self.source.line, remark):
                actions.tell(self.app, done)

    @on(ItemOpened)
    def open_document(self, event: ItemOpened) -> None:
        """Read on in the document."""
        from docqa.tui.screens.document import DocumentScreen

        if self.source is not None:
            quote = (self.source.start, self.source.end) if isinstance(event.item, Answer) else None
            self.app.push_screen(DocumentScreen(self.source.path, quote=quote, at=self.source.start))

    @on(TextView.Moved)
    def ignore_moves(self, event: TextView.Moved) -> None:
        """Nothing on this screen depends on where the source stands."""
        event.stop()


def _found(engine: DocQA, question: str) -> tuple[tuple[Match, ...], frozenset[str]]:
    return engine.search(question, top=PASSAGES), _terms(question)


def _terms(question: str) -> frozenset[str]:
    from docqa.questions import parse_question

    return frozenset(parse_question(question).terms)


def _match(candidate: Candidate) -> Match:
    from docqa.answers import source

    whole = (0, len(candidate.passage.text))
    return Match(source(candidate.passage, whole, whole), candidate.score)
