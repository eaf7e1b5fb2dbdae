"""docqa's own colours; every theme that comes with textual can be chosen instead."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="docqa-dark",
    primary="#7aa2d6",
    secondary="#8fb8b0",
    accent="#8ab4f8",
    success="#8cc490",
    warning="#e0b35a",
    error="#e57f7f",
    foreground="#d5d9e0",
    background="#14171c",
    surface="#1a1e25",
    panel="#232833",
    dark=True,
    variables={
        "block-cursor-background": "#2b3a52",
        "block-cursor-foreground": "#f2f5f9",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#20262f",
        "footer-key-foreground": "#8ab4f8",
        "border": "#5f83b8",
    },
)

LIGHT = Theme(
    name="docqa-light",
    primary="#2f5f9e",
    secondary="#3d7a70",
    accent="#1f5fb0",
    success="#2f7d3b",
    warning="#a86a00",
    error="#b3372f",
    foreground="#22262c",
    background="#fbfaf7",
    surface="#f1efea",
    panel="#e6e3dc",
    dark=False,
    variables={
        "block-cursor-background": "#d7e3f4",
        "block-cursor-foreground": "#14171c",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#ebe8e1",
        "footer-key-foreground": "#1f5fb0",
        "border": "#6d94c7",
    },
)

THEMES = (DARK, LIGHT)
