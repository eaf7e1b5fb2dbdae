"""What the whole suite stands on: no network, no library but the test's own, a reader small enough for every test."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import socket
import string
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import docqa
from docqa.reader import lengths

settings.register_profile(
    "docqa",
    deadline=None,
    max_examples=60,
    # Fixtures that a property uses are read-only or made anew inside it.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("docqa")

SAMPLE_LIBRARY = Path(__file__).parents[1] / "data" / "library"

# Runs at the start of every child process whose PYTHONPATH names the folder that holds it.
_GUARD = """
import errno, os, socket

def _refused(*arguments, **options):
    with open(os.environ["DOCQA_TEST_NETWORK_LOG"], "a") as log:
        print(arguments, file=log)
    raise OSError(errno.ENETUNREACH, "network is unreachable")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = _refused
"""


@pytest.fixture(scope="module")
def short_inputs_drop() -> Iterator[None]:
    """Let a length configuration drop tokens of the few that tests like to read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lengths, "LEAST_KEPT", 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def network_attempts() -> Iterator[list[Any]]:
    """Refuse every connection that leaves the machine, and list the attempts."""
    attempts: list[Any] = []

    def guarded(real: Any) -> Any:
        def connect(self: socket.socket, address: Any) -> Any:
            if self.family == socket.AF_UNIX or _is_loopback(address[0]):
                return real(self, address)
            attempts.append(address)
            raise OSError(f"tests must not reach {address}")

        return connect

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield attempts


@pytest.fixture(scope="session", autouse=True)
def _no_added_readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let the shipped reader answer, whatever this machine's user has added."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCQA_READERS", str(tmp_path_factory.mktemp("no") / "readers"))
        yield


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's measurements of the machine are kept."""
    monkeypatch.setenv("DOCQA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's own readers are added."""
    monkeypatch.setenv("DOCQA_READERS", str(tmp_path / "readers"))
    return tmp_path / "readers"


@pytest.fixture(autouse=True)
def _without_network(network_attempts: list[Any]) -> Iterator[None]:
    network_attempts.clear()
    yield
    assert network_attempts == []


@pytest.fixture(autouse=True)
def _without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCQA_LIBRARY", "DOCQA_CONFIG", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture
def guarded_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment for child processes without network; DOCQA_TEST_NETWORK_LOG names a file of attempts."""
    folder = tmp_path_factory.mktemp("guard")
    (folder / "sitecustomize.py").write_text(_GUARD)
    return {
        **{name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"},
        # The docqa that is tested, wherever another one is installed.
        "PYTHONPATH": os.pathsep.join((str(folder), str(Path(docqa.__file__).parents[1]))),
        "DOCQA_TEST_NETWORK_LOG": str(folder / "attempts"),
        "OMP_NUM_THREADS": "1",
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "HF_HOME": str(folder / "hub"),
    }


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Where a library may be made."""
    return tmp_path / "under test" / "library.docqa"


@pytest.fixture
def engine(library: Path) -> Iterator[docqa.DocQA]:
    """An engine on that library."""
    with docqa.DocQA(library) as opened:
        yield opened


@pytest.fixture(scope="session")
def sample_folder() -> Path:
    return SAMPLE_LIBRARY


@pytest.fixture(scope="session")
def _indexed_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from docqa import DocQA

    path = tmp_path_factory.mktemp("sample") / "sample.docqa"
    with DocQA(path) as made:
        made.index([SAMPLE_LIBRARY])
    return path


@pytest.fixture
def sample(_indexed_sample: Path, tmp_path: Path) -> Path:
    """The sample library, indexed: a copy of this test's own."""
    return Path(shutil.copy(_indexed_sample, tmp_path / "sample.docqa"))


@pytest.fixture(scope="session")
def tiny_reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader model folder as transformers writes it: two layers, random weights, every ASCII text tokenises."""
    folder = tmp_path_factory.mktemp("reader") / "tiny"
    write_tokenizer(folder)
    write_model(folder, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    return folder


@pytest.fixture
def in_the_hubs_layout() -> Callable[[Path], Path]:
    """A function that turns a reader folder into pickled weights and a bare vocabulary, as the hub's older ones."""
    return _in_the_hubs_layout


def _in_the_hubs_layout(folder: Path) -> Path:
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in sorted(vocabulary, key=vocabulary.__getitem__)))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": True, "tokenizer_class": "BertTokenizer"})
    )
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).unlink()
    return folder


@pytest.fixture
def foreign(tiny_reader: Path, tmp_path: Path) -> Path:
    """A tiny checkpoint of this test's own, in the hub's older layout."""
    return _in_the_hubs_layout(Path(shutil.copytree(tiny_reader, tmp_path / "foreign")))


def vocabulary() -> dict[str, int]:
    words = ["the", "of", "lease", "rent", "boiler", "garden", "ends", "river", "is", "in", "what", "when", "who"]
    characters = sorted({*string.ascii_lowercase, *string.digits, *string.punctuation})
    pieces = [f"##{character}" for character in string.ascii_lowercase + string.digits]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *pieces, *words]
    return {token: number for number, token in enumerate(tokens)}


def write_tokenizer(folder: Path) -> None:
    from tokenizers import BertWordPieceTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    BertWordPieceTokenizer(vocabulary(), lowercase=True).save(str(folder / "tokenizer.json"))


def write_model(folder: Path, **sizes: int) -> None:
    import torch
    from transformers import BertConfig, BertForQuestionAnswering
    from transformers.utils import logging

    torch.manual_seed(0)
    # A wide initialisation makes attention uneven, as in a trained model.
    config = BertConfig(**{"vocab_size": len(vocabulary()), "initializer_range": 0.3, **sizes})
    logging.disable_progress_bar()
    BertForQuestionAnswering(config).eval().save_pretrained(folder)


@pytest.fixture(scope="session")
def python() -> str:
    return sys.executable


@pytest.fixture(scope="session")
def program(python: str) -> list[str]:
    """The installed program."""
    return [str(Path(python).parent / "docqa")]
