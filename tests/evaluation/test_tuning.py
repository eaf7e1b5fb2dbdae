"""Measuring length configurations, on a reader of random weights."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from docqa import UsageError
from docqa.evaluation import tuning
from docqa.evaluation.metrics import f1
from docqa.evaluation.reading import best_text
from docqa.evaluation.tuning import Asked, configurations, of_gold_set, of_sample_library, tune
from docqa.reader import catalogue
from docqa.reader.choices import EFFORTS
from docqa.reader.lengths import LengthConfiguration
from docqa.reader.reader import Reader
from docqa.records import Verdict

pytestmark = pytest.mark.usefixtures("short_inputs_drop")

ASKED = [
    Asked("When does the lease end?", "The lease of the garden ends in May.", ("in May", "May")),
    Asked("What is the rent?", "The rent is 20 a year. " * 20, ("20 a year",)),
    Asked("Where is the boiler?", "The boiler is in the garden of the river.", ("the garden",)),
]


@pytest.fixture
def reader(tiny_reader: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_reader, tmp_path / "tiny"))


@pytest.mark.parametrize("layers", [1, 2, 6, 12])
def test_what_is_measured_starts_in_full_and_repeats_nothing(layers: int) -> None:
    wanted = configurations(layers)
    assert wanted[0].is_full
    assert len(set(wanted)) == len(wanted) >= (4 if layers == 1 else 8)
    assert not any(each.is_full for each in wanted[1:])
    assert {len(each.shares) for each in wanted} == {layers}


def test_a_table_says_what_each_configuration_costs_and_brings(reader: Path) -> None:
    table = tune(reader, ASKED, "three questions")
    assert (table.measured_on, table.questions, table.layers) == ("three questions", 3, 2)
    assert [row.lengths for row in table.rows] == configurations(2)
    assert (table.full.cost, table.full.time, table.full.drift) == (1.0, 1.0, 0.0)
    assert all(0 < row.cost < 1 and row.time > 0 for row in table.rows[1:])
    costs = {row.shares: row.cost for row in table.rows}
    assert costs[0.9, 0.81] > costs[0.8, 0.64] > costs[0.7, 0.49]
    # Random weights change their mind when they see less.
    assert any(row.drift > 0 for row in table.rows)
    exact = Reader(reader, precision="float32")
    expected = sum(f1(best_text(exact, each.question, each.passage), each.gold) for each in ASKED) / 3
    assert table.precisions["float32"] == pytest.approx(expected, abs=1e-5)
    assert {table.choose(effort) for effort in EFFORTS} <= {*table.rows}


def test_a_run_that_was_stopped_goes_on(reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(done: int, _of: int) -> None:
        if done == 7:  # within the third configuration
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(reader, ASKED, "x", progress=stop)
    read: list[LengthConfiguration | None] = []
    real = tuning._Run._read

    def counted(self: tuning._Run, by: Reader, lengths: LengthConfiguration | None) -> object:
        read.append(lengths)
        return real(self, by, lengths)

    monkeypatch.setattr(tuning._Run, "_read", counted)
    reports: list[tuple[int, int]] = []
    table = tune(reader, ASKED, "x", progress=lambda *report: reports.append(report))
    wanted = configurations(2)
    assert read[: len(wanted) - 2] == wanted[2:]
    assert reports[0][0] == 3
    assert reports[-1][0] == reports[-1][1]
    monkeypatch.undo()
    again = tune(reader, ASKED, "x")
    assert [(row.f1, row.exact, row.drift) for row in again.rows] == [
        (row.f1, row.exact, row.drift) for row in table.rows
    ]


def test_nothing_is_kept_for_other_questions_or_after_the_end(reader: Path, cache: Path) -> None:
    tune(reader, ASKED[:1], "x")
    assert not list(cache.glob("tuning-*"))


def test_without_questions_there_is_nothing_to_measure(reader: Path) -> None:
    with pytest.raises(UsageError, match="no answerable question"):
        tune(reader, [], "x")


def test_a_gold_set_gives_questions_with_the_text_around_their_answers() -> None:
    context = "The rent is 20 a year."
    verdicts = [
        Verdict("rent?", "20", accepted=True, context=context, start=12),
        Verdict("rent?", "20 a year", accepted=True, context=context, start=12),
        Verdict("rent?", "30", accepted=False, context=context),
        Verdict("rent?", "20", accepted=True),
        Verdict("river?", None, accepted=True, context=context),
    ]
    assert of_gold_set(verdicts) == [Asked("rent?", context, ("20", "20 a year"))]
    with pytest.raises(UsageError, match="gold add QUESTION --answer TEXT --file PATH"):
        of_gold_set(verdicts[2:])


def test_the_sample_librarys_questions_come_with_passages_that_answer_them() -> None:
    asked = of_sample_library()
    assert len(asked) > 100
    assert all(any(answer in each.passage for answer in each.gold) for each in asked)


class TestWhereATableIsKept:
    def test_in_the_folder_of_a_reader_named_by_it(self, reader: Path) -> None:
        table = tune(reader, ASKED, "x")
        assert catalogue.keep_lengths(str(reader), table) == reader / catalogue.LENGTHS
        assert Reader(reader).lengths_table == table

    def test_with_its_digest_in_the_manifest(self, reader: Path) -> None:
        weights = reader / "model.safetensors"
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        (reader / catalogue.MANIFEST).write_text(f"{digest}  model.safetensors\n")
        table = tune(reader, ASKED, "x")
        for _ in range(2):
            catalogue.keep_lengths(str(reader), table)
        lines = (reader / catalogue.MANIFEST).read_text().splitlines()
        assert [line.split("  ")[1] for line in lines] == ["model.safetensors", "lengths.json"]
        assert Reader(reader).lengths_table == table

    @pytest.mark.usefixtures("readers")
    def test_apart_from_the_shipped_reader_which_is_left_as_it_is(self, reader: Path) -> None:
        before = sorted(catalogue.shipped_folder().iterdir())
        table = tune(reader, ASKED, "x")
        file = catalogue.keep_lengths(None, table)
        assert sorted(catalogue.shipped_folder().iterdir()) == before
        assert file.is_relative_to(catalogue.readers_folder())
        assert catalogue.lengths_table(catalogue.SHIPPED) == table
        # It goes by the weights: no other reader takes it for its own, and it is no reader itself.
        assert catalogue.lengths_of(reader) is None
        assert [entry.name for entry in catalogue.entries()] == [catalogue.SHIPPED]

    @pytest.mark.usefixtures("readers")
    def test_a_folder_without_weights_has_none(self, reader: Path) -> None:
        catalogue.keep_lengths(None, tune(reader, ASKED[:1], "x"))
        (reader / "model.safetensors").unlink()
        assert catalogue.lengths_of(reader) is None
