"""One line or two that tell, in place, what is the matter."""

from __future__ import annotations

from typing import Literal

from textual.widgets import Static

from docqa.display import printable

Kind = Literal["information", "warning", "error"]


class Notice(Static):
    """A message that stays until it no longer holds; takes no room when there is none."""

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.display = False

    def tell(self, message: str, kind: Kind = "error") -> None:
        """Show a message, or nothing."""
        if not message and not self.display:
            return
        self.set_classes(f"-{kind}")
        self.update(printable(message))
        self.display = bool(message)

    def clear(self) -> None:
        """Show nothing."""
        self.tell("")
