"""Questions and passages as windows of tokens, and logits back to spans of characters.

A passage longer than the model's input is read in overlapping windows: each is
`[CLS] question [SEP] stretch of the passage [SEP]`, as in BERT's set-up for SQuAD (Devlin et al. 2019,
section 4.2; Dynamic-TinyBERT uses 384 tokens a window).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from docqa.errors import ReaderError
from docqa.records import Span

WINDOW_TOKENS = 384
OVERLAP_TOKENS = 128
QUESTION_TOKENS = 64
ANSWER_TOKENS = 30


@dataclass(frozen=True, slots=True)
class Window:
    """One input of the model.

    `passage` is the passage's place in the request, `tokens` all token ids, `first` the row of the first
    passage token, and `offsets` the characters (start, end) in the passage of each passage token.
    """

    passage: int
    tokens: list[int]
    first: int
    offsets: list[tuple[int, int]]


def cut_windows(
    tokenizer: Tokenizer, question: str, passages: Sequence[str], limit: int = WINDOW_TOKENS
) -> tuple[list[Window], bool]:
    """Cut all passages into windows of at most `limit` tokens; True if the question had to be shortened.

    The windows are built from bare encodings: the library's own truncation panics, beyond the reach of
    `except Exception`, when a question leaves less room than the stride.
    """
    encoded = tokenizer.encode(_encodable(question), add_special_tokens=False).ids
    question_ids = encoded[: min(QUESTION_TOKENS, limit // 2)]
    start, separator = _special(tokenizer, "[CLS]"), _special(tokenizer, "[SEP]")
    head = [start, *question_ids, separator]
    room = limit - len(head) - 1
    windows = []
    for number, encoding in enumerate(tokenizer.encode_batch([*map(_encodable, passages)], add_special_tokens=False)):
        ids, offsets = encoding.ids, encoding.offsets
        for low, high in stretches(len(ids), room):
            tokens = [*head, *ids[low:high], separator]
            windows.append(Window(number, tokens, len(head), offsets[low:high]))
    return windows, len(encoded) > len(question_ids)


def _encodable(text: str) -> str:
    """Replace lone surrogates, one for one, which the tokenizer refuses; a mistyped byte in a question is one."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _special(tokenizer: Tokenizer, token: str) -> int:
    token_id = tokenizer.token_to_id(token)
    if token_id is None:
        raise ReaderError(f"the reader's tokenizer.json has no {token}; it is not a BERT reader's")
    return int(token_id)


def stretches(tokens: int, room: int) -> Iterator[tuple[int, int]]:
    """Bounds of overlapping stretches of at most `room` that cover 0 to `tokens`."""
    step = room - min(OVERLAP_TOKENS, room // 2)
    for low in range(0, tokens, step):
        yield low, min(low + room, tokens)
        if low + room >= tokens:
            return


def best_spans(window: Window, logits: NDArray[np.float32], count: int) -> list[Span]:
    """The `count` spans with the highest sum of logits, best first.

    `logits` is (tokens, 2) for all tokens of the window, padding allowed behind them. Spans lie in the
    passage, never in the question, and hold at most ANSWER_TOKENS tokens.
    """
    size = len(window.offsets)
    if size == 0:
        return []
    starts, ends = logits[window.first : window.first + size].T
    # Row i, column j: the span from token i to token i + j; beyond the window's end nothing can win.
    beyond = np.full(ANSWER_TOKENS - 1, -np.inf, dtype=ends.dtype)
    pairs = starts[:, None] + np.lib.stride_tricks.sliding_window_view(np.concatenate([ends, beyond]), ANSWER_TOKENS)
    flat = pairs.ravel()
    candidates = np.arange(flat.size)
    if flat.size > count:
        candidates = np.argpartition(-flat, count - 1)[:count]
    ranked = candidates[np.lexsort((candidates, -flat[candidates]))]
    return [
        Span(
            window.offsets[first][0],
            window.offsets[first + extra][1],
            float(starts[first]),
            float(ends[first + extra]),
            float(logits[0].sum()),
        )
        for first, extra in (divmod(int(place), ANSWER_TOKENS) for place in ranked)
        if first + extra < size
    ]
