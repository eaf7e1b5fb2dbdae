from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PROGRAMS = sorted(
    file.name for file in BENCHMARKS.glob("*.py") if "harness.options" in file.read_text(encoding="utf-8")
)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from importlib import import_module

    return import_module(request.param)


def test_every_benchmark_is_looked_at() -> None:
    assert PROGRAMS == [
        "haystack.py",
        "indexing.py",
        "library_qa.py",
        "reader.py",
        "retrieval.py",
        "sample_library.py",
        "tui.py",
    ]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_benchmark_explains_itself(name: str) -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / name, "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    for option in ("--sample N", "--json FILE", "--data DIR"):
        assert option in done.stdout


def test_missing_data_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "library_qa.py", "--data", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "squad-v1.1-dev-part1.json is not there; name the folder" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["harness"], indirect=True)
def test_a_table_lines_up_and_names_machine_versions_and_command(module: ModuleType) -> None:
    table = module.Table("Title", ("system", "F1"), [("docqa", "70.00"), ("other one", "5.00")], ["A remark."])
    facts = {**module.machine(), "versions": module.versions(), "command": "python x.py", "seconds": 1.0}
    lines = module.rendered(table, facts).splitlines()
    assert lines[:7] == [
        "Title",
        "",
        "system        F1",
        "---------  -----",
        "docqa      70.00",
        "other one   5.00",
        "",
    ]
    assert lines[7] == "A remark."
    assert [line.split()[0] for line in lines[8:]] == ["machine", "versions", "command", "took"]
    assert "torch" in lines[9]


@pytest.mark.parametrize("module", ["reader"], indirect=True)
def test_the_usual_post_processing(module: ModuleType) -> None:
    inside = np.array([False, True, True, True, False])
    offsets = np.array([(0, 0), (0, 3), (4, 7), (8, 13), (0, 0)])
    starts, ends = np.array([9.0, 1, 5, 0, 9]), np.array([9.0, 4, 1, 3, 9])
    # Outside the passage nothing counts, and an end before its start neither: 2 to 3 gives 5 + 3.
    assert module.best_pair(starts, ends, inside, offsets) == (8.0, 4, 13)
    assert module.best_pair(starts, ends, np.zeros(5, dtype=bool), offsets) == (-np.inf, 0, 0)


@pytest.mark.parametrize("module", ["search_worker"], indirect=True)
@pytest.mark.parametrize("engine", ["rank_bm25", "fts5"])
def test_the_peers_rank(module: ModuleType, engine: str, tmp_path: Path) -> None:
    texts = ["wings and lift", "heat in slabs", 'shock "waves" OR wings', "nothing else", "more of nothing"]
    search = getattr(module, engine)(texts, tmp_path)
    assert next(iter(search('What about "slabs" - in: heat?', 2))) == 1
    assert list(search("shock waves", 1)) == [2]


@pytest.mark.parametrize("module", ["reader"], indirect=True)
def test_docqa_and_transformers_answer_alike_and_are_told_about(module: ModuleType) -> None:
    from docqa.reader.catalogue import shipped_folder
    from docqa.reader.reader import Reader

    reader = shipped_folder()
    passages = ["The lease of the garden ends in May.", "The rent is 20 euros. " + "The garden is green. " * 90]
    asked = [
        module.Asked("When does the lease end?", passages, ("May",)),
        module.Asked("What is the rent?", passages[::-1], ("20 euros",)),
    ]
    contenders = [
        module.Contender("BERT-base", module.transformers_reader(reader, padded=True), judged=False),
        module.Contender("transformers", module.transformers_reader(reader)),
        module.Contender("docqa", module.of_reader(Reader(reader, precision="float32"), None)),
    ]
    module.judge(contenders[1:], asked)
    module.race(contenders, asked)
    for each in asked:
        theirs, _ = contenders[1].read(each.question, each.passages)
        assert contenders[0].read(each.question, each.passages)[0] == theirs
        assert contenders[2].read(each.question, each.passages)[0] == theirs
    table = module.tabulated(contenders, asked, "shipped")
    assert [row[1] == "-" for row in table.rows] == [True, False, False]
    assert table.details["docqa"]["f1"] == table.details["transformers"]["f1"]
    facts = {**module.harness.machine(), "versions": module.harness.versions(), "command": "python reader.py"}
    assert module.harness.markdown(table, facts).count("\n| ") == 5
    assert module.plot(table).count("<circle") == 2
