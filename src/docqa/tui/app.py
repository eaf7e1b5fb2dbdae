"""The application: its engines, its screens, and what is the same on all of them."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.actions import parse
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.screen import Screen

from docqa.display import one_line
from docqa.errors import DocqaError
from docqa.reader.choices import DEFAULT_EFFORT, EFFORTS, Effort
from docqa.tui import preferences
from docqa.tui.actions import Outcome, tell
from docqa.tui.ascii import AsciiFilter, speaks_unicode
from docqa.tui.engine_thread import EngineThread, PathLike
from docqa.tui.messages import LibraryChanged
from docqa.tui.screens.ask import AskScreen
from docqa.tui.themes import DARK, THEMES

if TYPE_CHECKING:
    from docqa.engine import DocQA
    from docqa.history import Asked, History
    from docqa.reader.reader import Precision
    from docqa.records import Result
    from docqa.tui.verdicts import Judgement

SAMPLE_LIBRARY = "sample.docqa"


class DocqaApp(App[None]):
    """docqa in a terminal.

    Four engines, each in a thread of its own, so that none waits for another: `searcher` finds passages while
    one types, `asker` reads, `shelf` fetches documents, `writer` indexes and removes.
    """

    TITLE = "docqa"
    NOTIFICATION_TIMEOUT = 3
    CSS_PATH = "first.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 (textual's own declaration)
    VERTICAL_BREAKPOINTS = [(0, "-low"), (28, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "help", "Help", priority=True),
        Binding("escape", "hide_help_panel", "Close help", show=False, priority=True),
        Binding("ctrl+l", "library", "Library", show=False),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True),
    ]

    def __init__(
        self,
        library: PathLike | None = None,
        *,
        reader: PathLike | None = None,
        precision: Precision = "auto",
        show_times: bool = True,
    ) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        chosen = preferences.load()
        self.theme = chosen.theme if chosen.theme in self.available_themes else DARK.name
        self.effort: Effort = next((each for each in EFFORTS if each == chosen.effort), DEFAULT_EFFORT)
        self.session: list[Result] = []
        self.library = ""
        self._line_filters = [] if speaks_unicode() else [AsciiFilter()]
        self.searcher = EngineThread(library)
        self.asker = EngineThread(library, reader=reader, precision=precision, patient=True)
        self.shelf = EngineThread(library)
        self.writer = EngineThread(library, patient=True)
        self.show_times = show_times
        self.reader_ready = False
        self._told_of_history = False
        self.reader_status = ""

    @property
    def engines(self) -> tuple[EngineThread, ...]:
        """All four."""
        return self.searcher, self.asker, self.shelf, self.writer

    @cached_property
    def history(self) -> History:
        """What was asked before."""
        from docqa.history import History

        return History()

    @cached_property
    def judgement(self) -> Judgement:
        """What the person said of answers."""
        from docqa.tui.verdicts import Judgement

        return Judgement()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own, and one for a terminal that knows no more than ASCII."""
        return [*super().get_line_filters(), *self._line_filters]

    def get_default_screen(self) -> Screen[None]:
        """Start by asking."""
        return AskScreen()

    @property
    def ask_screen(self) -> AskScreen:
        """The screen at the bottom of the stack."""
        screen = self.screen_stack[0]
        assert isinstance(screen, AskScreen)
        return screen

    def on_mount(self) -> None:
        """Look into the library and load the reader, once the first frame stands."""
        self.call_after_refresh(self._begin)

    def on_unmount(self) -> None:
        """Close the engines, and keep what was chosen."""
        preferences.save(preferences.Preferences(self.theme, self.effort))
        for engine in self.engines:
            engine.close()

    async def _begin(self) -> None:
        await self.ask_screen.furnish()
        gc.enable()  # which `docqa.tui.run` has disabled
        self._greet()
        self._load_reader()
        if self._line_filters:
            tell(self, Outcome("This terminal shows ASCII only; LANG=C.UTF-8 would bring lines and accents", "warning"))

    @work(exclusive=True, group="person")
    async def _greet(self) -> None:
        self.library = os.fspath(await self.shelf.call(lambda engine: engine.library))
        if await self.shelf.call(_is_empty):
            from docqa.tui.screens.welcome import WelcomeScreen

            choice = await self.push_screen_wait(WelcomeScreen(sample=sample_folder() is not None))
            if choice == "add":
                self.action_add_folder()
            elif choice == "sample":
                self.action_sample()
        else:
            await self._remember()
        self.library_changed()

    async def _remember(self) -> None:
        """Bring earlier questions back; the last one into the line."""
        entries = await asyncio.to_thread(self.history.entries)
        mine = [asked.question for asked in reversed(entries) if asked.library == self.library]
        self.ask_screen.recall(mine)

    @work(exclusive=True, group="reader")
    async def _load_reader(self) -> None:
        self._say("Loading the reader…")
        try:
            name, precision = await self.asker.call(_load_reader)
        except Exception as error:  # noqa: BLE001 (without a reader one can still search)
            self._say(f"No reader: {one_line(str(error))}")
            return
        self.reader_ready = True
        self._say(one_line(f"{name} {precision}"))

    def _say(self, status: str) -> None:
        earlier, self.reader_status = self.reader_status, status
        self.ask_screen.reader_news(earlier)

    # --- what was asked

    def keep(self, result: Result) -> None:
        """Keep a result for this session's export, and its question for the sessions to come."""
        from docqa.history import Asked

        self.session.append(result)
        best = result.answers[0] if result.answers else None
        self._write_history(
            Asked(
                result.question,
                result.library,
                time.time(),
                best.text if best else None,
                best.confidence if best else None,
            )
        )

    @work(group="history")
    async def _write_history(self, asked: Asked) -> None:
        try:
            await asyncio.to_thread(self.history.add, asked)
        except DocqaError as error:
            if not self._told_of_history:
                self._told_of_history = True
                tell(self, Outcome(str(error), "warning"))

    @work(group="person")
    async def export_session(self) -> None:
        """Write this session's questions and answers to a Markdown file, where the person says."""
        from docqa.citing import session_as_markdown
        from docqa.tui.screens.save import SaveScreen

        if not self.session:
            tell(self, Outcome("Nothing has been asked yet; ask first, then export", "warning"))
            return
        markdown = session_as_markdown(self.session, self.judgement.said, "Asked of my documents")
        if (path := await self.push_screen_wait(SaveScreen(markdown))) is not None:
            tell(self, Outcome(f"Written: {path}"))

    # --- the library

    def library_changed(self) -> None:
        """Tell every screen that the library is another."""
        for screen in self.screen_stack:
            if screen.is_running:
                screen.post_message(LibraryChanged())

    @work(group="person")
    async def action_add_folder(self, beginning: str | None = None) -> None:
        """Choose a folder and index it."""
        from docqa.tui.screens.add_folder import AddFolderScreen

        if path := await self.push_screen_wait(AddFolderScreen(beginning)):
            await self._index([path])

    @work(group="person")
    async def update_library(self, paths: Sequence[str] | None) -> None:
        """Look for changes in folders, None: in all that the library is kept current with."""
        await self._index(paths)

    @work(group="person")
    async def action_sample(self) -> None:
        """Open the sample library, which is kept apart from the person's own."""
        if (folder := sample_folder()) is not None:
            own = await self.shelf.call(lambda engine: engine.library)
            for engine in self.engines:
                engine.move(own.with_name(SAMPLE_LIBRARY))
            self.judgement.forget()
            self.ask_screen.start_anew()
            self.library = os.fspath(own.with_name(SAMPLE_LIBRARY))
            await self._index([str(folder)], close_when_done=True)
            await self._remember()

    async def _index(self, paths: Sequence[str] | None, *, close_when_done: bool = False) -> None:
        from docqa.tui.screens.indexing import IndexingScreen

        await self.push_screen_wait(IndexingScreen(paths, close_when_done=close_when_done))
        self.library_changed()

    # --- habits

    def action_library(self) -> None:
        """Show what the library holds."""
        from docqa.tui.screens.library import LibraryScreen

        if not any(isinstance(screen, LibraryScreen) for screen in self.screen_stack):
            self.push_screen(LibraryScreen())

    def action_help(self) -> None:
        """Show or hide the panel that explains the focused widget and its keys."""
        # By its name: the class brings a parser of Markdown along, which the first frame need not wait for.
        if self.screen.query("HelpPanel"):
            self.action_hide_help_panel()
        else:
            self.action_show_help_panel()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape closes the help before it does what it does on the screen."""
        if action == "hide_help_panel":
            return bool(self.screen.query("HelpPanel"))
        return super().check_action(action, parameters)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Offer every action of the screen in the palette, then the application's."""
        actions = {binding.action: binding for binding in Binding.make_bindings(type(screen).BINDINGS)}
        for action, binding in actions.items():
            _, name, parameters = parse(action)
            method = getattr(screen, f"action_{name}", None)
            if method is not None and screen.check_action(name, parameters):
                told = f"{method.__doc__} Key: {self.get_key_display(binding)}"
                yield SystemCommand(binding.description, told, partial(screen.run_action, action))
        yield SystemCommand("Library", "See, add and remove documents", self.action_library)
        yield SystemCommand(
            "Update", "Look for changes in all folders of the library", partial(self.update_library, None)
        )
        yield SystemCommand("Add folder", "Choose a folder and index it", self.action_add_folder)
        if sample_folder() is not None:
            yield SystemCommand("Sample library", "Open the sample library that came with docqa", self.action_sample)
        yield from super().get_system_commands(screen)


def _load_reader(engine: DocQA) -> tuple[str, Precision]:
    """Load the reader; return its name and arithmetic."""
    from docqa.tui.libraries import load_torch

    load_torch()
    return engine.reader.name, engine.reader.precision


def _is_empty(engine: DocQA) -> bool:
    """Whether there is nothing to ask yet; a library that cannot be read is not empty."""
    try:
        return not engine.library.exists() or not engine.status(check=False).documents
    except DocqaError:
        return False


def sample_folder() -> Path | None:
    """The documents that come with docqa, in an installed package or a checkout."""
    package = Path(__file__).parents[1]
    places = (package / "_data" / "library", package.parents[1] / "data" / "library")
    return next((place for place in places if place.is_dir()), None)
