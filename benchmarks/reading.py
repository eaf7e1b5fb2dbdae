"""The reader with the gold paragraph given: docqa's forward pass beside transformers', with the same weights.

Questions of SQuAD 1.1 dev part 1. transformers' side is what its users write: BertForQuestionAnswering in
float32 on windows of 384 tokens with a stride of 128 from the fast tokenizer, and of the 20 best starts and
ends the pair with the highest sum within 30 tokens. All contenders answer every question in turn, the order
changing from question to question, so that the ratio of their times does not depend on the machine's mood.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

import harness
import numpy as np
from numpy.typing import NDArray

from docqa.errors import UsageError
from docqa.evaluation.datasets import read_squad
from docqa.evaluation.metrics import exact_match, f1
from docqa.evaluation.reading import answerable, best_text

WINDOW_TOKENS = 384
STRIDE_TOKENS = 128
ANSWER_TOKENS = 30
BEST = 20
WARM_UP = 3

Answer = Callable[[str, str], str]


@dataclass
class Contender:
    """One way of reading, and what it answered in how many milliseconds."""

    name: str
    answer: Answer
    answers: list[str] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)


def benchmark(arguments: argparse.Namespace) -> harness.Table:
    from docqa.reader.catalogue import shipped_folder
    from docqa.reader.reader import Reader

    folder = Path(arguments.reader) if arguments.reader else shipped_folder()
    squad = read_squad(harness.data_path(arguments.data, harness.SQUAD_V1))
    asked = answerable(squad, arguments.sample)
    single, half = Reader(folder, precision="float32"), Reader(folder, precision="bfloat16")
    contenders = [
        Contender("transformers float32", transformers_reader(folder)),
        Contender("docqa float32", lambda question, passage: best_text(single, question, passage)),
        Contender("docqa bfloat16", lambda question, passage: best_text(half, question, passage)),
    ]
    for paragraph, question in asked[:WARM_UP]:
        for contender in contenders:
            contender.answer(question.text, paragraph.text)
    tell = harness.progress("questions")
    for number, (paragraph, question) in enumerate(asked):
        for contender in _rotated(contenders, number):
            started = time.perf_counter()
            contender.answers.append(contender.answer(question.text, paragraph.text))
            contender.ms.append(1000 * (time.perf_counter() - started))
        tell(number + 1, len(asked))
    golds = [question.answers for _, question in asked]
    return _table(f"{squad.name}, {len(asked)} questions, reader {single.name}", contenders, golds)


def _rotated(contenders: Sequence[Contender], number: int) -> list[Contender]:
    first = number % len(contenders)
    return [*contenders[first:], *contenders[:first]]


def _table(title: str, contenders: Sequence[Contender], golds: Sequence[Sequence[str]]) -> harness.Table:
    peer = contenders[0]
    table = harness.Table(
        f"Gold paragraph: {title}",
        ("reader", "EM, %", "F1, %", "ms a question (mean)", "(median)", "times faster", "same answer, %"),
        remarks=["Times faster: transformers' mean time over this reader's, in this run."],
    )
    for contender in contenders:
        figures: dict[str, Any] = {
            "exact": fmean(map(exact_match, contender.answers, golds)),
            "f1": fmean(map(f1, contender.answers, golds)),
            "ms_mean": fmean(contender.ms),
            "ms_median": median(contender.ms),
            "times_faster": fmean(peer.ms) / fmean(contender.ms),
            "same_answer": fmean(a == b for a, b in zip(contender.answers, peer.answers, strict=True)),
        }
        table.details[contender.name] = figures
        table.rows.append(
            (
                contender.name,
                harness.percent(figures["exact"]),
                harness.percent(figures["f1"]),
                f"{figures['ms_mean']:.1f}",
                f"{figures['ms_median']:.1f}",
                f"{figures['times_faster']:.2f}",
                harness.percent(figures["same_answer"]),
            )
        )
    return table


def transformers_reader(folder: Path) -> Answer:
    """The peer: BertForQuestionAnswering with its fast tokenizer, on windows padded to a multiple of 32 tokens."""
    import torch
    from transformers import BertForQuestionAnswering, PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer_file = folder / "tokenizer.json"
    if not tokenizer_file.is_file():
        raise UsageError(f"{tokenizer_file} is not there; name a reader model's folder with --reader DIR")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer_file),
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
    )
    model = BertForQuestionAnswering.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()

    @torch.inference_mode()
    def answer(question: str, passage: str) -> str:
        windows = tokenizer(
            question,
            passage,
            truncation="only_second",
            max_length=WINDOW_TOKENS,
            stride=STRIDE_TOKENS,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_token_type_ids=True,
            padding=True,
            pad_to_multiple_of=32,
            return_tensors="pt",
        )
        names = ("input_ids", "token_type_ids", "attention_mask")
        output = model(**{name: windows[name] for name in names})
        offsets = windows["offset_mapping"].numpy()
        best = (-np.inf, 0, 0)
        for row in range(len(offsets)):
            inside = np.array([part == 1 for part in windows.sequence_ids(row)])
            starts, ends = output.start_logits[row].numpy(), output.end_logits[row].numpy()
            best = max(best, best_pair(starts, ends, inside, offsets[row]))
        return passage[best[1] : best[2]]

    return answer


def best_pair(
    starts: NDArray[np.float32], ends: NDArray[np.float32], inside: NDArray[np.bool_], offsets: NDArray[np.int64]
) -> tuple[float, int, int]:
    """The highest sum of a start and an end among the 20 best of each, and its characters; (-inf, 0, 0) for none.

    Both stand in the passage, where `inside` holds; the end is no earlier than the start, nor 30 tokens later.
    """
    best = (-np.inf, 0, 0)
    for start in np.argsort(-starts)[:BEST]:
        for end in np.argsort(-ends)[:BEST]:
            if not (inside[start] and inside[end]) or not 0 <= end - start < ANSWER_TOKENS:
                continue
            best = max(best, (float(starts[start] + ends[end]), int(offsets[start][0]), int(offsets[end][1])))
    return best


if __name__ == "__main__":
    harness.run(benchmark, harness.options(__doc__))
