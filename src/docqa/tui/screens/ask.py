"""The screen on which one asks: passages while typing, answers on Enter, and the source beside them.

What is shown always belongs to the question in the line: typing on drops whatever is still being searched or
read for an earlier text.

The first frame is the line, with the cursor in it, and empty frames below it. What fills them, and the modules it
takes, come once that stands.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import aclosing
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Input, Static

from docqa.display import counted, one_line, worth_showing
from docqa.errors import DocqaError, LibraryError, ReaderError, UsageError
from docqa.reader.choices import EFFORTS
from docqa.tui import actions
from docqa.tui.messages import ItemChosen, ItemOpened, LibraryChanged
from docqa.tui.widgets.question import QuestionInput

if TYPE_CHECKING:
    from textual.content import Content
    from textual.timer import Timer

    from docqa.engine import DocQA
    from docqa.events import AskEvent
    from docqa.records import Answer, Candidate, Match, Result, Source
    from docqa.tui.app import DocqaApp
    from docqa.tui.documents import DocumentText
    from docqa.tui.messages import Item
    from docqa.tui.verdicts import Judgement
    from docqa.tui.widgets.chips import Chip, Chips
    from docqa.tui.widgets.choice_line import ChoiceLine
    from docqa.tui.widgets.notice import Notice
    from docqa.tui.widgets.results import Results
    from docqa.tui.widgets.source_pane import SourcePane
    from docqa.tui.widgets.text_view import TextView
    from docqa.tui.widgets.why import WhyPanel

# Keys that came while the screen was busy are searched for as one; no typist is so fast.
SEARCH_DELAY_S = 0.01
PASSAGES = 10
PROGRESS_CELLS = 10
STYLES = Path(__file__).parents[1] / "styles.tcss"


class _Superseded(Exception):
    """Nobody waits for this answer any more."""


class AskScreen(Screen[None]):
    """Passages appear as you type, **Enter** has them read. **ctrl+t** sets the effort: fast, balanced, thorough.

    `in:notes/` keeps to paths, `type:pdf` to formats, `since:2024-05-01` to files changed since; `"exact phrase"`
    must occur, `-word` must not. **Tab** goes to them, **Delete** takes one off.

    **Up** brings earlier questions back, **ctrl+r** searches them.

    **Down** goes to the answers. There **n** **p** show where else one stands, **Enter** the document, **w** why.
    **y** copies the quote, **Y** with its source; **e** opens your editor, **o** the viewer. **r** **x** mark it right
    or wrong, **u** undoes; `docqa calibrate` learns from it.

    **ctrl+s** exports the session, **ctrl+p** finds every action.
    """

    app: DocqaApp
    # Made by `furnish`.
    _chips: Chips
    _dial: ChoiceLine
    _notice: Notice
    _results: Results
    _source_pane: SourcePane
    _status: Static
    _why: WhyPanel

    HELP = cleandoc(__doc__ or "")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "source(1)", "Next source"),
        Binding("p", "source(-1)", "Previous source", show=False),
        Binding("w", "why", "Why"),
        Binding("r", "judge(True)", "Right"),
        Binding("x", "judge(False)", "Wrong"),
        Binding("u", "take_back", "Undo"),
        Binding("y", "copy_quote", "Copy"),
        Binding("Y", "copy_citation", "Copy citation", show=False),
        Binding("e", "edit", "Editor"),
        Binding("o", "view", "Viewer"),
        # Before the focused widget, so that keys that come at once behind it go to the line.
        Binding("slash,escape", "question", "Question", show=False, priority=True),
        Binding("ctrl+t,f2", "effort", "Effort", key_display="^t"),
        Binding("ctrl+r", "history", "History", show=False),
        Binding("ctrl+s", "export", "Export", show=False),
        Binding("ctrl+l", "app.library", "Library"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._delay: Timer | None = None
        self._terms: frozenset[str] = frozenset()
        self._source_number = 0
        self._source_text: DocumentText | None = None
        self._in_pane: object = None
        self._result: Result | None = None
        self._line = QuestionInput()
        self._furnished = False

    def compose(self) -> ComposeResult:
        """The question on top, below it the places of results and source."""
        yield Static(id="title", markup=False)
        yield self._line
        with Container(id="body", classes="-bare"):
            yield Static(id="found", classes="frame")
            yield Static(id="source", classes="frame")

    def on_mount(self) -> None:
        """Start with the cursor in the line."""
        for name, title in (("#found", "Passages"), ("#source", "Source")):
            self.query_one(name).border_title = title
        self.set_focus(self._line)

    async def furnish(self) -> None:
        """Put everything into its place, unless it is there already; only the screen's own handlers may call this."""
        if self._furnished:
            return
        from textual.containers import Horizontal, Vertical

        from docqa.tui.widgets.chips import Chips
        from docqa.tui.widgets.choice_line import ChoiceLine
        from docqa.tui.widgets.keys import Keys
        from docqa.tui.widgets.notice import Notice
        from docqa.tui.widgets.results import Results
        from docqa.tui.widgets.source_pane import SourcePane
        from docqa.tui.widgets.why import WhyPanel

        self._chips, self._notice, self._status = Chips(), Notice(), Static(id="status", markup=False)
        self._results, self._why, self._source_pane = Results(), WhyPanel(), SourcePane(id="source")
        self._dial = ChoiceLine({effort: effort for effort in EFFORTS}, self.app.effort, id="dial")
        self._results.border_title = "Passages"
        self.app.stylesheet.read(STYLES)
        with self.app.batch_update():
            body = self.query_one("#body")
            body.remove_class("-bare")
            await body.remove_children()
            await body.mount(Vertical(self._results, self._why, id="found"), self._source_pane)
            await self.mount_all([self._chips, self._notice], after=self._line)
            await self.mount(Horizontal(self._status, self._dial, id="bar"), Keys())
        self._furnished = True
        self.refresh_bindings()

    # --- the library

    @on(LibraryChanged)
    def look_again(self) -> None:
        """Show what the library now holds, and search it anew; answers stay, for they were asked for."""
        self._in_pane = None
        self._count()
        if not self._asking and self._result is None:
            self._search_now()

    def start_anew(self) -> None:
        """Forget what was asked of another library: what is done with its answers would befall this one."""
        self.workers.cancel_group(self, "ask")
        self._result = None

    @property
    def _asking(self) -> bool:
        return any(worker.group == "ask" and worker.is_running for worker in self.workers if worker.node is self)

    @work(exclusive=True, group="count")
    async def _count(self) -> None:
        from textual.content import Content

        title = self.query_one("#title", Static)
        try:
            library, count = await self.app.shelf.call(_library_and_count)
        except DocqaError as error:
            title.update("docqa")
            self._notice.tell(self._told(error))
            return
        held = f"  {one_line(library.stem)}  ·  {counted(count, 'document')}"
        title.update(Content.assemble(("docqa", "bold"), (held, "dim")))

    # --- searching while typing

    @on(Input.Changed, "#question")
    async def typed(self, event: Input.Changed) -> None:
        """Search when the fingers rest."""
        await self.furnish()
        self.workers.cancel_group(self, "ask")
        await self._chips.show(event.value)
        if self._delay is not None:
            self._delay.stop()
        if self._result is None or self._result.question != event.value.strip():
            self._delay = self.set_timer(SEARCH_DELAY_S, self._search_now)

    def on_chip_taken_off(self, event: Chip.TakenOff) -> None:
        """Take a filter off the question, and ask anew if it had been asked."""
        from docqa.questions import without

        rest = without(self._line.value, event.restriction)
        if self._result is not None:
            self.ask(rest)
        else:
            self._line.value = rest
        self.set_focus(self._line)

    def _search_now(self) -> None:
        self._search(self._line.value.strip())

    @work(exclusive=True, group="search")
    async def _search(self, question: str) -> None:
        self._result = None
        if not question:
            self._show((), "Passages", "")
            return
        try:
            matches, terms, rows = await self.app.searcher.call(lambda engine: _found(engine, question))
        except UsageError as error:
            # Nothing is wrong yet with a question that is still being typed.
            self._show((), "Passages", one_line(str(error)))
            return
        except DocqaError as error:
            self._fail(error)
            return
        self._terms = terms
        told = "Enter asks the reader" if matches else "No passage matches this"
        self._show(matches, "Passages", told, rows)

    # --- asking on Enter

    @on(Input.Submitted, "#question")
    async def submitted(self, event: Input.Submitted) -> None:
        """Have the question read."""
        await self.furnish()
        self._submit(event.value)

    def ask(self, question: str) -> None:
        """Put a question into the line and have it read."""
        with self._line.prevent(Input.Changed):
            self._line.value = question
        self._line.cursor_position = len(question)
        self.call_later(self._chips.show, question)
        self._submit(question)

    def recall(self, questions: Sequence[str]) -> None:
        """Bring questions of earlier sessions back, first to last; the last selected, so that typing replaces it."""
        self._line.recall(questions)
        # Nor does a question come back under the fingers of somebody who has begun to type.
        if questions and not self._line.value and self._delay is None:
            self._line.value = questions[-1]
            self.call_after_refresh(self._line.select_all)

    def _submit(self, value: str) -> None:
        if self._delay is not None:
            self._delay.stop()
        if question := value.strip():
            self.workers.cancel_group(self, "search")
            self._line.remember(question)
            self._ask(question)

    @work(exclusive=True, group="ask")
    async def _ask(self, question: str) -> None:
        self.say("Searching…" if self.app.reader_ready else "Loading the reader…")
        self._result, effort = None, self.app.effort
        superseded = threading.Event()

        def go_on() -> None:
            if superseded.is_set():
                raise _Superseded

        try:
            self._terms = await self.app.searcher.call(lambda _: _terms(question))
            steps = self.app.asker.stream(
                lambda engine: engine.ask_events(question, effort=effort, explain=True, before_batch=go_on)
            )
            async with aclosing(steps):
                async for step in steps:
                    for event in step:
                        await self._take(event)
        except DocqaError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 (whatever befalls the reader, the question must not be lost)
            self._fail(ReaderError(f"The reader failed ({type(error).__name__}: {error}); ask again"))
        finally:
            superseded.set()

    async def _take(self, event: AskEvent) -> None:
        from docqa.events import Answered, AnswersImproved, CandidatesFound

        match event:
            case CandidatesFound(candidates):
                await self._show_candidates(candidates)
            case AnswersImproved(answers, read, passages):
                if answers:
                    self._show(worth_showing(answers), "Answers", "")
                self._progress(read, passages)
            case Answered(result):
                await self._judgement.load(self.app.shelf, result.question)
                self._show_result(result)
                self.app.keep(result)

    async def _show_candidates(self, candidates: tuple[Candidate, ...]) -> None:
        terms = self._terms
        matches, rows = await self.app.searcher.call(lambda _: _matches(candidates, terms))
        self._show(matches, "Passages", "", rows)
        if candidates:
            self._progress(0, len(candidates))

    def _progress(self, read: int, passages: int) -> None:
        """Tell how far reading has come, in words and as a bar."""
        from docqa.tui.content import bar

        doing = "Reading" if self.app.reader_ready else "Loading the reader, then reading"
        self.say(f"{doing} {counted(passages, 'passage')}…" if not read else f"Read {read} of {passages} passages…")
        self._results.border_subtitle = bar(read / passages, PROGRESS_CELLS, "$text-accent").markup

    def _show_result(self, result: Result) -> None:
        from docqa.tui.content import outcome

        self._result = result
        items: tuple[Item, ...] = worth_showing(result.answers) or result.passages
        title = "Answers" if result.answers else "Closest passages" if result.passages else "Passages"
        self._show(items, title, outcome(result, times=self.app.show_times))
        if not result.answers:
            self._tell_absence(result)
        elif result.notices:
            self._notice.tell("; ".join(result.notices), "information")
        # Who has begun to type the next question goes on doing so.
        if items and self._line.value.strip() == result.question:
            self.set_focus(self._results)

    def _tell_absence(self, result: Result) -> None:
        from docqa.tui.content import verdict

        closest = "These passages come closest." if result.passages else "No passage matches the question."
        said = verdict(self._judgement.of(None)).plain
        self._notice.tell("  ".join([f"Not in your documents. {closest}{said}", *result.notices]), "warning")

    def _fail(self, error: DocqaError) -> None:
        """Tell what is the matter; the question stays where it is."""
        self.say("")
        self._results.border_subtitle = ""
        self._notice.tell(self._told(error))

    def _told(self, error: DocqaError) -> str:
        """An error's message; where there is no library, with the keys by which one is made here."""
        missing = isinstance(error, LibraryError) and not Path(self.app.library).exists()
        return f"{error}, or here: ctrl+l, then a" if missing else str(error)

    def _show(self, items: tuple[Item, ...], title: str, status: str, rows: Sequence[Content] | None = None) -> None:
        self._notice.clear()
        self._results.border_title, self._results.border_subtitle = title, ""
        self._results.show(items, self._rows(items) if rows is None else rows)
        self.say(status)

    def _rows(self, items: Sequence[Item]) -> list[Content]:
        from docqa.records import Answer
        from docqa.tui.content import answer_row, match_row, namesakes

        alike = namesakes(items)
        return [
            answer_row(item, self._judgement.of(item.text) if self._result is not None else None, alike)
            if isinstance(item, Answer)
            else match_row(item, self._terms, alike)
            for item in items
        ]

    def say(self, status: str) -> None:
        """Write the status line; without news it tells how the reader is."""
        self._status.update(status or self.app.reader_status, layout=False)

    def reader_news(self, earlier: str) -> None:
        """Show how the reader is, unless the status line says something else."""
        if str(self._status.content) in ("", earlier):
            self.say("")

    # --- the source beside

    @on(ItemChosen)
    def follow(self, event: ItemChosen) -> None:
        """Show the first source of the item under the cursor."""
        from docqa.tui.content import spoken

        self._source_number = 0
        if event.item is None:
            self.workers.cancel_group(self, "source")
            self._in_pane = None
            self._source_pane.clear()
        else:
            self._show_source()
        self._why.explain(event.item, spoken(self._line.value, self._terms), read=self._result is not None)
        self.refresh_bindings()

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of the item under the cursor."""
        from docqa.records import Answer

        item = self._results.chosen if self._furnished else None
        if item is None:
            return ()
        return item.sources if isinstance(item, Answer) else (item.source,)

    @property
    def source(self) -> Source | None:
        """The source that is shown."""
        return self.sources[self._source_number] if self._source_number < len(self.sources) else None

    def _show_source(self) -> None:
        """Show the source at hand, unless it stands there already."""
        from docqa.records import Answer

        item, source = self._results.chosen, self.source
        wanted = (source, self._source_number, len(self.sources), None if isinstance(item, Answer) else self._terms)
        if item is not None and source is not None and wanted != self._in_pane:
            self._in_pane, self._source_text = wanted, None
            self._source_pane.announce(source, self._source_number + 1, len(self.sources))
            self._fetch_source(item, source)

    @work(exclusive=True, group="source")
    async def _fetch_source(self, item: Item, source: Source) -> None:
        from docqa.records import Answer
        from docqa.tui.documents import excerpt

        try:
            text = await self.app.shelf.call(lambda engine: excerpt(engine, source))
        except DocqaError as error:
            self._in_pane = None
            self._notice.tell(str(error))
            return
        self._source_text = text
        if isinstance(item, Answer):
            self._source_pane.show_quote(source, text)
        else:
            self._source_pane.show_passage(source, text, self._terms)

    # --- actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what makes sense for the item under the cursor."""
        if action == "question":
            return self.focused is not self._line
        if action == "effort":
            return self._furnished
        if action == "source":
            return len(self.sources) > 1
        if action == "edit":
            return self.source is not None and self.source.line is not None
        if action in ("copy_quote", "copy_citation", "view", "why"):
            return self.source is not None
        if action == "judge":
            # That an answer is missing can be right; what would be right instead, only its text could say.
            return self._result is not None and (bool(self._result.answers) or parameters == (True,))
        if action == "take_back":
            return bool(self._judgement)
        return True

    def action_question(self) -> None:
        """Go back to the line, with its text selected, so that typing replaces it."""
        self.set_focus(self._line)
        self._line.select_all()

    def action_results(self) -> None:
        """Go to what was found, if anything was."""
        if self._furnished and self._results.items:
            self.set_focus(self._results)

    def action_source(self, step: int) -> None:
        """Show another source of the same answer."""
        if self.sources:
            self._source_number = (self._source_number + step) % len(self.sources)
            self._show_source()

    def action_why(self) -> None:
        """Show or hide why the chosen answer stands where it does."""
        self.query_one("#body").toggle_class("-why")

    def action_effort(self) -> None:
        """Turn the dial: fast, balanced, thorough."""
        self._dial.step(1)

    def on_choice_line_chosen(self, event: ChoiceLine.Chosen) -> None:
        """Ask anew with the chosen effort, if there is an answer to be had anew."""
        self.app.effort = next(effort for effort in EFFORTS if effort == event.key)
        if self._asking or self._result is not None:
            self._submit(self._line.value)

    def action_copy_quote(self) -> None:
        """Copy the quote, or the passage."""
        if self.source is not None:
            actions.copy_quote(self.app, self.source)

    def action_copy_citation(self) -> None:
        """Copy the quote with its source."""
        if self.source is not None:
            actions.copy_citation(self.app, self.source)

    def action_edit(self) -> None:
        """Open the source's file in the person's editor."""
        if self.source is not None:
            actions.tell(self.app, actions.edit(self.app, self.source, self.source.line, self._remark))

    def action_view(self) -> None:
        """Open the source's file in the system's viewer, at the page."""
        if self.source is not None:
            actions.tell(self.app, actions.view(self.source, self.source.page, self._remark))

    @property
    def _remark(self) -> str:
        return self._source_text.remark_now() if self._source_text else ""

    @work(group="person")
    async def action_history(self) -> None:
        """Search the questions asked before, and ask one again."""
        from docqa.tui.screens.history import HistoryScreen

        screen = HistoryScreen(self.app.history, str(self.app.library), show_times=self.app.show_times)
        if (asked := await self.app.push_screen_wait(screen)) is not None:
            self.ask(asked.question)

    def action_export(self) -> None:
        """Write this session's questions and answers to a Markdown file."""
        self.app.export_session()

    # --- right or wrong

    @property
    def _judgement(self) -> Judgement:
        return self.app.judgement

    def action_judge(self, right: bool) -> None:
        """Mark the chosen answer as right or wrong; it goes to the gold set."""
        if self._result is not None:
            from docqa.records import Answer

            chosen = self._results.chosen
            self._judge(self._result.question, chosen if isinstance(chosen, Answer) else None, right)

    def action_take_back(self) -> None:
        """Take the last mark back."""
        self._take_back()

    @work(group="judge")
    async def _judge(self, question: str, answer: Answer | None, right: bool) -> None:
        try:
            await self._judgement.say(self.app.writer, question, answer, right, self._source_number)
        except DocqaError as error:
            self._notice.tell(str(error))
            return
        self._redraw_rows()
        actions.tell(self.app, actions.Outcome(f"Marked {'right' if right else 'wrong'}; u takes it back"))

    @work(group="judge")
    async def _take_back(self) -> None:
        try:
            await self._judgement.take_back(self.app.writer)
        except DocqaError as error:
            self._notice.tell(str(error))
            return
        self._redraw_rows()
        actions.tell(self.app, actions.Outcome("Taken back"))

    def _redraw_rows(self) -> None:
        self._results.redraw(self._rows(self._results.items))
        if self._result is not None and not self._result.answers:
            self._tell_absence(self._result)
        self.refresh_bindings()

    # --- the document

    @on(ItemOpened)
    def open_document(self, event: ItemOpened) -> None:
        """Read on in the document."""
        from docqa.records import Answer
        from docqa.tui.screens.document import DocumentScreen

        if self.source is not None:
            quote = (self.source.start, self.source.end) if isinstance(event.item, Answer) else None
            self.app.push_screen(
                DocumentScreen(self.source.path, quote=quote, at=self.source.start, sha256=self.source.sha256)
            )

    def on_text_view_moved(self, event: TextView.Moved) -> None:
        """Nothing on this screen depends on where the source stands."""
        event.stop()


def _library_and_count(engine: DocQA) -> tuple[Path, int]:
    return engine.library, engine.status(check=False).documents


def _found(engine: DocQA, question: str) -> tuple[tuple[Match, ...], frozenset[str], list[Content]]:
    matches, terms = engine.search(question, top=PASSAGES), _terms(question)
    return matches, terms, _match_rows(matches, terms)


def _terms(question: str) -> frozenset[str]:
    from docqa.questions import parse_question

    return frozenset(parse_question(question).terms)


def _matches(candidates: Sequence[Candidate], terms: frozenset[str]) -> tuple[tuple[Match, ...], list[Content]]:
    from docqa.asking import match

    matches = tuple(map(match, candidates))
    return matches, _match_rows(matches, terms)


def _match_rows(matches: Sequence[Match], terms: frozenset[str]) -> list[Content]:
    from docqa.tui.content import match_row, namesakes

    alike = namesakes(matches)
    return [match_row(match, terms, alike) for match in matches]
