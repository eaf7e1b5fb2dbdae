"""The keys that do something where one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer

if TYPE_CHECKING:
    from textual.widgets._footer import FooterKey

ROOMY_CELLS = 100


class Keys(Footer):
    """The footer; closer together where there is little room, and without the last keys where there is none.

    F1, which explains all of them, always stays. The footer is made anew only when other keys are to be shown, for
    that takes longer than drawing the rest of the screen, and screens say that their keys may be others at every step
    of a cursor.
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[tuple[str, str, bool]] = []
        self._made_for_cells = 0

    def compose(self) -> ComposeResult:
        """The keys that have room."""
        keys = [cast("FooterKey", key) for key in super().compose()]
        self._made_for_cells = self.size.width or self.app.size.width
        room = self._made_for_cells - sum(self._cells(key) for key in keys if _stays(key))
        for key in keys:
            if not _stays(key):
                room -= self._cells(key)
            if room >= 0 or _stays(key):
                yield key

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Show other keys, if they are others."""
        active = screen.active_bindings.values()
        shown = [(each.binding.key, each.binding.description, each.enabled) for each in active if each.binding.show]
        if shown != self._shown:
            self._shown = shown
            super().bindings_changed(screen)

    def on_resize(self, event: Resize) -> None:
        """Make the best of the width; F1 names the palette's key where the footer has no room for it."""
        self.compact = event.size.width < ROOMY_CELLS
        self.show_command_palette = not self.compact
        if self._shown and self._made_for_cells != event.size.width:
            self.refresh(recompose=True)

    def _cells(self, key: FooterKey) -> int:
        """How wide a key and its description are, with the blanks around them."""
        return cell_len(key.key_display) + cell_len(key.description) + (2 if self.compact else 3)


def _stays(key: FooterKey) -> bool:
    return key.action == "help" or key.has_class("-command-palette")
