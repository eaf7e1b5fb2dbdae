"""The keys that do something where one is."""

from __future__ import annotations

from textual.events import Resize
from textual.widgets import Footer

ROOMY_CELLS = 100


class Keys(Footer):
    """The footer; closer together where there is little room."""

    def on_resize(self, event: Resize) -> None:
        """Make the best of the width; F1 names the palette's key where the footer has no room for it."""
        self.compact = event.size.width < ROOMY_CELLS
        self.show_command_palette = not self.compact
