"""A line of input that holds nothing a terminal would obey, wherever its text comes from."""

from __future__ import annotations

from textual.widgets import Input

from docqa.display import printable


class Line(Input):
    """A line to type into."""

    def validate_value(self, value: str) -> str:
        """Leave out control characters and direction marks; a line break or tab becomes a space."""
        flat = value.translate(_BREAKS)
        return flat if printable(flat) == flat else "".join(each for each in flat if printable(each) == each)


_BREAKS = str.maketrans("\n\r\t", "   ")
