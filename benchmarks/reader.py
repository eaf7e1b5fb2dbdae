"""The reader beside its peers: speed as ratios, accuracy, the arithmetic's limit, and the start of the program.

Ten passages a question, of which one is the gold paragraph of SQuAD 1.1 dev part 1 and nine come from other
articles. All contenders read the same passages in turn, the order changing from question to question, so that the
ratio of their times does not depend on the machine's mood. F1 and exact match are those of the best span in the
gold paragraph.

transformers is used as its users do: BertForQuestionAnswering in float32 with the fast tokenizer, batches of ten,
windows of 384 tokens with a stride of 128, and of the 20 best starts and ends the pair with the highest sum within
30 tokens. Padded to 384 tokens is the set-up of Dynamic-TinyBERT's paper; where only time is measured, weights are
random. Haystack's ExtractiveReader and txtai's Questions run with their defaults in environments of their own under
`.bench`, made at the first run from the package index.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

import harness
import numpy as np
import peers
from numpy.typing import NDArray

from docqa.errors import UsageError
from docqa.evaluation.datasets import read_squad, sample
from docqa.evaluation.metrics import exact_match, f1
from docqa.evaluation.reading import answerable

HAYSTACK = ("haystack-ai==2.20.0", "transformers==4.57.1", "torch==2.13.0", "accelerate==1.15.0")
TXTAI = ("txtai==9.14.0", "transformers==5.23.0", "torch==2.13.0")
WINDOW_TOKENS = 384
STRIDE_TOKENS = 128
ANSWER_TOKENS = 30
BEST = 20
PASSAGES = 10
WARM_UP = 2
# Reading ten passages with BERT-base takes seconds, so not every question is timed.
TIMED = 20
COLD_RUNS = 5
LIMIT_TOKENS = 192

Read = Callable[[str, Sequence[str]], tuple[list[str], float]]
"""From a question and passages to the best answer in each passage, and the milliseconds that took."""


@dataclass
class Contender:
    """One way of reading, what it answered in how many milliseconds; `judged` is whether its answers mean anything."""

    name: str
    read: Read
    judged: bool = True
    answers: list[str] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """A question, ten passages with the gold paragraph first, and the gold answers."""

    question: str
    passages: list[str]
    gold: Sequence[str]


def benchmark(arguments: argparse.Namespace) -> harness.Table:
    from docqa.reader.catalogue import shipped_folder
    from docqa.reader.reader import Reader

    folder = (Path(arguments.reader) if arguments.reader else shipped_folder()).resolve()
    asked = questions(harness.data_path(arguments.data, harness.SQUAD_V1), arguments.sample)
    with ExitStack() as stack:
        place = Path(stack.enter_context(TemporaryDirectory()))
        contenders = [*transformers_contenders(folder, place), *docqa_contenders(folder, place)]
        versions: dict[str, dict[str, str]] = {}
        for name, requirements in (("haystack", HAYSTACK), ("txtai", TXTAI)):
            if name not in arguments.without:
                setup = {"peer": name, "model": str(folder)}
                worker = stack.enter_context(peers.worker(name, requirements, "reader_worker.py", setup))
                contenders.append(Contender(name, of_worker(worker)))
                versions[name] = worker.ready["versions"]
        judge([each for each in contenders if each.judged], asked)
        race(contenders, sample(asked, TIMED))
    table = tabulated(contenders, asked, Reader(folder).name)
    table.remarks += [*limits(folder, table), *cold_start(folder, table)]
    table.remarks += [f"{name}: {', '.join(f'{k} {v}' for k, v in found.items())}." for name, found in versions.items()]
    if arguments.plot:
        arguments.plot.write_text(plot(table), encoding="utf-8")
    return table


def questions(file: Path, count: int | None) -> list[Asked]:
    """Questions with their gold paragraph and nine others at even distances through the set."""
    squad = read_squad(file)
    paragraphs = [paragraph.text for article in squad.articles for paragraph in article.paragraphs]
    asked = []
    for number, (paragraph, question) in enumerate(answerable(squad, count)):
        start = number % len(paragraphs)
        others = [text for text in paragraphs[start:] + paragraphs[:start] if text != paragraph.text]
        asked.append(Asked(question.text, [paragraph.text, *sample(others, PASSAGES - 1)], question.answers))
    return asked


# --- contenders ---------------------------------------------------------------------------------------------


def transformers_contenders(folder: Path, place: Path) -> list[Contender]:
    base = random_reader(place / "bert-base", folder, hidden_size=768, num_hidden_layers=12, intermediate_size=3072)
    return [
        Contender("transformers, BERT-base, padded to 384", transformers_reader(base, padded=True), judged=False),
        Contender("transformers, same weights", transformers_reader(folder)),
    ]


def docqa_contenders(folder: Path, place: Path) -> list[Contender]:
    """Docqa with the same weights by each effort and each measured configuration, and of Dynamic-TinyBERT's shape."""
    from docqa.reader.choices import EFFORTS
    from docqa.reader.reader import Reader

    reader = Reader(folder)
    tiny = random_reader(
        place / "dynamic-tinybert", folder, hidden_size=768, num_hidden_layers=6, intermediate_size=3072
    )
    table = reader.lengths_table
    by_effort = {effort: table.choose(effort).lengths if table else None for effort in EFFORTS}
    found = [
        Contender(f"docqa {effort} ({reader.precision})", of_reader(reader, lengths))
        for effort, lengths in by_effort.items()
    ]
    found.append(Contender("docqa float32, full length", of_reader(Reader(folder, precision="float32"), None)))
    balanced = by_effort["balanced"] if reader.layers == 6 else None
    larger = Reader(tiny, precision=reader.precision)
    found.append(
        Contender(f"docqa, Dynamic-TinyBERT's shape, balanced ({larger.precision})", of_reader(larger, balanced), False)
    )
    chosen = {lengths.shares for lengths in by_effort.values() if lengths}
    for row in table.rows if table else ():
        if row.shares not in chosen and not row.lengths.is_full:
            name = "docqa keeping " + " ".join(f"{share:.2f}" for share in row.shares)
            found.append(Contender(name, of_reader(reader, row.lengths)))
    return found


def of_reader(reader: Any, lengths: Any) -> Read:
    def read(question: str, passages: Sequence[str]) -> tuple[list[str], float]:
        started = time.perf_counter()
        found = reader.read(question, passages, lengths=lengths).spans
        texts = [
            text[spans[0].start : spans[0].end] if spans else "" for text, spans in zip(passages, found, strict=True)
        ]
        return texts, 1000 * (time.perf_counter() - started)

    return read


def of_worker(worker: peers.Worker) -> Read:
    def read(question: str, passages: Sequence[str]) -> tuple[list[str], float]:
        reply = worker.exchange({"question": question, "passages": list(passages)})
        return reply["answers"], reply["ms"]

    return read


def random_reader(folder: Path, tokenizer_of: Path, **sizes: int) -> Path:
    """A reader of random weights in the layout that transformers writes, with another reader's tokenizer."""
    import torch
    from transformers import BertConfig, BertForQuestionAnswering
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    BertForQuestionAnswering(BertConfig(num_attention_heads=12, **sizes)).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((tokenizer_of / "tokenizer.json").read_bytes())
    return folder


def transformers_reader(folder: Path, *, padded: bool = False) -> Read:
    """The peer: BertForQuestionAnswering with its fast tokenizer; `padded` is to 384 tokens, else to the longest."""
    import torch
    from transformers import BertForQuestionAnswering, PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer_file = folder / "tokenizer.json"
    if not tokenizer_file.is_file():
        raise UsageError(f"{tokenizer_file} is not there; name a reader model's folder with --reader DIR")
    special = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer_file), **special)
    model = BertForQuestionAnswering.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()

    @torch.inference_mode()
    def read(question: str, passages: Sequence[str]) -> tuple[list[str], float]:
        started = time.perf_counter()
        windows = tokenizer(
            [question] * len(passages),
            list(passages),
            truncation="only_second",
            max_length=WINDOW_TOKENS,
            stride=STRIDE_TOKENS,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_token_type_ids=True,
            padding="max_length" if padded else True,
            return_tensors="pt",
        )
        offsets, passage_of = windows["offset_mapping"].numpy(), windows["overflow_to_sample_mapping"].tolist()
        best = [(-np.inf, 0, 0)] * len(passages)
        for first in range(0, len(offsets), PASSAGES):
            rows = slice(first, first + PASSAGES)
            names = ("input_ids", "token_type_ids", "attention_mask")
            output = model(**{name: windows[name][rows] for name in names})
            for row in range(first, min(first + PASSAGES, len(offsets))):
                inside = np.array([part == 1 for part in windows.sequence_ids(row)])
                starts, ends = (each[row - first].numpy() for each in (output.start_logits, output.end_logits))
                passage = passage_of[row]
                best[passage] = max(best[passage], best_pair(starts, ends, inside, offsets[row]))
        texts = [text[start:end] for text, (_, start, end) in zip(passages, best, strict=True)]
        return texts, 1000 * (time.perf_counter() - started)

    return read


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


# --- measuring ----------------------------------------------------------------------------------------------


def judge(contenders: Sequence[Contender], asked: Sequence[Asked]) -> None:
    """Let every contender answer every question from the gold paragraph."""
    tell = harness.progress("judged")
    for number, each in enumerate(asked, 1):
        for contender in contenders:
            texts, _ = contender.read(each.question, each.passages[:1])
            contender.answers.append(texts[0])
        tell(number, len(asked))


def race(contenders: Sequence[Contender], asked: Sequence[Asked]) -> None:
    """Time every contender on ten passages a question, each of them first equally often."""
    for each in asked[:WARM_UP]:
        for contender in contenders:
            contender.read(each.question, each.passages)
    tell = harness.progress("timed")
    for number, each in enumerate(asked):
        first = number % len(contenders)
        for contender in [*contenders[first:], *contenders[:first]]:
            contender.ms.append(contender.read(each.question, each.passages)[1])
        tell(number + 1, len(asked))


def limits(folder: Path, table: harness.Table) -> list[str]:
    """How near a batch of ten passages comes to what its matrix products alone would take, by arithmetic."""
    import torch

    from docqa.reader import arithmetic, weights
    from docqa.reader.model import operations

    told, device = [], torch.device("cpu")
    for name in arithmetic.in_hardware(device):
        model = arithmetic.computed_in(weights.load(folder).model, name, device)
        tokens = torch.randint(1000, 2000, (PASSAGES, LIMIT_TOKENS))
        inputs = tokens, torch.zeros_like(tokens), torch.ones_like(tokens, dtype=torch.bool)
        with torch.inference_mode():
            ms = best_ms(lambda inputs=inputs, model=model: model(*inputs))  # type: ignore[misc]
            rate = product_rate(name, model.shape.hidden_size, model.shape.intermediate_size)
        count = PASSAGES * operations(model.shape, LIMIT_TOKENS)
        share = count / rate / ms
        table.details[f"limit {name}"] = {"ms": ms, "operations": count, "operations_per_ms": rate, "share": share}
        told.append(
            f"{name}: {PASSAGES} × {LIMIT_TOKENS} tokens in {ms:.0f} ms, {count / ms / 1e6:.0f} GFLOP/s,"
            f" {share:.0%} of the {rate / 1e6:.0f} that its matrix products reach alone."
        )
    return told


def product_rate(name: str, width: int, wider: int) -> float:
    """Operations a millisecond of this machine's matrix products of the model's widest shape."""
    import torch

    from docqa.reader.arithmetic import IntegerLinear

    linear = torch.nn.Linear(width, wider)
    inputs = torch.randn(PASSAGES * LIMIT_TOKENS, width)
    if name == "int8":
        integers = IntegerLinear(linear)
        ms = best_ms(lambda: integers(inputs))
    else:
        dtype = getattr(torch, name)
        linear, inputs = linear.to(dtype), inputs.to(dtype)
        ms = best_ms(lambda: linear(inputs))
    return 2.0 * inputs.shape[0] * width * wider / ms


def best_ms(work: Callable[[], Any], repeats: int = 20) -> float:
    """The best of several runs: what the machine can do when nothing disturbs it."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - started))
    return min(taken[1:])


def cold_start(folder: Path, table: harness.Table) -> list[str]:
    """`docqa ask` on the sample library, beside a process that only imports what reading cannot do without."""
    from docqa.reader.catalogue import shipped

    question = "What is the rent for the flat from March 2025?"
    with TemporaryDirectory() as place:
        environment = {**os.environ, "DOCQA_LIBRARY": f"{place}/sample.docqa"}
        # Installed modules are compiled, as those of torch are here; docqa's own are at the first run.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        docqa = [sys.executable, "-c", "from docqa.cli import main; main()"]
        subprocess.run([*docqa, "index", shipped("library")], env=environment, check=True, capture_output=True)
        commands = {
            "ask": [*docqa, "ask", "--reader", str(folder), question],
            "imports": [sys.executable, "-c", "import torch, tokenizers, safetensors"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(1 + COLD_RUNS):
            for name, command in commands.items():
                started = time.perf_counter()
                subprocess.run(command, env=environment, check=True, capture_output=True)
                times[name].append(time.perf_counter() - started)
    ask, imports = (median(times[name][1:]) for name in ("ask", "imports"))
    table.details["cold start"] = {"ask_s": ask, "imports_s": imports, "ratio": ask / imports}
    return [
        f"docqa ask, cold, sample library: {ask:.2f} s, {ask / imports:.2f} × the time of importing torch, tokenizers"
        f" and safetensors ({imports:.2f} s)."
    ]


# --- telling ------------------------------------------------------------------------------------------------


def tabulated(contenders: Sequence[Contender], asked: Sequence[Asked], reader: str) -> harness.Table:
    by_name = {each.name: each for each in contenders}
    base, same = (each for each in contenders[:2])
    outside = [by_name[name] for name in ("haystack", "txtai") if name in by_name]
    against = [("BERT-base", base), ("same weights", same), *((each.name, each) for each in outside)]
    table = harness.Table(
        f"Reader {reader}: {len(asked)} questions, {len(base.ms)} of them timed with {PASSAGES} passages each",
        ("reader", "EM, %", "F1, %", "ms (median)", *(f"× {name}" for name, _ in against)),
        remarks=[
            "× BERT-base …: the mean time of transformers' BERT-base padded to 384 tokens, of transformers with the"
            " same weights, and of the other peers, over this reader's, in this run."
        ],
    )
    golds = [each.gold for each in asked]
    for each in contenders:
        figures: dict[str, Any] = {"ms_mean": fmean(each.ms), "ms_median": median(each.ms)}
        figures["times"] = {name: fmean(other.ms) / fmean(each.ms) for name, other in against}
        figures["exact"] = fmean(map(exact_match, each.answers, golds)) if each.judged else None
        figures["f1"] = fmean(map(f1, each.answers, golds)) if each.judged else None
        table.details[each.name] = figures
        table.rows.append(
            (
                each.name,
                harness.percent(figures["exact"]),
                harness.percent(figures["f1"]),
                f"{figures['ms_median']:.1f}",
                *(f"{ratio:.2f}" for ratio in figures["times"].values()),
            )
        )
    return table


WIDTH, HEIGHT, MARGIN = 720, 440, 60
# The height of a line of text in the plot.
LINE = 13


def plot(table: harness.Table) -> str:
    """F1 against time as an SVG picture, one point for each reader whose answers were judged."""
    points = [
        (row[0], table.details[row[0]]["ms_median"], 100 * table.details[row[0]]["f1"])
        for row in table.rows
        if table.details[row[0]]["f1"] is not None
    ]
    most_ms, low, high = max(ms for _, ms, _ in points), min(f for *_, f in points) - 2, max(f for *_, f in points) + 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">milliseconds for ten passages (median)</text>',
        f'<text x="16" y="{HEIGHT / 2}" transform="rotate(-90 16 {HEIGHT / 2})" text-anchor="middle">F1, %</text>',
    ]
    across, down = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN
    for step in range(6):
        x, y = MARGIN + across * step / 5, HEIGHT - MARGIN - down * step / 5
        parts += [
            f'<path d="M{x} {MARGIN}V{HEIGHT - MARGIN}M{MARGIN} {y}H{WIDTH - MARGIN}" stroke="#ddd"/>',
            f'<text x="{x}" y="{HEIGHT - MARGIN + 16}" text-anchor="middle">{most_ms * 1.05 * step / 5:.0f}</text>',
            f'<text x="{MARGIN - 6}" y="{y + 4}" text-anchor="end">{low + (high - low) * step / 5:.1f}</text>',
        ]
    labels: list[tuple[float, float]] = []
    for name, ms, reached in points:
        x = MARGIN + across * ms / (most_ms * 1.05)
        y = HEIGHT - MARGIN - down * (reached - low) / (high - low)
        ours, named = name.startswith("docqa"), "keeping" not in name
        colour = "#06c" if ours else "#c40"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{name}</title></circle>')
        if named:
            anchor, shift = ("end", -8) if x > WIDTH - 220 else ("start", 8)
            # A label that would stand on another one moves down.
            top = y - 6
            while any(abs(top - taken) < LINE and abs(x - beside) < 220 for beside, taken in labels):
                top += LINE
            labels.append((x, top))
            parts.append(f'<text x="{x + shift:.1f}" y="{top:.1f}" text-anchor="{anchor}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def options() -> argparse.ArgumentParser:
    parser = harness.options(__doc__)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw F1 against time into FILE (SVG)")
    parser.add_argument(
        "--without", action="append", default=[], choices=("haystack", "txtai"), help="leave a peer out"
    )
    return parser


if __name__ == "__main__":
    harness.run(benchmark, options())
