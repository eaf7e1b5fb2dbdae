"""The keys that do something where one is."""

from __future__ import annotations

from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer

ROOMY_CELLS = 100


class Keys(Footer):
    """The footer; closer together where there is little room.

    It is made anew only when other keys are to be shown, for that takes longer than drawing the rest of the screen,
    and screens say that their keys may be others at every step of a cursor.
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[tuple[str, str, bool]] = []

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
        if self.show_command_palette == self.compact:
            self.show_command_palette = not self.compact
            self.refresh(recompose=True)
