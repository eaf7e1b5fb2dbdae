from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from docqa.reader.model import BertShape, SpanModel
from docqa.training.reader_folder import write_reader

CITIES = ("paris", "oslo", "lima", "quito", "cairo", "delhi")
RIVERS = ("seine", "aker", "rimac", "machangara", "nile", "yamuna")
WORDS = ("what", "river", "flows", "through", "the", "in", "mayor", "is", "who", "green", "big", "a", "?", ".")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums are the same bit by bit only if they are always split the same way."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    tokens = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *CITIES, *RIVERS, *WORDS)
    made = Tokenizer(WordPiece({token: number for number, token in enumerate(tokens)}, unk_token="[UNK]"))
    made.normalizer = BertNormalizer(lowercase=True)
    made.pre_tokenizer = BertPreTokenizer()
    return made


@pytest.fixture(scope="session")
def tiny_model() -> SpanModel:
    torch.manual_seed(0)
    shape = BertShape(
        vocab_size=64,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    return SpanModel(shape)


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer, tiny_model: SpanModel) -> Path:
    folder = tmp_path_factory.mktemp("readers") / "tiny"
    write_reader(folder, "tiny", tiny_model, tokenizer, "A reader for tests.\n")
    return folder


def squad_text(articles: list[tuple[str, list[tuple[str, list[dict[str, Any]]]]]]) -> str:
    """A list of (title, [(context, [entry, ...]), ...]) in SQuAD's format."""
    data = [
        {"title": title, "paragraphs": [{"context": context, "qas": qas} for context, qas in paragraphs]}
        for title, paragraphs in articles
    ]
    return json.dumps({"data": data})


@pytest.fixture
def squad_file(tmp_path: Path) -> Callable[..., Path]:
    def write(articles: list[tuple[str, list[tuple[str, list[dict[str, Any]]]]]], name: str = "toy.json") -> Path:
        file = tmp_path / name
        file.write_text(squad_text(articles), encoding="utf-8")
        return file

    return write


def asked(question: str, answer: str | None = None, start: int = 0) -> dict[str, Any]:
    answers = [] if answer is None else [{"text": answer, "answer_start": start}]
    return {"id": question, "question": question, "answers": answers, "is_impossible": answer is None}


@pytest.fixture(scope="session")
def write_rivers() -> Callable[[Path], Path]:
    """Write six articles of one paragraph each, with a question that it answers and one that it does not."""

    def write(folder: Path) -> Path:
        articles = []
        for city, river in zip(CITIES, RIVERS, strict=True):
            context = f"The big {river} flows through {city}."
            questions = [
                asked(f"What river flows through {city}?", river, len("The big ")),
                asked(f"Who is mayor in {city}?"),
            ]
            articles.append((city, [(context, questions)]))
        file = folder / "toy.json"
        file.write_text(squad_text(articles), encoding="utf-8")
        return file

    return write


@pytest.fixture
def rivers(tmp_path: Path, write_rivers: Callable[[Path], Path]) -> Path:
    return write_rivers(tmp_path)
