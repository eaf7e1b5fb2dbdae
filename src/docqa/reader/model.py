"""The whole forward pass of BERT for extractive question answering, with drop-and-restore built in.

BERT (Devlin et al. 2019, arXiv 1810.04805) with a span head: two numbers per token, the logits of being the
first and the last token of the answer. Without a length configuration it computes what transformers'
`BertForQuestionAnswering` computes. With one it is the Length-Adaptive Transformer (Kim and Cho 2020,
arXiv 2010.07003, section 3.1): after a layer's attention the tokens that receive the least attention leave,
keep the hidden state they arrived with, and rejoin before the span head.

Shapes are written (batch, tokens, width); `heads` is the number of attention heads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from docqa.reader.lengths import LengthConfiguration

# Every distinct shape costs the CPU backend a compiled kernel, so the rows that go on are rounded up too.
KEPT_STEP = 16


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
        """Embed (batch, tokens) ids into (batch, tokens, width)."""
        positions = self.positions.weight[: tokens.shape[1]]
        embedded: Tensor = self.norm(self.words(tokens) + positions + self.segments(segments))
        return embedded


class Layer(nn.Module):
    """One transformer layer: attention, then the feed-forward network on the tokens that go on."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.heads = shape.num_attention_heads
        self.queries_keys_values = nn.Linear(shape.hidden_size, 3 * shape.hidden_size)
        self.attention_output = nn.Linear(shape.hidden_size, shape.hidden_size)
        self.attention_norm = nn.LayerNorm(shape.hidden_size, eps=shape.layer_norm_eps)
        self.up = nn.Linear(shape.hidden_size, shape.intermediate_size)
        self.down = nn.Linear(shape.intermediate_size, shape.hidden_size)
        self.output_norm = nn.LayerNorm(shape.hidden_size, eps=shape.layer_norm_eps)

    def attend(self, hidden: Tensor, real: Tensor, *, weigh: bool) -> tuple[Tensor, Tensor | None]:
        """Self-attention over the real tokens, with its residual connection and normalisation.

        hidden is (batch, tokens, width), real a boolean (batch, tokens). Returns the new hidden states and,
        if `weigh`, each token's significance (batch, tokens): the attention it receives, summed over heads
        and over the real queries (section 3.1). Without `weigh` the attention matrix never exists.
        """
        batch, tokens, width = hidden.shape
        packed = self.queries_keys_values(hidden).view(batch, tokens, 3, self.heads, width // self.heads)
        queries, keys, values = packed.permute(2, 0, 3, 1, 4)
        significance = None
        if weigh:
            logits = (queries @ keys.transpose(-1, -2)).float() * (width // self.heads) ** -0.5
            attention = logits.masked_fill(~real[:, None, None, :], float("-inf")).softmax(dim=-1)
            significance = (attention * real[:, None, :, None]).sum(dim=(1, 2))
            mixed = attention.to(values.dtype) @ values
        else:
            mixed = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=real[:, None, None, :])
        mixed = self.attention_output(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return self.attention_norm(hidden + mixed), significance

    def feed_forward(self, hidden: Tensor) -> Tensor:
        """The feed-forward network with its residual connection and normalisation; keeps the shape."""
        raised = functional.gelu(self.up(hidden))
        output: Tensor = self.output_norm(hidden + self.down(raised))
        return output


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

    def forward(
        self, tokens: Tensor, segments: Tensor, real: Tensor, lengths: LengthConfiguration | None = None
    ) -> Tensor:
        """Logits (batch, tokens, 2) of each token being the first and the last of the answer, in float32.

        tokens and segments are int64 (batch, tokens); real is boolean, True where a token is not padding,
        which must come last. With `lengths` each layer lets only a share of the real tokens go on; [CLS], the
        first, always does. ValueError if `lengths` is for another number of layers.
        """
        hidden = self.embeddings(tokens, segments)
        if lengths is None:
            for layer in self.layers:
                attended, _ = layer.attend(hidden, real, weigh=False)
                hidden = layer.feed_forward(attended)
        else:
            hidden = self._drop_and_restore(hidden, real, lengths)
        logits: Tensor = self.span_head(hidden)
        return logits.float()

    def _drop_and_restore(self, hidden: Tensor, real: Tensor, lengths: LengthConfiguration) -> Tensor:
        """All layers under a length configuration; every token's last hidden state, (batch, tokens, width)."""
        if len(lengths.shares) != len(self.layers):
            raise ValueError(f"{len(lengths.shares)} shares given for {len(self.layers)} layers")
        input_lengths = real.sum(dim=1).tolist()
        previous = input_lengths
        restored = hidden
        # Where each row of `hidden` stands in the input.
        places = torch.arange(hidden.shape[1], device=hidden.device).expand(hidden.shape[0], -1)
        for index, layer in enumerate(self.layers):
            kept = [lengths.kept(index, length) for length in input_lengths]
            hidden, significance = layer.attend(hidden, real, weigh=kept != previous)
            if significance is not None:
                rows, real = _most_significant(significance, real, kept)
                hidden = _rows(hidden, rows)
                places = places.gather(1, rows)
            previous = kept
            hidden = layer.feed_forward(hidden)
            # Rows that only fill up the batch must leave their token's last real state alone.
            settled = torch.where(real[:, :, None], hidden, _rows(restored, places))
            restored = restored.scatter(1, places[:, :, None].expand_as(settled), settled)
        return restored


def _rows(hidden: Tensor, rows: Tensor) -> Tensor:
    """Pick (batch, picked) rows out of (batch, tokens, width): (batch, picked, width)."""
    return hidden.gather(1, rows[:, :, None].expand(-1, -1, hidden.shape[2]))


def _most_significant(significance: Tensor, real: Tensor, kept: list[int]) -> tuple[Tensor, Tensor]:
    """The rows that go on, most significant first, and which of them are more than filling.

    An input that keeps fewer tokens than the longest of its batch is filled up; padding never comes before
    a real token, and [CLS] always comes first.
    """
    ranked = significance.detach().masked_fill(~real, float("-inf"))
    ranked[:, 0] = float("inf")
    rounded = -(-max(kept) // KEPT_STEP) * KEPT_STEP
    rows = ranked.topk(min(rounded, ranked.shape[1]), dim=1).indices
    numbers = torch.tensor(kept, device=rows.device)
    return rows, torch.arange(rows.shape[1], device=rows.device) < numbers[:, None]
