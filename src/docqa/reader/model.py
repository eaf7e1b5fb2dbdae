"""The whole forward pass of BERT for extractive question answering, with drop-and-restore built in.

BERT (Devlin et al. 2019, arXiv 1810.04805) with a span head: two numbers per token, the logits of being the
first and the last token of the answer. Without a length configuration it computes what transformers'
`BertForQuestionAnswering` computes. With one it is the Length-Adaptive Transformer (Kim and Cho 2020,
arXiv 2010.07003, section 3.1): after a layer's attention the least significant tokens leave, keep the hidden
state they arrived with, and rejoin before the span head.

Which tokens matter is told by the attention that they receive, as in the paper, or by heads that have learnt it
(`learn_significance`). Attention leaves a passage full of holes; a head keeps the stretches where an answer may
stand, with far less lost at the same cost (docs/training.md).

Inputs of different lengths lie one behind the other (docqa.reader.layout): shapes are written (rows, width) for all
of them, and (inputs, tokens, width) where they are a rectangle. `heads` is the number of attention heads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from docqa.reader.layout import Layout
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

    def forward(self, tokens: Tensor, segments: Tensor, places: Tensor) -> Tensor:
        """Embed ids, segments and places in the input, (rows,) each, into (rows, width).

        The table of words may be in another precision than all else: of its many rows an input needs few.
        """
        positions = self.positions(places.clamp(max=self.positions.num_embeddings - 1))
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

    def attend(self, hidden: Tensor, layout: Layout, *, weigh: bool) -> tuple[Tensor, Tensor | None]:
        """What each token takes in from its input's, before the output projection: (rows, width), as hidden is.

        If `weigh`, also each token's significance (rows,): the attention it receives, summed over heads and over the
        real queries (section 3.1).
        """
        packed = self.queries_keys_values(hidden)
        mixed, received = [], []
        for group in layout.groups:
            of_group, significance = self._attend(group.of(packed), group.real, weigh=weigh)
            mixed.append(of_group.flatten(0, 1))
            if significance is not None:
                received.append(significance.flatten())
        beyond = layout.rows - sum(map(len, mixed))
        if beyond:
            mixed.append(hidden.new_zeros(beyond, hidden.shape[-1], dtype=mixed[0].dtype))
        return _joined(mixed), _joined(received) if received else None

    def _attend(self, packed: Tensor, real: Tensor | None, *, weigh: bool) -> tuple[Tensor, Tensor | None]:
        """The same for inputs of one length: packed is (inputs, tokens, 3 width), the rest as in `Group`."""
        inputs, tokens, width = packed.shape[0], packed.shape[1], packed.shape[2] // 3
        split = packed.view(inputs, tokens, 3, self.heads, width // self.heads)
        queries, keys, values = split.permute(2, 0, 3, 1, 4)
        if weigh or _matrix_is_faster(queries):
            mixed, significance = _attended(queries, keys, values, real, weigh=weigh)
        else:
            mask = None if real is None else real[:, None, None, :]
            mixed = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
            significance = None
        return mixed.transpose(1, 2).reshape(inputs, tokens, width), significance

    def score(self, hidden: Tensor, mixed: Tensor, layout: Layout, asking: Tensor) -> Tensor:
        """The significance head's logit of each token, (inputs, longest); see there. ValueError without a head."""
        if self.significance_head is None:
            raise ValueError("this layer has no significance head")
        scores: Tensor = self.significance_head(hidden, mixed, layout, asking)
        return scores

    def finish(self, hidden: Tensor, mixed: Tensor) -> Tensor:
        """The rest of the layer for the tokens that go on: output projection and feed-forward network.

        Both with their residual connection and normalisation; keeps the shape (rows, width).
        """
        attended = self.attention_norm(hidden + self.attention_output(mixed))
        output: Tensor = self.output_norm(attended + self.down(self.up(attended)))
        return output


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


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
    queries: Tensor, keys: Tensor, values: Tensor, real: Tensor | None, *, weigh: bool
) -> tuple[Tensor, Tensor | None]:
    """Attention's output (inputs, heads, tokens, head width), and if `weigh` significance, by whole matrices."""
    # On processors a product of strided matrices takes half as long again.
    queries, keys = (queries * queries.shape[-1] ** -0.5).contiguous(), keys.contiguous()
    logits = queries @ keys.transpose(-1, -2)
    if _may_divide_last(queries, keys):
        # A softmax that divides last, by sums that the product brings along as a further column: it passes over
        # the largest tensor of all once instead of three times.
        attention = logits.exp_()
        summing = torch.cat((values, torch.ones_like(values[..., :1])), dim=-1)
        if real is not None:
            summing.mul_(real[:, None, :, None])
        product = attention @ summing
        sums = product[..., -1:]
        mixed, shares = product[..., :-1] / sums, 1 / sums
    else:
        if real is not None:
            bias = torch.zeros_like(real, dtype=logits.dtype).masked_fill(~real, float("-inf"))
            logits = logits.add_(bias[:, None, None, :])
        attention = functional.softmax(logits, dim=-1, dtype=values.dtype)
        mixed, shares = attention @ values, torch.ones_like(attention[..., :1])
    if not weigh:
        return mixed, None
    if real is not None:
        shares = shares * real[:, None, :, None]
    return mixed, (shares.transpose(-1, -2) @ attention.detach()).float().sum(dim=(1, 2))


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
        self,
        tokens: Tensor,
        segments: Tensor,
        real: Tensor,
        lengths: LengthConfiguration | None = None,
        layout: Layout | None = None,
    ) -> Tensor:
        """Logits (inputs, tokens, 2) of each token being the first and the last of the answer, in float32.

        tokens and segments are int64 (inputs, tokens); real is boolean, True where a token is not padding,
        which must come last and gets zeros. With `lengths` each layer lets only a share of the real tokens go on;
        [CLS], the first, always does. `layout` is `real`'s, if it is to be another than is best here. ValueError if
        `lengths` is for another number of layers.
        """
        layout = layout or Layout.of(real)
        hidden = self.embeddings(layout.lay(tokens), layout.lay(segments), layout.places)
        if lengths is None:
            hidden = self._keep_all(hidden, layout)
        else:
            hidden = self._drop_and_restore(hidden, layout, _asking(segments, layout), lengths)
        return self._spans(hidden, layout, tokens.shape[1])

    def with_scores(self, tokens: Tensor, segments: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` gives, nothing dropped, and the significance heads' logits (layers, inputs, tokens)."""
        layout, scores = Layout.of(real), list[Tensor]()
        asking = _asking(segments, layout)

        def score(layer: Layer, hidden: Tensor, mixed: Tensor) -> None:
            scores.append(layer.score(hidden, mixed, layout, asking))

        hidden = self.embeddings(layout.lay(tokens), layout.lay(segments), layout.places)
        logits = self._spans(self._keep_all(hidden, layout, score), layout, tokens.shape[1])
        return logits, functional.pad(torch.stack(scores), (0, tokens.shape[1] - layout.longest))

    def _keep_all(
        self, hidden: Tensor, layout: Layout, look: Callable[[Layer, Tensor, Tensor], None] | None = None
    ) -> Tensor:
        """All layers with nothing dropped; `look` is shown what each is given and takes in by attention."""
        for layer in self.layers:
            mixed, _ = layer.attend(hidden, layout, weigh=False)
            if look is not None:
                look(layer, hidden, mixed)
            hidden = layer.finish(hidden, mixed)
        return hidden

    def _drop_and_restore(self, hidden: Tensor, layout: Layout, asking: Tensor, lengths: LengthConfiguration) -> Tensor:
        """All layers under a length configuration; every token's last state, in the rows that it came in."""
        if len(lengths.shares) != len(self.layers):
            raise ValueError(f"{len(lengths.shares)} shares given for {len(self.layers)} layers")
        whole, nowhere = layout, layout.rows
        # The row that each of those that are left came in; what only fills up goes nowhere.
        origins = torch.arange(layout.rows, device=hidden.device).masked_fill(layout.filling, nowhere)
        restored = hidden.new_zeros(nowhere + 1, hidden.shape[1])
        for index, layer in enumerate(self.layers):
            kept = [lengths.kept(index, length) for length in whole.lengths]
            dropping, learnt = kept != layout.lengths, layer.significance_head is not None
            mixed, received = layer.attend(hidden, layout, weigh=dropping and not learnt)
            if dropping:
                restored = _restored(restored, hidden, origins)
                if received is None:
                    significance = _question_first(layer.score(hidden, mixed, layout, asking), asking, kept)
                else:
                    significance = layout.stand(received)
                going = _going(_by_significance(significance, layout.real), kept)
                layout, before = Layout(kept, hidden.device), layout
                rows = layout.lay(before.rectangle.gather(1, going))
                hidden, mixed = hidden.index_select(0, rows), mixed.index_select(0, rows)
                origins = origins[rows].masked_fill(layout.filling, nowhere)
                asking = asking.gather(1, going) & layout.real
            hidden = layer.finish(hidden, mixed)
        return _restored(restored, hidden, origins)[:nowhere]

    def _spans(self, hidden: Tensor, layout: Layout, tokens: int) -> Tensor:
        """The logits of rows (rows, width) as a batch, (inputs, tokens, 2)."""
        logits = layout.stand(self.span_head(hidden).float()) * layout.real[:, :, None]
        return functional.pad(logits, (0, 0, 0, tokens - layout.longest))


def _restored(restored: Tensor, hidden: Tensor, origins: Tensor) -> Tensor:
    """Put each row's state where it came from; a later state replaces an earlier one."""
    return restored.index_copy(0, origins, hidden.to(restored.dtype))


def _asking(segments: Tensor, layout: Layout) -> Tensor:
    """Which tokens are the question's, boolean (inputs, longest): the first segment, [CLS] too, as in BERT."""
    return (segments[:, : layout.longest] == 0) & layout.real


def _first(counts: Sequence[float], rows: Tensor) -> Tensor:
    """Which places are among the first so many of their input: boolean (inputs, tokens), as `rows` has them."""
    return torch.arange(rows.shape[1], device=rows.device) < torch.tensor(counts, device=rows.device)[:, None]


def _going(order: Tensor, kept: list[int]) -> Tensor:
    """The places that go on, in the input's order, and filling behind them: (inputs, most kept).

    order has all places (inputs, tokens), the most significant first.
    """
    going = order[:, : max(kept)]
    beyond = order.shape[1]
    return torch.where(_first(kept, going), going, going + beyond).sort(dim=1).values % beyond


def _question_first(significance: Tensor, asking: Tensor, kept: list[int]) -> Tensor:
    """Let the question's tokens go on before all of the passage's, while they are not more than half of what goes on.

    All are (inputs, tokens); the question comes first. Heads learn the places of answers only.
    """
    return significance.masked_fill(asking & _first([count / 2 for count in kept], asking), float("inf"))


def _by_significance(significance: Tensor, real: Tensor) -> Tensor:
    """All places (inputs, tokens), most significant first: [CLS] before all others, padding behind them."""
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
