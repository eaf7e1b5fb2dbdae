"""The whole forward pass of BERT for extractive question answering, with drop-and-restore built in.

BERT (Devlin et al. 2019, arXiv 1810.04805) with a span head: two numbers per token, the logits of being the
first and the last token of the answer. Without a length configuration it computes what transformers'
`BertForQuestionAnswering` computes. With one it is the Length-Adaptive Transformer (Kim and Cho 2020,
arXiv 2010.07003, section 3.1): after a layer's attention the least significant tokens leave, keep the hidden
state they arrived with, and rejoin before the span head.

Which tokens matter is told by the attention that they receive, as in the paper, or by heads that have learnt it
(`learn_significance`). Attention leaves a passage full of holes; a head keeps the stretches where an answer may
stand, with far less lost at the same cost (docs/training.md).

Shapes are written (batch, tokens, width); `heads` is the number of attention heads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from docqa.reader.lengths import LengthConfiguration
from docqa.reader.significance import SignificanceHead


@dataclass(frozen=True, slots=True)
class BertShape:
    """The sizes that fix the architecture; names as in a checkpoint's config.json."""

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 6
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12


class Embeddings(nn.Module):
    """Token, position and segment embeddings, summed and normalised."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.words = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.positions = nn.Embedding(shape.max_position_embeddings, shape.hidden_size)
        self.segments = nn.Embedding(shape.type_vocab_size, shape.hidden_size)
        self.norm = nn.LayerNorm(shape.hidden_size, eps=shape.layer_norm_eps)

    def forward(self, tokens: Tensor, segments: Tensor) -> Tensor:
        """Embed (batch, tokens) ids into (batch, tokens, width).

        The table of words may be in another precision than all else: of its many rows an input needs few.
        """
        positions = self.positions.weight[: tokens.shape[1]]
        words = self.words(tokens).to(positions.dtype)
        embedded: Tensor = self.norm(words + positions + self.segments(segments))
        return embedded


class RaisingLinear(nn.Linear):
    """A linear map with GELU behind it: a faster arithmetic can do both at once."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.Linear's name for it)
        """Map (..., width) to (..., wider)."""
        raised: Tensor = functional.gelu(super().forward(input))
        return raised


class Layer(nn.Module):
    """One transformer layer: attention, then the feed-forward network on the tokens that go on."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.heads = shape.num_attention_heads
        self.queries_keys_values = nn.Linear(shape.hidden_size, 3 * shape.hidden_size)
        self.attention_output = nn.Linear(shape.hidden_size, shape.hidden_size)
        self.attention_norm = nn.LayerNorm(shape.hidden_size, eps=shape.layer_norm_eps)
        self.up = RaisingLinear(shape.hidden_size, shape.intermediate_size)
        self.down = nn.Linear(shape.intermediate_size, shape.hidden_size)
        self.output_norm = nn.LayerNorm(shape.hidden_size, eps=shape.layer_norm_eps)
        self.significance_head: SignificanceHead | None = None

    def attend(self, hidden: Tensor, real: Tensor, *, weigh: bool) -> tuple[Tensor, Tensor | None]:
        """What each token takes in from the real ones, before the output projection: (batch, tokens, width).

        hidden is (batch, tokens, width), real a boolean (batch, tokens). If `weigh`, also each token's
        significance (batch, tokens): the attention it receives, summed over heads and over the real queries
        (section 3.1).
        """
        batch, tokens, width = hidden.shape
        packed = self.queries_keys_values(hidden).view(batch, tokens, 3, self.heads, width // self.heads)
        queries, keys, values = packed.permute(2, 0, 3, 1, 4)
        if weigh or _matrix_is_faster(queries):
            mixed, significance = _attended(queries, keys, values, real, weigh=weigh)
        else:
            mask = None if bool(real.all()) else real[:, None, None, :]
            mixed = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
            significance = None
        return mixed.transpose(1, 2).reshape(batch, tokens, width), significance

    def score(self, hidden: Tensor, mixed: Tensor, real: Tensor, asking: Tensor) -> Tensor:
        """The significance head's logit of each token, (batch, tokens); see there. ValueError without a head."""
        if self.significance_head is None:
            raise ValueError("this layer has no significance head")
        scores: Tensor = self.significance_head(hidden, mixed, real, asking)
        return scores

    def finish(self, hidden: Tensor, mixed: Tensor) -> Tensor:
        """The rest of the layer for the tokens that go on: output projection and feed-forward network.

        Both with their residual connection and normalisation; keeps the shape (batch, tokens, width).
        """
        attended = self.attention_norm(hidden + self.attention_output(mixed))
        output: Tensor = self.output_norm(attended + self.down(self.up(attended)))
        return output


def _matrix_is_faster(queries: Tensor) -> bool:
    """Whether whole attention matrices cost less than the fused kernel, which needs less memory.

    On processors that multiply bfloat16 in hardware the fused kernel does not, and takes half as long again; its
    gradient takes three times as long.
    """
    return queries.dtype == torch.bfloat16 and queries.device.type == "cpu"


# exp of a larger logit, summed over a window's tokens, might leave bfloat16's range, which is float32's; that of one
# as far below zero, too.
_LARGEST_LOGIT = 75.0


def _attended(
    queries: Tensor, keys: Tensor, values: Tensor, real: Tensor, *, weigh: bool
) -> tuple[Tensor, Tensor | None]:
    """Attention's output (batch, heads, tokens, head width), and if `weigh` significance, by whole matrices."""
    # On processors a product of strided matrices takes half as long again.
    queries, keys = (queries * queries.shape[-1] ** -0.5).contiguous(), keys.contiguous()
    logits = queries @ keys.transpose(-1, -2)
    if not bool(real.all()):
        bias = torch.zeros_like(real, dtype=logits.dtype).masked_fill(~real, float("-inf"))
        logits = logits.add_(bias[:, None, None, :])
    asking = real[:, None, :, None]
    if _may_divide_last(queries, keys):
        # A softmax that divides last, by sums that the product brings along as a further column: it passes over
        # the largest tensor of all once instead of three times.
        attention = logits.exp_()
        summing = torch.cat((values, torch.ones_like(values[..., :1])), dim=-1)
        product = attention @ summing
        sums = product[..., -1:]
        mixed, shares = product[..., :-1] / sums, asking / sums
    else:
        attention = functional.softmax(logits, dim=-1, dtype=values.dtype)
        mixed, shares = attention @ values, asking.to(attention.dtype)
    return mixed, (shares.transpose(-1, -2) @ attention.detach()).float().sum(dim=(1, 2)) if weigh else None


def _may_divide_last(queries: Tensor, keys: Tensor) -> bool:
    """Whether no sum of exponentials can leave the range of numbers; a gradient needs the softmax itself."""
    if torch.is_grad_enabled() or not _matrix_is_faster(queries):
        return False
    return _largest_norm(queries) * _largest_norm(keys) < _LARGEST_LOGIT


def _largest_norm(vectors: Tensor) -> float:
    """The norm of the longest; no scalar product of two vectors is larger than the product of their norms."""
    return float(torch.linalg.vector_norm(vectors, dim=-1, dtype=torch.float32).amax())


class _Layers(nn.ModuleList):
    """A module list whose items are known to be layers."""

    def __iter__(self) -> Iterator[Layer]:
        return super().__iter__()  # type: ignore[return-value]


class SpanModel(nn.Module):
    """BERT with a span head; see the module's text."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.shape = shape
        self.embeddings = Embeddings(shape)
        self.layers = _Layers(Layer(shape) for _ in range(shape.num_hidden_layers))
        self.span_head = nn.Linear(shape.hidden_size, 2)

    def learn_significance(self) -> None:
        """Give each layer that has none a significance head, which knows nothing yet."""
        for layer in self.layers:
            if layer.significance_head is None:
                layer.significance_head = SignificanceHead(self.shape.hidden_size)

    def forget_significance(self) -> None:
        """Take the significance heads away; attention says again which tokens matter."""
        for layer in self.layers:
            layer.significance_head = None

    @property
    def learns_significance(self) -> bool:
        """Whether heads say which tokens matter."""
        return all(layer.significance_head is not None for layer in self.layers)

    def forward(
        self, tokens: Tensor, segments: Tensor, real: Tensor, lengths: LengthConfiguration | None = None
    ) -> Tensor:
        """Logits (batch, tokens, 2) of each token being the first and the last of the answer, in float32.

        tokens and segments are int64 (batch, tokens); real is boolean, True where a token is not padding,
        which must come last. With `lengths` each layer lets only a share of the real tokens go on; [CLS], the
        first, always does. ValueError if `lengths` is for another number of layers.
        """
        hidden = self.embeddings(tokens, segments)
        if lengths is not None:
            return self._drop_and_restore(hidden, real, _asking(segments, real), lengths)
        return self._keep_all(hidden, real)

    def with_scores(self, tokens: Tensor, segments: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` gives, nothing dropped, and the significance heads' logits (layers, batch, tokens)."""
        asking, scores = _asking(segments, real), list[Tensor]()

        def score(layer: Layer, hidden: Tensor, mixed: Tensor) -> None:
            scores.append(layer.score(hidden, mixed, real, asking))

        logits = self._keep_all(self.embeddings(tokens, segments), real, score)
        return logits, torch.stack(scores)

    def _keep_all(
        self, hidden: Tensor, real: Tensor, look: Callable[[Layer, Tensor, Tensor], None] | None = None
    ) -> Tensor:
        """All layers with nothing dropped; `look` is shown what each is given and takes in by attention."""
        for layer in self.layers:
            mixed, _ = layer.attend(hidden, real, weigh=False)
            if look is not None:
                look(layer, hidden, mixed)
            hidden = layer.finish(hidden, mixed)
        logits: Tensor = self.span_head(hidden)
        return logits.float()

    def _drop_and_restore(self, hidden: Tensor, real: Tensor, asking: Tensor, lengths: LengthConfiguration) -> Tensor:
        """All layers under a length configuration; every token's logits, (batch, tokens, 2).

        The span head sees a token when it is dropped, in the state it arrived with, or at the end. So what is
        restored is two numbers a token.
        """
        if len(lengths.shares) != len(self.layers):
            raise ValueError(f"{len(lengths.shares)} shares given for {len(self.layers)} layers")
        batch, tokens = real.shape
        input_lengths = real.sum(dim=1).tolist()
        previous = input_lengths
        # Where each row of `hidden` stands in the input. What only fills up the batch is restored beyond its end.
        places = torch.arange(tokens, device=real.device).expand(batch, -1)
        restored = torch.zeros(batch, tokens + 1, 2, device=real.device)
        for index, layer in enumerate(self.layers):
            kept = [lengths.kept(index, length) for length in input_lengths]
            dropping, learnt = kept != previous, layer.significance_head is not None
            mixed, significance = layer.attend(hidden, real, weigh=dropping and not learnt)
            if dropping and learnt:
                significance = _question_first(layer.score(hidden, mixed, real, asking), asking, kept)
            if significance is not None:
                order = _by_significance(significance, real)
                going, leaving = order[:, : _carried(kept, order.shape[1])], order[:, min(kept) :]
                restored = self._restore(restored, _rows(hidden, leaving), _targets(real, places, tokens, leaving))
                real = _first(kept, going)
                going = _in_place(going, real)
                asking = asking.gather(1, going) & real
                hidden, mixed, places = _rows(hidden, going), _rows(mixed, going), places.gather(1, going)
            previous = kept
            hidden = layer.finish(hidden, mixed)
        return self._restore(restored, hidden, torch.where(real, places, tokens))[:, :tokens]

    def _restore(self, restored: Tensor, hidden: Tensor, targets: Tensor) -> Tensor:
        """Put the logits of tokens that have reached their last state where they belong in the input."""
        logits = self.span_head(hidden).float()
        return restored.scatter(1, targets[:, :, None].expand_as(logits), logits)


def _asking(segments: Tensor, real: Tensor) -> Tensor:
    """Which tokens are the question's, boolean (batch, tokens): the first segment, [CLS] too, as in BERT's inputs."""
    return (segments == 0) & real


# Tokens that go on are filled up to a multiple of this: every distinct shape costs a compiled kernel.
ROWS_STEP = 16


def _carried(kept: list[int], rows: int) -> int:
    """How many rows go on in a batch whose inputs keep so many tokens."""
    return min(rows, -(-max(kept) // ROWS_STEP) * ROWS_STEP)


def _first(counts: Sequence[float], rows: Tensor) -> Tensor:
    """Which rows are among the first so many of their input: boolean (batch, rows), as `rows` has them."""
    return torch.arange(rows.shape[1], device=rows.device) < torch.tensor(counts, device=rows.device)[:, None]


def _in_place(going: Tensor, kept: Tensor) -> Tensor:
    """The rows that go on in the order of the input, their filling behind them: (batch, going)."""
    beyond = int(going.amax()) + 1
    return torch.where(kept, going, going + beyond).sort(dim=1).values % beyond


def _targets(real: Tensor, places: Tensor, beyond: int, rows: Tensor) -> Tensor:
    """Where the logits of these rows belong in the input; `beyond` it for those that were dropped earlier."""
    return torch.where(real.gather(1, rows), places.gather(1, rows), beyond)


def _rows(hidden: Tensor, rows: Tensor) -> Tensor:
    """Pick (batch, picked) rows out of (batch, tokens, width): (batch, picked, width)."""
    batch, tokens, width = hidden.shape
    flat = rows + tokens * torch.arange(batch, device=rows.device)[:, None]
    return hidden.reshape(batch * tokens, width).index_select(0, flat.flatten()).view(batch, -1, width)


def _question_first(significance: Tensor, asking: Tensor, kept: list[int]) -> Tensor:
    """Let the question's tokens go on before all of the passage's, while they are not more than half of what goes on.

    All are (batch, tokens); the question comes first. Heads learn the places of answers only.
    """
    return significance.masked_fill(asking & _first([count / 2 for count in kept], asking), float("inf"))


def _by_significance(significance: Tensor, real: Tensor) -> Tensor:
    """All rows (batch, tokens), most significant first: [CLS] before all others, padding behind them."""
    ranked = significance.masked_fill(~real, float("-inf"))
    ranked[:, 0] = float("inf")
    return ranked.sort(dim=1, descending=True, stable=True).indices


def operations(shape: BertShape, tokens: int, lengths: LengthConfiguration | None = None) -> float:
    """Floating-point operations of the matrix products for one input of so many tokens."""
    width, total, before = shape.hidden_size, 0.0, tokens
    for layer in range(shape.num_hidden_layers):
        after = lengths.kept(layer, tokens) if lengths else tokens
        total += before * 6 * width * width + 4 * before * before * width
        total += after * 2 * width * (width + 2 * shape.intermediate_size)
        before = after
    return total
