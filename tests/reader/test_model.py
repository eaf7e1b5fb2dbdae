"""The forward pass against transformers, and drop-and-restore against a reference without batches or padding."""

from __future__ import annotations

import copy
import math
from functools import cache
from random import Random
from statistics import fmean

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import BertConfig, BertForQuestionAnswering

from docqa.reader import model as module
from docqa.reader.lengths import LengthConfiguration
from docqa.reader.model import BertShape, SpanModel, operations
from docqa.reader.significance import SignificanceHead
from docqa.reader.weights import bert_shape, from_checkpoint

SHAPES = [
    {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
    {"hidden_size": 48, "num_hidden_layers": 4, "num_attention_heads": 12, "intermediate_size": 40},
    {
        "hidden_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 96,
        "type_vocab_size": 3,
    },
    {
        "hidden_size": 64,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "layer_norm_eps": 1e-5,
    },
]
VOCABULARY = 50

torch.set_num_threads(1)

pytestmark = pytest.mark.usefixtures("short_inputs_drop")


@cache
def models(shape: int) -> tuple[BertForQuestionAnswering, SpanModel]:
    """The same random weights in transformers' model and in ours."""
    torch.manual_seed(shape)
    config = BertConfig(vocab_size=VOCABULARY, max_position_embeddings=64, initializer_range=0.3, **SHAPES[shape])
    theirs = BertForQuestionAnswering(config).eval()
    for name, parameter in theirs.named_parameters():
        if name.endswith("bias"):  # which start as zero and would hide a mistake
            torch.nn.init.normal_(parameter, std=0.2)
    described = {**config.to_dict(), "architectures": ["BertForQuestionAnswering"]}
    ours = SpanModel(bert_shape(described, "a test"))  # type: ignore[arg-type]
    ours.load_state_dict(from_checkpoint(theirs.state_dict(), config.num_hidden_layers))
    return theirs, ours.eval().requires_grad_(False)


@cache
def learnt(shape: int) -> SpanModel:
    """Our model of this shape with significance heads that know something."""
    model = copy.deepcopy(models(shape)[1])
    model.learn_significance()
    torch.manual_seed(shape)
    for layer in model.layers:
        assert layer.significance_head is not None
        head = layer.significance_head
        for part in (head.own, head.weights, head.gates, head.units_say):
            torch.nn.init.normal_(part.weight)
    return model.requires_grad_(False)


def batch(lengths: list[int], seed: int = 0, padding: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Random inputs of these lengths, padded to the longest and `padding` beyond."""
    generator = torch.Generator().manual_seed(seed)
    width = max(lengths) + padding
    tokens = torch.zeros(len(lengths), width, dtype=torch.int64)
    segments, real = torch.zeros_like(tokens), torch.zeros(len(lengths), width, dtype=torch.bool)
    for row, length in enumerate(lengths):
        tokens[row, :length] = torch.randint(1, VOCABULARY, (length,), generator=generator)
        segments[row, length // 3 : length] = 1
        real[row, :length] = True
    return tokens, segments, real


def one_head(head: SignificanceHead, states: list[Tensor], taken: list[Tensor], asking: int) -> list[float]:
    """What a significance head says of each token, one pair of tokens after the other; the question comes first."""
    likeness = torch.stack([head.likeness(state) for state in states])
    likeness = torch.nn.functional.normalize(likeness - likeness.mean(dim=0), dim=-1)
    both = [torch.cat(pair) for pair in zip(states, taken, strict=True)]
    gates = head.gates(torch.stack(states[:asking]).mean(dim=0)) if asking else head.gates.bias

    def match(word: int, row: int) -> float:
        return float(head.sharpness(likeness[word] @ likeness[row][:, None]).sigmoid())

    found = []
    for row in range(len(states)):
        total = 0.0
        for word in range(asking):
            weights = torch.nn.functional.softplus(head.weights(both[word])).tolist()
            for weight, reach in zip(weights, (0, 1, 4, 13, 40), strict=True):
                near = range(max(asking, row - reach), min(len(states), row + reach + 1))
                total += weight * max((match(word, other) for other in near), default=0.0)
        found.append(total)
    usual = sum(found[asking:]) / max(1, len(states) - asking)
    said = [float(head.units_say(torch.nn.functional.gelu(head.units(each)) * gates)) for each in both]
    return [float(head.own(own)) + its + there - usual for own, its, there in zip(both, said, found, strict=True)]


def one_by_one(model: SpanModel, tokens: list[int], segments: list[int], lengths: LengthConfiguration) -> Tensor:
    """Drop-and-restore as the paper tells it: one example, one token after the other, nothing padded."""
    states = [
        model.embeddings.norm(
            model.embeddings.words.weight[token]
            + model.embeddings.positions.weight[place]
            + model.embeddings.segments.weight[segment]
        )
        for place, (token, segment) in enumerate(zip(tokens, segments, strict=True))
    ]
    staying = list(range(len(tokens)))
    for number, layer in enumerate(model.layers):
        size = model.shape.hidden_size // layer.heads
        rows = {place: layer.queries_keys_values(states[place]).view(3, layer.heads, size) for place in staying}
        received = dict.fromkeys(staying, 0.0)
        attended, taken = {}, {}
        for query in staying:
            mixed = []
            for head in range(layer.heads):
                logits = torch.stack([rows[query][0, head] @ rows[key][1, head] / size**0.5 for key in staying])
                weights = logits.softmax(dim=0)
                mixed.append(sum(weight * rows[key][2, head] for weight, key in zip(weights, staying, strict=True)))
                for key, weight in zip(staying, weights.tolist(), strict=True):
                    received[key] += weight
            taken[query] = torch.cat(mixed)
            attended[query] = layer.attention_norm(states[query] + layer.attention_output(taken[query]))
        kept = lengths.kept(number, len(tokens))
        if layer.significance_head is not None:
            asking = sum(not segments[place] for place in staying)
            scores = one_head(
                layer.significance_head,
                [states[place] for place in staying],
                [taken[place] for place in staying],
                asking,
            )
            received = {place: fmean(scores[max(0, row - 2) : row + 3]) for row, place in enumerate(staying)}
            received |= {place: math.inf for row, place in enumerate(staying[:asking]) if row < kept / 2}
        others = sorted(staying[1:], key=lambda place: -received[place])
        staying = sorted([0, *others[: kept - 1]])
        for place in staying:
            raised = layer.up(attended[place])
            states[place] = layer.output_norm(attended[place] + layer.down(raised))
    return torch.stack([model.span_head(state) for state in states])


# --- without a length configuration -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", range(len(SHAPES)))
@pytest.mark.parametrize(
    ("lengths", "padding"), [([7], 0), ([1], 0), ([64], 0), ([12, 12], 0), ([3, 40, 17], 0), ([5, 9], 7)]
)
def test_it_computes_what_transformers_computes(shape: int, lengths: list[int], padding: int) -> None:
    theirs, ours = models(shape)
    tokens, segments, real = batch(lengths, seed=sum(lengths), padding=padding)
    with torch.inference_mode():
        expected = theirs(input_ids=tokens, attention_mask=real.long(), token_type_ids=segments)
        logits = ours(tokens, segments, real)
    assert logits.shape == (*tokens.shape, 2)
    assert logits.dtype == torch.float32
    for column, wanted in ((0, expected.start_logits), (1, expected.end_logits)):
        assert (logits[..., column] - wanted)[real].abs().max() <= 1e-4


def test_keeping_all_tokens_is_the_same_as_no_configuration() -> None:
    _, ours = models(3)
    inputs = batch([9, 20])
    real = inputs[2]
    assert torch.allclose(ours(*inputs)[real], ours(*inputs, LengthConfiguration((1.0,) * 6))[real], atol=1e-5)


# --- drop and restore ---------------------------------------------------------------------------------------

CONFIGURATIONS = [
    (0, (0.5, 0.2)),
    (0, (1.0, 0.01)),
    (1, (0.9, 0.81, 0.73, 0.66)),
    (1, (1.0, 0.5, 0.5, 0.25)),
    (2, (0.3,)),
    (3, (1.0, 1.0, 0.7, 0.5, 0.3, 0.2)),
]


@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize(("shape", "shares"), CONFIGURATIONS)
def test_dropping_tokens_equals_the_reference_in_batches_of_different_lengths(
    shape: int, shares: tuple[float, ...], heads: bool
) -> None:
    ours = learnt(shape) if heads else models(shape)[1]
    lengths = LengthConfiguration(shares)
    tokens, segments, real = batch([14, 3, 9, 1], seed=shape, padding=5)
    logits = ours(tokens, segments, real, lengths)
    for row, length in enumerate((14, 3, 9, 1)):
        expected = one_by_one(ours, tokens[row, :length].tolist(), segments[row, :length].tolist(), lengths)
        assert (logits[row, :length] - expected).abs().max() <= 1e-4


def test_heads_say_what_the_layers_score_and_nothing_else_changes() -> None:
    _, plain = models(3)
    inputs = batch([14, 9])
    logits, scores = learnt(3).with_scores(*inputs)
    assert torch.equal(logits, plain(*inputs))
    assert scores.shape == (6, 2, 14)
    lengths = LengthConfiguration((1.0, 0.5, 0.5, 0.5, 0.5, 0.5))
    assert not torch.allclose(learnt(3)(*inputs, lengths), plain(*inputs, lengths), atol=1e-3)
    with pytest.raises(ValueError, match="no significance head"):
        plain.with_scores(*inputs)
    again = copy.deepcopy(learnt(3))
    again.forget_significance()
    assert torch.equal(again(*inputs, lengths), plain(*inputs, lengths))


def test_dropping_tokens_makes_a_difference() -> None:
    _, ours = models(0)
    inputs = batch([14])
    assert not torch.allclose(ours(*inputs), ours(*inputs, LengthConfiguration((0.5, 0.2))), atol=1e-2)


@settings(max_examples=30)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(0, 9), st.integers(0, 99), st.booleans())
def test_a_result_does_not_depend_on_what_it_is_batched_with(
    lengths: list[int], padding: int, seed: int, heads: bool
) -> None:
    ours = learnt(1) if heads else models(1)[1]
    shares = LengthConfiguration((0.9, 0.6, 0.4, 0.2))
    tokens, segments, real = batch(lengths, seed, padding)
    together = ours(tokens, segments, real, shares)
    for row, length in enumerate(lengths):
        part = slice(row, row + 1), slice(0, length)
        alone = ours(tokens[part], segments[part], real[part], shares)
        assert (together[row, :length] - alone[0]).abs().max() <= 1e-4


@given(st.lists(st.integers(1, 20), min_size=1, max_size=5), st.integers(0, 9), st.integers(0, 99))
def test_cls_comes_first_then_real_tokens_by_significance_then_padding(
    lengths: list[int], padding: int, seed: int
) -> None:
    _, _, real = batch(lengths, seed, padding)
    significance = torch.rand(real.shape, generator=torch.Generator().manual_seed(seed))
    for row, (length, order) in enumerate(zip(lengths, module._by_significance(significance, real), strict=True)):
        assert sorted(order.tolist()) == list(range(real.shape[1]))
        assert order[0] == 0
        assert max(order[:length]) < length
        assert significance[row, order[1:length]].tolist() == sorted(significance[row, 1:length], reverse=True)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(0, 99))
def test_what_goes_on_is_the_most_significant_in_the_order_of_the_input(lengths: list[int], seed: int) -> None:
    random = Random(seed)
    kept = [random.randint(1, length) for length in lengths]
    order = torch.stack([torch.tensor(random.sample(range(max(lengths)), max(lengths))) for _ in lengths])
    going = module._going(order, kept)
    assert going.shape == (len(lengths), max(kept))
    for row, count in enumerate(kept):
        assert going[row, :count].tolist() == sorted(order[row, :count].tolist())
        assert sorted(going[row].tolist()) == sorted(order[row, : max(kept)].tolist())


@settings(max_examples=20)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 99))
def test_every_token_gets_the_logits_of_its_last_state_and_padding_none(lengths: list[int], seed: int) -> None:
    _, ours = models(1)
    tokens, segments, real = batch(lengths, seed, padding=3)
    logits = ours(tokens, segments, real, LengthConfiguration((0.8, 0.5, 0.3, 0.1)))
    assert (logits[real] != 0).any(dim=1).all()
    assert (logits[~real] == 0).all()


def test_the_model_learns_while_tokens_are_dropped() -> None:
    _, ours = models(1)
    ours.requires_grad_(requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = ours(*batch([14, 30], padding=2), LengthConfiguration((0.9, 0.6, 0.6, 0.2)))
    logits.square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in ours.named_parameters()}
    ours.requires_grad_(requires_grad=False).zero_grad()
    assert all(each is not None and each.isfinite().all() for each in gradients.values())
    assert all(gradients[f"layers.{layer}.down.weight"].abs().max() > 0 for layer in range(4))  # type: ignore[union-attr]


@pytest.mark.parametrize("sharpness", [1.0, 40.0])
@torch.inference_mode()
def test_bfloat16_comes_near_with_and_without_dropping(sharpness: float) -> None:
    _, ours = models(3)
    ours = copy.deepcopy(ours)
    # Logits of attention whose exp no longer fits are in the second case.
    ours.layers[0].queries_keys_values.weight[: ours.shape.hidden_size] *= sharpness
    rough = copy.deepcopy(ours).bfloat16()
    inputs = batch([40, 22, 60], padding=4)
    for lengths in (None, LengthConfiguration((1.0, 1.0, 0.99, 0.99, 0.99, 0.99))):
        exact, near = (model(*inputs, lengths)[inputs[2]] for model in (ours, rough))
        assert near.dtype == torch.float32
        assert near.isfinite().all()
        assert (near - exact).abs().mean() < 0.1 * exact.std()


@torch.inference_mode()
def test_the_table_of_words_may_stay_in_another_precision() -> None:
    _, ours = models(0)
    rough = copy.deepcopy(ours).bfloat16()
    mixed = copy.deepcopy(rough)
    mixed.embeddings.words.float()
    inputs = batch([9, 20])
    assert torch.equal(mixed(*inputs), rough(*inputs))


def test_operations_are_those_of_the_matrix_products() -> None:
    shape = BertShape(hidden_size=4, num_hidden_layers=2, intermediate_size=8)
    # A layer: queries, keys and values, two products for attention, the output, up and down.
    assert operations(shape, 10) == 2 * 2 * (10 * 4 * 12 + 2 * 10 * 10 * 4 + 10 * 4 * 4 + 2 * 10 * 4 * 8)
    half = LengthConfiguration((1.0, 0.5))
    second = 2 * (10 * 4 * 12 + 2 * 10 * 10 * 4 + 5 * 4 * 4 + 2 * 5 * 4 * 8)
    assert operations(shape, 10, half) == operations(shape, 10) / 2 + second


def test_a_configuration_for_another_number_of_layers_is_refused() -> None:
    _, ours = models(0)
    with pytest.raises(ValueError, match="3 shares given for 2 layers"):
        ours(*batch([5]), LengthConfiguration((1.0, 1.0, 1.0)))


def test_a_shape_is_by_default_that_of_dynamic_tinybert() -> None:
    shape = BertShape()
    assert (shape.num_hidden_layers, shape.hidden_size, shape.intermediate_size) == (6, 768, 3072)
    assert (shape.num_attention_heads, shape.vocab_size) == (12, 30522)
