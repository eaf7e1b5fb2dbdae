"""Which tokens of an input matter, told by a small head beside a layer.

The early layers of a reader do not know yet where an answer stands, so neither what they compute nor the attention
that tokens receive says which may be dropped. But a question's words tend to stand near its answer. So a head
compares, besides, each token of the question with those of the passage, and says of every place how much of the
question is found close to it, at several distances: what BM25 does between passages, within one, by likeness learnt
instead of equal terms (after ColBERT's late interaction, Khattab and Zaharia 2020, arXiv 2004.12832). What may
answer also depends on what is asked, so a few hidden units look at each token, and the question opens and closes them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from docqa.reader.layout import Layout

# The width in which tokens are compared.
_LIKENESS_WIDTH = 48
# How many hidden units look at a token.
_UNITS = 64
# How near is near: at the token itself, and at most 1, 4, 13 and 40 tokens away. Each is the one before it, seen from
# three places that lie 1, 3, 9 and 27 tokens apart.
_STEPS = (1, 3, 9, 27)
_REACHES = 1 + len(_STEPS)
# How alike two tokens have to be to count as half a match before anything is learnt, and how fast that rises.
_SHARPNESS, _HALF_MATCH = 10.0, 0.6


class SignificanceHead(nn.Module):
    """One logit a token of the passage: how likely an answer begins or ends at it or close by."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own = nn.Linear(2 * width, 1)
        self.likeness = nn.Linear(width, _LIKENESS_WIDTH)
        self.weights = nn.Linear(2 * width, _REACHES)
        self.sharpness = nn.Linear(1, 1)
        self.units = nn.Linear(2 * width, _UNITS)
        self.gates = nn.Linear(width, _UNITS)
        self.units_say = nn.Linear(_UNITS, 1)
        for linear in (self.own, self.weights, self.gates, self.units_say):
            nn.init.zeros_(linear.weight)
        for bias in (self.own.bias, self.likeness.bias, self.weights.bias, self.units.bias, self.units_say.bias):
            nn.init.zeros_(bias)
        # All gates are open before anything is learnt.
        nn.init.ones_(self.gates.bias)
        nn.init.constant_(self.sharpness.weight, _SHARPNESS)
        nn.init.constant_(self.sharpness.bias, -_SHARPNESS * _HALF_MATCH)

    def forward(self, hidden: Tensor, mixed: Tensor, layout: Layout, asking: Tensor) -> Tensor:
        """Logits (inputs, longest) in float32; those of filling mean nothing.

        hidden is what the layer was given and mixed what each token took in by attention, both (rows, width) as
        `layout` says. asking is boolean (inputs, longest): which tokens are the question's, which comes first.
        """
        own, weights, units, likeness = self._told(hidden, mixed, layout)
        own = own + self._said(units, hidden, layout, asking)
        found = self._found(weights, likeness, layout.real, asking)
        passage = layout.real & ~asking
        # What tells places apart; a long question finds more everywhere.
        mean = (found * passage).sum(dim=1, keepdim=True) / passage.sum(dim=1, keepdim=True).clamp_min(1)
        return _smoothed(own + found - mean, layout.real)

    def _told(self, hidden: Tensor, mixed: Tensor, layout: Layout) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """All that is linear, in two products: (inputs, longest), (…, reaches), (…, units), (…, likeness)."""
        width = hidden.shape[-1]
        weight = torch.cat((self.own.weight, self.weights.weight, self.units.weight))
        bias = torch.cat((self.own.bias, self.weights.bias, self.units.bias, self.likeness.bias))
        of_hidden = functional.linear(hidden, torch.cat((weight[:, :width], self.likeness.weight)), bias).float()
        of_mixed = functional.linear(mixed, weight[:, width:]).float()
        both = of_hidden + functional.pad(of_mixed, (0, _LIKENESS_WIDTH))
        own, weights, units, likeness = torch.split(layout.stand(both), [1, _REACHES, _UNITS, _LIKENESS_WIDTH], dim=-1)
        return own[..., 0], weights, units, likeness

    def _said(self, units: Tensor, hidden: Tensor, layout: Layout, asking: Tensor) -> Tensor:
        """What hidden units say of each token, as far as the question's mean opens their gates: (inputs, longest)."""
        asking = asking[:, : int(asking.sum(dim=1).amax())]
        rows = layout.rectangle[:, : asking.shape[1]]
        states = hidden.index_select(0, rows.flatten()).view(*rows.shape, hidden.shape[-1])
        question = (states * asking[:, :, None]).sum(dim=1) / asking.sum(dim=1, keepdim=True).clamp_min(1)
        gates = self.gates(question.to(hidden.dtype)).float()
        weight, bias = self.units_say.weight.float(), self.units_say.bias.float()
        said: Tensor = (functional.gelu(units) * gates[:, None]) @ weight[0] + bias
        return said

    def _found(self, weights: Tensor, likeness: Tensor, real: Tensor, asking: Tensor) -> Tensor:
        """How much of the question is found near each token of the input, (inputs, longest)."""
        questions = int(asking.sum(dim=1).amax())
        # In what all tokens have in common they are alike anyway.
        mean = (likeness * real[:, :, None]).sum(dim=1, keepdim=True) / real.sum(dim=1)[:, None, None]
        likeness = functional.normalize(likeness - mean, dim=-1)
        likeness = likeness[:, :questions] @ likeness.transpose(1, 2)
        scale, offset = self.sharpness.weight.float(), self.sharpness.bias.float()
        matches = (likeness * scale + offset).sigmoid() * (real & ~asking)[:, None, :]
        weights = functional.softplus(weights[:, :questions]) * asking[:, :questions, None]
        # Beyond both ends there is nothing, but what is near a place there may be near one within as well.
        margin = sum(_STEPS)
        near = functional.pad(matches, (margin, margin))
        found = (matches * weights[:, :, 0, None]).sum(dim=1)
        for reach, step in enumerate(_STEPS, 1):
            near = torch.maximum(near[..., step:-step], torch.maximum(near[..., : -2 * step], near[..., 2 * step :]))
            margin -= step
            found = found + (near[..., margin : near.shape[2] - margin] * weights[:, :, reach, None]).sum(dim=1)
        return found


# How far a token's neighbours count on either side: what is kept should hang together.
_NEIGHBOURS = 2


def _smoothed(scores: Tensor, real: Tensor) -> Tensor:
    """The mean of each token's and its real neighbours' scores; both are (inputs, tokens), in the input's order."""
    width = 2 * _NEIGHBOURS + 1
    sums, counts = (
        functional.avg_pool1d(each[:, None], width, stride=1, padding=_NEIGHBOURS)[:, 0]
        for each in (scores.masked_fill(~real, 0.0), real.to(scores.dtype))
    )
    return sums / counts.clamp_min(1 / width)
