"""Examples as the model's inputs, and inputs as batches of similar length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from random import Random

import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from docqa.errors import ReaderError
from docqa.reader.windows import QUESTION_TOKENS, stretches
from docqa.training.data import Example

# Inputs are padded to a multiple of so many tokens: every distinct shape costs the CPU backend a compiled kernel.
LENGTH_STEP = 32


@dataclass(frozen=True, slots=True)
class Input:
    """One input, `[CLS] question [SEP] stretch of the passage [SEP]`, as the reader builds its windows.

    `first` is the row of the first passage token. `start` and `end` are the rows of the answer's first and
    last token; both are 0, [CLS], where the stretch does not answer the question (Devlin et al. 2019,
    section 4.3).
    """

    tokens: list[int]
    first: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs as tensors: all (batch, tokens), save the targets `starts` and `ends`, (batch,).

    `places` is True where an answer may start or end: at [CLS] and in the passage. `questions`, (batch,),
    numbers the questions, whose inputs stand together, the one with the answer first.
    """

    tokens: Tensor
    segments: Tensor
    real: Tensor
    places: Tensor
    starts: Tensor
    ends: Tensor
    questions: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        return Batch(*(getattr(self, each.name).to(device) for each in fields(self)))


class Encoder:
    """Turns examples into inputs of at most `limit` tokens; remembers the passages it has met.

    With `all_windows` a passage that is too long gives, besides the stretch with its answer, every window that the
    reader would cut and that holds no part of an answer.
    """

    def __init__(self, tokenizer: Tokenizer, limit: int, *, all_windows: bool = False) -> None:
        self._tokenizer = tokenizer
        self._limit = limit
        self._all_windows = all_windows
        self._begin, self._separator = _special(tokenizer, "[CLS]"), _special(tokenizer, "[SEP]")
        self._passages: dict[str, Encoding] = {}

    def encode_all(self, examples: Sequence[Example], random: Random) -> tuple[Input, ...]:
        """The inputs of one question's passages; none if the first cannot be encoded."""
        inputs: list[Input] = []
        for example in examples:
            one = self.encode(example, random)
            if one is None:
                if not inputs:
                    return ()
                continue
            others = self._windows(example) if self._all_windows else []
            # Without an answer the windows are all there is to see.
            inputs += [one, *others] if example.answers or not others else others
        return tuple(inputs)

    def _windows(self, example: Example) -> list[Input]:
        """A long passage's windows without any part of an answer, none of a passage that fits."""
        head = self._head(example.question)
        room = self._limit - len(head) - 1
        passage = self._passage(example.passage)
        if len(passage.ids) <= room:
            return []
        answers = [span for answer in example.answers if (span := _token_span(passage.offsets, *answer))]
        return [
            Input([*head, *passage.ids[low:high], self._separator], len(head), 0, 0)
            for low, high in stretches(len(passage.ids), room)
            if not any(first < high and last >= low for first, last in answers)
        ]

    def _head(self, question: str) -> list[int]:
        ids = self._tokenizer.encode(question, add_special_tokens=False).ids[:QUESTION_TOKENS]
        return [self._begin, *ids, self._separator]

    def encode(self, example: Example, random: Random) -> Input | None:
        """The example's input, with one of its answers as target.

        A passage that is too long is cut to a stretch at random, around the answer if there is one. None if
        the answer alone is too long.
        """
        head = self._head(example.question)
        room = self._limit - len(head) - 1
        passage = self._passage(example.passage)
        target = None
        if example.answers:
            target = _token_span(passage.offsets, *random.choice(example.answers))
            if target is None or target[1] - target[0] >= room:
                return None
        low = _stretch(len(passage.ids), room, target, random)
        tokens = [*head, *passage.ids[low : low + room], self._separator]
        if target is None:
            return Input(tokens, len(head), 0, 0)
        return Input(tokens, len(head), len(head) + target[0] - low, len(head) + target[1] - low)

    def _passage(self, text: str) -> Encoding:
        if text not in self._passages:
            self._passages[text] = self._tokenizer.encode(text, add_special_tokens=False)
        return self._passages[text]


def _special(tokenizer: Tokenizer, token: str) -> int:
    number = tokenizer.token_to_id(token)
    if number is None:
        raise ReaderError(f"the reader's tokenizer has no token {token}; start from a BERT model")
    return number


def _token_span(offsets: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int] | None:
    """The first and the last token that reach into characters `start` to `end`; None if no token does."""
    inside = [row for row, (low, high) in enumerate(offsets) if low < end and high > start]
    return (inside[0], inside[-1]) if inside else None


def _stretch(size: int, room: int, target: tuple[int, int] | None, random: Random) -> int:
    """The first token of a stretch of `room` out of `size` tokens, with the target inside it."""
    if size <= room:
        return 0
    lowest, highest = (0, size - room) if target is None else (target[1] - room + 1, target[0])
    return random.randint(max(lowest, 0), min(highest, size - room))


def batches(
    questions: Iterable[tuple[Input, ...]], batch_tokens: int, random: Random
) -> Iterator[list[tuple[Input, ...]]]:
    """All questions' inputs in random order, in batches of one padded length and about `batch_tokens` tokens."""
    by_length: dict[int, list[tuple[Input, ...]]] = {}
    for inputs in questions:
        by_length.setdefault(padded_length(inputs), []).append(inputs)
    cut = []
    for length, same in sorted(by_length.items()):
        random.shuffle(same)
        cut += list(_filled(same, max(1, batch_tokens // length)))
    random.shuffle(cut)
    yield from cut


def _filled(questions: Iterable[tuple[Input, ...]], size: int) -> Iterator[list[tuple[Input, ...]]]:
    """Questions in batches of up to `size` inputs; one question alone may have more."""
    batch: list[tuple[Input, ...]] = []
    count = 0
    for inputs in questions:
        if batch and count + len(inputs) > size:
            yield batch
            batch, count = [], 0
        batch.append(inputs)
        count += len(inputs)
    if batch:
        yield batch


def padded_length(inputs: Sequence[Input]) -> int:
    """The longest input's length rounded up."""
    return -(-max(len(one.tokens) for one in inputs) // LENGTH_STEP) * LENGTH_STEP


def collate(questions: Sequence[tuple[Input, ...]]) -> Batch:
    """The inputs of several questions padded to a common length, as tensors."""
    inputs = [one for of_question in questions for one in of_question]
    size = padded_length(inputs)
    tokens = torch.zeros(len(inputs), size, dtype=torch.int64)
    segments = torch.zeros_like(tokens)
    real = torch.zeros(len(inputs), size, dtype=torch.bool)
    places = torch.zeros_like(real)
    places[:, 0] = True
    for row, one in enumerate(inputs):
        count = len(one.tokens)
        tokens[row, :count] = torch.tensor(one.tokens)
        segments[row, one.first : count] = 1
        real[row, :count] = True
        places[row, one.first : count - 1] = True
    starts = torch.tensor([one.start for one in inputs])
    ends = torch.tensor([one.end for one in inputs])
    numbers = [number for number, of_question in enumerate(questions) for _ in of_question]
    return Batch(tokens, segments, real, places, starts, ends, torch.tensor(numbers))
