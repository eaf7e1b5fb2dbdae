from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import tables
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from docqa.errors import ReaderError
from docqa.reader import arithmetic, machine
from docqa.reader.choices import Arithmetic
from docqa.reader.lengths import LengthConfiguration
from docqa.reader.model import RaisingLinear, SpanModel
from docqa.reader.reader import Reader
from docqa.reader.windows import ANSWER_TOKENS
from docqa.records import Span

LEASE = "The lease ends in May. The rent of the garden is 20 a year."

pytestmark = pytest.mark.usefixtures("short_inputs_drop")


@pytest.fixture(scope="module")
def reader(tiny_reader: Path) -> Reader:
    return Reader(tiny_reader, precision="float32")


def places(spans: tuple[Span, ...]) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in spans]


def test_spans_are_stretches_of_whole_tokens_best_first(reader: Reader) -> None:
    reading = reader.read("when is the rent", [LEASE])
    [spans] = reading.spans
    assert len(spans) == 10
    assert not reading.question_shortened
    logits = [span.logit for span in spans]
    assert logits == sorted(logits, reverse=True)
    assert len(set(places(spans))) == 10
    for start, end in places(spans):
        quote = LEASE[start:end]
        assert quote
        assert quote.strip() == quote
        assert LEASE[max(0, start - 1) : start + 1].strip() in (quote[0], LEASE[start - 1 : start + 1])


def test_every_passage_gets_its_own_spans_in_the_order_given(reader: Reader) -> None:
    passages = [LEASE, "", "rent", LEASE[:22], " \n"]
    reading = reader.read("rent", passages)
    assert [len(spans) for spans in reading.spans] == [10, 0, 1, 10, 0]
    for passage, spans in zip(passages, reading.spans, strict=True):
        assert all(0 <= start < end <= len(passage) for start, end in places(spans))


def test_no_passages_give_no_spans(reader: Reader) -> None:
    assert reader.read("rent", []).spans == ()


def test_as_many_spans_are_given_as_asked_for(reader: Reader) -> None:
    assert [len(reader.read("rent", [LEASE], spans=count).spans[0]) for count in (1, 3, 50)] == [1, 3, 50]


@pytest.mark.parametrize(
    ("words", "shortened"), [(0, False), (63, False), (64, False), (65, True), (400, True), (20_000, True)]
)
def test_a_question_near_and_over_the_window_is_read_as_far_as_it_goes(
    reader: Reader, words: int, shortened: bool
) -> None:
    reading = reader.read(" ".join(["rent"] * words), [LEASE, "rent " * 500])
    assert reading.question_shortened is shortened
    assert all(reading.spans)


def test_what_a_shortened_question_loses_makes_no_difference(reader: Reader) -> None:
    assert reader.read("rent " * 64, [LEASE]).spans == reader.read("rent " * 64 + "lease", [LEASE]).spans


def test_a_long_passage_is_read_to_its_end(reader: Reader) -> None:
    words = 1_500
    [spans] = reader.read("rent", ["lease " * words], spans=100_000).spans
    ends = {end for _, end in places(spans)}
    assert {start for start, _ in places(spans)} == set(range(0, 6 * words, 6))
    assert ends == set(range(5, 6 * words, 6))
    # Each span once, although most of the passage is read twice.
    assert len(set(places(spans))) == len(spans) == ANSWER_TOKENS * words - ANSWER_TOKENS * (ANSWER_TOKENS - 1) // 2


def test_an_endless_word_is_one_span(reader: Reader) -> None:
    assert places(reader.read("rent", ["x" * 100_000]).spans[0]) == [(0, 100_000)]


def test_control_characters_do_not_shift_offsets(reader: Reader) -> None:
    passage = "\x00the\x07 \x1b[31mlease\u202e ends\ufeff in\x9b May\x00"
    [spans] = reader.read("lease", [passage], spans=1_000).spans
    quotes = {passage[start:end] for start, end in places(spans)}
    assert {"lease", "ends", "May", "31mlease"} <= quotes


@settings(max_examples=25)
@given(st.lists(st.text(alphabet="ab cé.\n\x00日", max_size=200), max_size=6), st.randoms(use_true_random=False))
def test_a_passage_is_read_alike_in_whatever_company(reader: Reader, passages: list[str], order: object) -> None:
    together = reader.read("abc", passages).spans
    shuffled = list(range(len(passages)))
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    again = reader.read("abc", [passages[number] for number in shuffled]).spans
    for place, number in enumerate(shuffled):
        logits = [span.logit for span in together[number]]
        assert [span.logit for span in again[place]] == pytest.approx(logits, abs=1e-4)
        alone = reader.read("abc", [passages[number]]).spans[0]
        assert [span.logit for span in alone] == pytest.approx(logits, abs=1e-4)


def test_reading_again_gives_the_very_same(reader: Reader) -> None:
    passages = [LEASE, "rent " * 600, "garden"]
    assert reader.read("when", passages) == reader.read("when", passages)


def test_a_length_configuration_changes_the_reading_but_not_its_form(reader: Reader) -> None:
    passages = [LEASE, "x", "rent " * 600]
    short = reader.read("rent", passages, lengths=LengthConfiguration((0.5, 0.1)))
    full = reader.read("rent", passages)
    assert [len(spans) for spans in short.spans] == [len(spans) for spans in full.spans]
    assert short.spans[0] != full.spans[0]


def test_bfloat16_finds_nearly_the_same_logits(tiny_reader: Path, reader: Reader) -> None:
    rough = Reader(tiny_reader, precision="bfloat16")
    assert (rough.precision, reader.precision) == ("bfloat16", "float32")
    best = reader.read("rent", [LEASE]).spans[0][0]
    assert rough.read("rent", [LEASE]).spans[0][0].logit == pytest.approx(best.logit, abs=0.5)


def test_a_reader_is_named_after_its_configuration_or_its_folder(tiny_reader: Path, tmp_path: Path) -> None:
    assert Reader(tiny_reader).name == "tiny"
    copy = Path(shutil.copytree(tiny_reader, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "name": "careful"}))
    assert Reader(copy).name == "careful"


def test_a_reader_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="no reader"):
        Reader(tmp_path / "nowhere")


# --- arithmetic, memory, machine ----------------------------------------------------------------------------

ON_CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", arithmetic.in_hardware(ON_CPU))
def test_every_arithmetic_of_this_machine_finds_nearly_the_same_logits(
    tiny_reader: Path, reader: Reader, precision: Arithmetic
) -> None:
    rough = Reader(tiny_reader, precision=precision, device="cpu")
    assert (rough.precision, rough.device) == (precision, "cpu")
    for lengths in (None, LengthConfiguration((0.9, 0.6))):
        exact, near = (each.read("rent", [LEASE, "rent " * 400], lengths=lengths).spans for each in (reader, rough))
        for few, many in zip(exact, near, strict=True):
            assert many[0].logit == pytest.approx(few[0].logit, abs=1.0)
    again = rough.read("rent", [LEASE])
    assert again == rough.read("rent", [LEASE])


def test_an_arithmetic_or_device_that_is_not_there_is_an_error(
    tiny_reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(ReaderError, match="no cuda that torch can use"):
            Reader(tiny_reader, device="cuda")
    with pytest.raises(ReaderError, match="no device 'abacus'"):
        Reader(tiny_reader, device="abacus")  # type: ignore[arg-type]
    monkeypatch.setattr(arithmetic, "in_hardware", lambda _device: ["float32"])
    with pytest.raises(ReaderError, match="does not multiply 8-bit integers"):
        Reader(tiny_reader, precision="int8")
    assert Reader(tiny_reader).precision == "float32"


def test_integers_come_near_whatever_the_range_of_the_inputs() -> None:
    if "int8" not in arithmetic.in_hardware(ON_CPU):
        pytest.skip("this machine does not multiply 8-bit integers")
    torch.manual_seed(0)
    for kind in (torch.nn.Linear, RaisingLinear):
        linear = kind(48, 20)
        integers = arithmetic.IntegerLinear(linear)
        for inputs in (torch.randn(2, 5, 48), torch.rand(3, 48) + 5, -torch.rand(1, 48) - 9, torch.zeros(4, 48)):
            with torch.inference_mode():
                wanted, found = linear(inputs), integers(inputs)
            assert found.shape == wanted.shape
            assert (found - wanted).abs().max() <= 0.03 * max(float(inputs.abs().max()), 0.1)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_packed_weights_give_the_same_products(precision: str) -> None:
    if precision not in arithmetic.in_hardware(ON_CPU):
        pytest.skip(f"this machine does not compute in {precision}")
    torch.manual_seed(0)
    dtype = getattr(torch, precision)
    tolerance = 1e-5 if precision == "float32" else 0.02
    for kind in (torch.nn.Linear, RaisingLinear):
        linear = kind(48, 20).to(dtype)
        packed = arithmetic.PackedLinear(linear)
        for shape in ((2, 5, 48), (3, 48), (1, 1, 48), (0, 4, 48)):
            with torch.inference_mode():
                inputs = torch.randn(shape).to(dtype)
                wanted, found = linear(inputs), packed(inputs)
            assert found.shape == wanted.shape
            assert found.dtype == dtype
            assert torch.allclose(found, wanted, atol=tolerance)


@pytest.mark.parametrize("failure", [RuntimeError("can't allocate memory: you tried"), MemoryError()])
def test_too_little_memory_halves_the_batch(
    tiny_reader: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    passages = [f"{LEASE} {number}" for number in range(11)]
    small = Reader(tiny_reader, precision="float32")
    forward, sizes = small._model.forward, []

    def limited(tokens: torch.Tensor, *rest: object) -> torch.Tensor:
        sizes.append(len(tokens))
        if len(tokens) > 3:
            raise failure
        return forward(tokens, *rest)

    monkeypatch.setattr(small._model, "forward", limited)
    for found, wanted in zip(small.read("rent", passages).spans, reader.read("rent", passages).spans, strict=True):
        assert [span.logit for span in found] == pytest.approx([span.logit for span in wanted], abs=1e-4)
    assert max(size for size in sizes if size <= 3) > 1


def test_too_little_memory_for_one_window_is_a_clear_error(tiny_reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> torch.Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    small = Reader(tiny_reader)
    monkeypatch.setattr(small._model, "forward", failing)
    with pytest.raises(ReaderError, match="too little memory to read a passage with tiny"):
        small.read("rent", [LEASE])


def test_other_failures_are_not_taken_for_too_little_memory(tiny_reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> torch.Tensor:
        raise RuntimeError("shapes do not match")

    small = Reader(tiny_reader)
    monkeypatch.setattr(small._model, "forward", failing)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        small.read("rent", [LEASE])


def test_the_fastest_arithmetic_that_costs_no_accuracy_is_chosen_and_remembered(
    tiny_reader: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(tiny_reader, tmp_path / "measured"))
    tables.write(folder, replace(tables.TABLE, precisions={"float32": 0.8, "bfloat16": 0.798, "int8": 0.79}))
    monkeypatch.setattr(arithmetic, "in_hardware", lambda _device: ["float32", "bfloat16", "int8"])
    rates = {"float32": 1e6, "bfloat16": 3e6, "int8": 9e6}
    measured: list[str] = []

    def measure(model: SpanModel, _device: torch.device) -> machine.Cost:
        name = str(model.span_head.weight.dtype).removeprefix("torch.")
        measured.append(name)
        return machine.Cost(1.0, rates[name])

    monkeypatch.setattr(machine, "measured", measure)
    # int8 would be the fastest, but was measured to cost a whole point.
    assert Reader(folder).precision == "bfloat16"
    assert measured == ["float32", "bfloat16"]
    rates["bfloat16"] = 1e3
    assert Reader(folder).precision == "bfloat16"
    assert measured == ["float32", "bfloat16"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}', "null"])
def test_a_damaged_memory_of_the_machine_is_measured_again(reader: Reader, cache: Path, content: str) -> None:
    cache.mkdir()
    (cache / machine.FILE).write_text(content)
    first = machine.cost_of("x", ON_CPU, lambda: reader._model)
    assert first.ms(1e6) > 0
    assert machine.cost_of("x", ON_CPU, lambda: pytest.fail("measured twice")) == first
    remembered = (cache / machine.FILE).read_text().replace(str(first.operations_per_ms), "-1")
    (cache / machine.FILE).write_text(remembered)
    assert machine.cost_of("x", ON_CPU, lambda: reader._model).operations_per_ms > 0


def test_a_machine_that_can_remember_nothing_still_reads(reader: Reader, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    assert machine.cost_of("x", ON_CPU, lambda: reader._model).ms(1.0) > 0


def test_long_passages_and_full_length_cost_more(reader: Reader) -> None:
    short, long = reader.costs_ms("rent", [LEASE, "rent " * 2_000], None)
    assert 0 < short < long
    assert reader.costs_ms("rent", ["rent " * 300], LengthConfiguration((0.5, 0.2))) < reader.costs_ms(
        "rent", ["rent " * 300], None
    )
    assert reader.costs_ms("rent", [""], None) == [0.0]
