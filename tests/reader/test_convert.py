"""Foreign checkpoints become reader model folders: from folders, and from a hub over real connections."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import tables
import torch
from safetensors.torch import load_file, save_file

from docqa import DocQA
from docqa.errors import ReaderError, UsageError
from docqa.reader import catalogue, weights
from docqa.reader.convert import add

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def _own_readers(readers: Path) -> None:
    """None of these tests touches anyone's readers."""


def assert_reads_like_transformers(added: catalogue.ReaderEntry, original: Path) -> None:
    """The same logits for the same tokens, and the same tokens for the same texts."""
    from transformers import AutoTokenizer, BertForQuestionAnswering

    loaded = weights.load(added.name)
    inputs = AutoTokenizer.from_pretrained(original)(
        ["When does the lease end?", "Who?"],
        ["The Lease’s rent: naïve 日本 ends in [May].", "The river is in the garden."],
        padding=True,
        return_tensors="pt",
    )
    ours = loaded.tokenizer.encode("Who?", "The river is in the garden.").ids
    assert ours == inputs["input_ids"][1][inputs["attention_mask"][1].bool()].tolist()
    with torch.inference_mode():
        expected = BertForQuestionAnswering.from_pretrained(original).eval()(**inputs)
        real = inputs["attention_mask"].bool()
        found = loaded.model(inputs["input_ids"], inputs["token_type_ids"], real)
    assert (found[..., 0] - expected.start_logits)[real].abs().max() <= 1e-4
    assert (found[..., 1] - expected.end_logits)[real].abs().max() <= 1e-4


def assert_is_sound(folder: Path) -> None:
    """Every file is as the manifest says, and the manifest lists every file."""
    listed = dict(reversed(line.split("  ")) for line in (folder / catalogue.MANIFEST).read_text().splitlines())
    assert set(listed) == {path.name for path in folder.iterdir()} - {catalogue.MANIFEST}
    assert {*catalogue.FILES, catalogue.SOURCE} <= set(listed)
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


# --- from folders -------------------------------------------------------------------------------------------


def test_a_folder_in_the_hubs_layout_is_added(foreign: Path, readers: Path) -> None:
    added = add(str(foreign), name="some/body")
    assert added == catalogue.entry("some/body")
    assert added.folder == str(readers / "some--body")
    assert (added.title, added.layers, added.width, added.problem) == ("some/body", 2, 32, None)
    assert added.source is not None
    assert (added.source.origin, added.source.revision, added.source.commit) == (str(foreign), None, None)
    assert_is_sound(Path(added.folder))
    assert added.digest == hashlib.sha256((Path(added.folder) / "model.safetensors").read_bytes()).hexdigest()
    assert_reads_like_transformers(added, foreign)


def test_a_folder_is_called_like_itself_unless_told_otherwise(
    foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(foreign)
    assert add(".").name == "foreign"
    assert add(str(foreign), name="other").name == "other"
    with pytest.raises(UsageError, match="added already"):
        add(str(foreign))


def test_an_added_reader_answers_by_its_name_and_does_not_need_where_it_came_from(
    foreign: Path, library: Path, tmp_path: Path
) -> None:
    (tmp_path / "lease.txt").write_text("The lease ends in May.")
    add(str(foreign), name="some/body")
    shutil.rmtree(foreign)
    with DocQA(library, reader="some/body") as engine:
        engine.index([tmp_path / "lease.txt"])
        assert engine.ask("When does the lease end?").reader.name == "some/body"


def test_what_docqa_wrote_stays_with_its_reader(tiny_reader: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_reader, tmp_path / "own"))
    for name in (catalogue.RANKING, catalogue.LENGTHS, "README.md"):
        (folder / name).write_text('{"of": "own"}')
    tables.write(folder)
    (folder / "evil.py").write_text("raise SystemExit")
    added = add(str(folder))
    assert_is_sound(Path(added.folder))
    assert catalogue.lengths_table("own") == tables.TABLE
    assert not (Path(added.folder) / "evil.py").exists()
    assert (Path(added.folder) / catalogue.RANKING).exists()


def test_half_precision_stays_half_precision(tiny_reader: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_reader, tmp_path / "half"))
    halved = {name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(halved, folder / "model.safetensors")
    stored = load_file(Path(add(str(folder)).folder) / "model.safetensors")
    assert stored.keys() == halved.keys()
    assert all(torch.equal(stored[name], halved[name]) for name in halved)


def test_a_revision_of_a_folder_is_a_usage_error(foreign: Path) -> None:
    with pytest.raises(UsageError, match="revisions"):
        add(str(foreign), revision="main")


@pytest.mark.parametrize("source", ["../x", "./x", "/nowhere/at/all", "~nobody/x"])
def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(source: str) -> None:
    with pytest.raises(ReaderError, match="no such folder"):
        add(source, name="x")


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "..", "shipped"])
def test_a_name_that_leads_elsewhere_is_refused_before_anything_is_loaded(foreign: Path, name: str) -> None:
    (foreign / "config.json").write_text("{")
    with pytest.raises(UsageError):
        add(str(foreign), name=name)
    assert not catalogue.readers_folder().exists()


def test_a_checkpoint_that_will_not_do_leaves_nothing(foreign: Path) -> None:
    (foreign / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ReaderError):
        add(str(foreign))
    assert not catalogue.readers_folder().exists()


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_no_reader(
    python: str, guarded_environment: dict[str, str], foreign: Path, readers: Path
) -> None:
    # The process stops itself with everything but the manifest written.
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom docqa.reader.convert import add\n"
        "def stop(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith('MANIFEST.sha256') and 'w' in str(arguments[1]):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(stop)\nadd(sys.argv[1])"
    )
    environment = {**guarded_environment, "DOCQA_READERS": str(readers)}
    done = subprocess.run([python, "-c", code, str(foreign)], env=environment, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert any(path.name.startswith(".adding-") for path in readers.iterdir())
    assert [each.name for each in catalogue.entries()] == ["shipped"]
    add(str(foreign))
    assert {path.name for path in readers.iterdir()} == {".lock", "foreign"}


# --- from a hub ---------------------------------------------------------------------------------------------


class _Hub(ThreadingHTTPServer):
    """What of a hub's interface fetching a model needs; `asked` lists the files that were fetched."""

    def __init__(self, revisions: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), _HubRequest)
        self.revisions = revisions
        self.asked: list[str] = []


class _HubRequest(BaseHTTPRequestHandler):
    server: _Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = [urllib.parse.unquote(part) for part in self.path.split("?")[0].split("/")[1:]]
        match parts:
            case ["api", "models", "some", "body", *rest]:
                self._send(self._info(self.server.revisions[rest[1] if rest else "main"]))
            case ["some", "body", "resolve", revision, name] if (
                file := self.server.revisions[revision] / name
            ).is_file():
                if self.command == "GET":
                    self.server.asked.append(name)
                self._send(file.read_bytes())
            case _:
                self.send_error(404)

    def _info(self, folder: Path) -> bytes:
        files = [{"rfilename": path.name} for path in folder.iterdir()]
        return json.dumps({"id": "some/body", "sha": COMMIT, "siblings": files}).encode()

    def _send(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(tiny_reader: Path, foreign: Path) -> Iterator[_Hub]:
    """A hub with one checkpoint: pickled on the main branch, safetensors beside the pickle in a pull request."""
    (foreign / "evil.py").write_text("raise SystemExit")
    converted = Path(shutil.copytree(foreign, foreign.with_name("converted")))
    shutil.copy(tiny_reader / "model.safetensors", converted)
    with _Hub({"main": foreign, "refs/pr/2": converted}) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def docqa(
    hub: _Hub, program: list[str], guarded_environment: dict[str, str], readers: Path, tmp_path: Path
) -> Callable[..., Any]:
    """Run docqa with this hub as the only one."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **guarded_environment,
            "PYTHONPATH": "",
            "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}",
            "NO_PROXY": "127.0.0.1",
            "DOCQA_READERS": str(readers),
        }
        return subprocess.run([*program, *arguments], env=environment, capture_output=True, text=True, timeout=120)

    return run


@pytest.mark.slow
def test_a_checkpoint_is_fetched_from_a_hub_once(docqa: Callable[..., Any], hub: _Hub, foreign: Path) -> None:
    done = docqa("reader", "add", "some/body", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(hub.asked) == ["config.json", "pytorch_model.bin", "tokenizer_config.json", "vocab.txt"]
    added = catalogue.entry("some/body")
    assert json.loads(done.stdout)["name"] == "some/body"
    assert added.source is not None
    assert (added.source.origin, added.source.revision, added.source.commit) == ("some/body", None, COMMIT)
    assert_reads_like_transformers(added, foreign)

    catalogue.remove("some/body")
    hub.revisions.clear()
    assert docqa("reader", "add", "some/body").returncode == 0


def test_of_a_revision_with_safetensors_the_pickle_is_not_even_fetched(
    docqa: Callable[..., Any], hub: _Hub, foreign: Path
) -> None:
    assert docqa("reader", "add", "some/body", "--revision", "refs/pr/2").returncode == 0
    assert sorted(hub.asked) == ["config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"]
    added = catalogue.entry("some/body")
    assert added.source is not None
    assert added.source.revision == "refs/pr/2"
    assert_reads_like_transformers(added, foreign)


def test_what_a_hub_does_not_have_is_said(docqa: Callable[..., Any], readers: Path) -> None:
    done = docqa("reader", "add", "no/body")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("docqa: no reader 'no/body': it could not be fetched from the hub (")
    assert "404" in done.stderr
    assert not readers.exists()


def test_a_hub_that_cannot_be_reached_is_said_within_seconds(
    program: list[str], guarded_environment: dict[str, str], readers: Path
) -> None:
    done = subprocess.run(
        [*program, "reader", "add", "Intel/dynamic_tinybert"],
        env={**guarded_environment, "DOCQA_READERS": str(readers)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "could not be fetched from the hub" in done.stderr
    assert os.path.getsize(guarded_environment["DOCQA_TEST_NETWORK_LOG"])
    assert not readers.exists()


# --- the architecture this is for ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["pickle", "safetensors"])
def test_a_model_of_dynamic_tinyberts_architecture_is_added(
    tmp_path: Path, layout: str, in_the_hubs_layout: Callable[[Path], Path]
) -> None:
    from transformers import BertConfig, BertForQuestionAnswering

    torch.manual_seed(0)
    config = BertConfig(num_hidden_layers=6, hidden_size=768, intermediate_size=3072, num_attention_heads=12)
    folder = tmp_path / "checkpoint"
    BertForQuestionAnswering(config).save_pretrained(folder)
    shutil.copy(catalogue.shipped_folder() / "tokenizer.json", folder)
    weights_file = shutil.copy(folder / "model.safetensors", tmp_path)
    in_the_hubs_layout(folder)
    if layout == "safetensors":
        (folder / "pytorch_model.bin").unlink()
        shutil.copy(weights_file, folder)
    added = add(str(folder), name=catalogue.PREFERRED)
    assert (added.in_use, added.layers, added.width) == (True, 6, 768)
    assert_reads_like_transformers(added, folder)
