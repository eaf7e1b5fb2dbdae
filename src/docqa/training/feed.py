"""The batches of a run, made as they are needed, from any position on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from docqa.errors import UsageError
from docqa.training.data import Mix, Place
from docqa.training.inputs import Batch, Encoder, Input, batches, collate

# Inputs of like length are looked for among so many questions, so only theirs are held in memory.
CHUNK_QUESTIONS = 4096


@dataclass(frozen=True, slots=True)
class Position:
    """What comes next: the batch of the chunk of the pass over the data, each counted from 0."""

    data_pass: int = 0
    chunk: int = 0
    batch: int = 0


class Feed(Iterator[Batch]):
    """Endless batches, pass after pass. They depend on the seed and the position only.

    Set `position` to go on from there. UsageError if a whole pass holds nothing to learn from.
    """

    def __init__(self, mix: Mix, encoder: Encoder, batch_tokens: int, seed: int) -> None:
        self.position = Position()
        self._mix = mix
        self._encoder = encoder
        self._batch_tokens = batch_tokens
        self._seed = seed
        self._made: tuple[tuple[int, int], list[list[tuple[Input, ...]]]] | None = None
        self._chosen: tuple[int, list[Place]] | None = None

    def __next__(self) -> Batch:
        """The batch at the position, which moves on."""
        barren = 0
        while self.position.batch >= len(cut := self._chunk()):
            at = self.position
            if (at.chunk + 1) * CHUNK_QUESTIONS < len(self._selection()):
                self.position = Position(at.data_pass, at.chunk + 1)
            else:
                self.position = Position(at.data_pass + 1)
                barren += 1
            if barren > 1:
                raise UsageError("the training data holds no question that could be learnt from")
        at = self.position
        self.position = Position(at.data_pass, at.chunk, at.batch + 1)
        return collate(cut[at.batch])

    def _selection(self) -> list[Place]:
        """The questions of the position's pass, in the order they are met."""
        number = self.position.data_pass
        if self._chosen is None or self._chosen[0] != number:
            self._chosen = number, self._mix.selection(self._random(number))
        return self._chosen[1]

    def _chunk(self) -> list[list[tuple[Input, ...]]]:
        """All batches of the position's chunk."""
        key = self.position.data_pass, self.position.chunk
        if self._made is None or self._made[0] != key:
            random = self._random(*key)
            low = key[1] * CHUNK_QUESTIONS
            examples = (self._mix.passages(place, random) for place in self._selection()[low : low + CHUNK_QUESTIONS])
            encoded = (self._encoder.encode_all(each, random) for each in examples)
            self._made = key, list(batches(filter(None, encoded), self._batch_tokens, random))
        return self._made[1]

    def _random(self, *numbers: int) -> Random:
        return Random("/".join(map(str, (self._seed, *numbers))))  # noqa: S311 (no secret)
