"""What training minimises.

The span loss is BERT's for SQuAD 2.0 (Devlin et al. 2019, section 4.3), cross-entropy of the answer's first
and last token with [CLS] as both where the passage does not answer, plus the same over all passages of a
question together (Clark and Gardner 2018, arXiv 1710.10723, section 3.2, "shared-norm"): a span must win
against the spans of passages that only look right, which is what it has to do in a library. Places that can
be no answer, such as the question, take no part.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from docqa.reader.lengths import LengthConfiguration
from docqa.reader.model import SpanModel
from docqa.training.inputs import Batch


def span_logits(model: SpanModel, batch: Batch, lengths: LengthConfiguration | None = None) -> Tensor:
    """Logits (batch, tokens, 2) of first and last tokens, minus infinity where there can be none."""
    return _possible(model(batch.tokens, batch.segments, batch.real, lengths), batch)


def scored_logits(model: SpanModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """The same with nothing dropped, and the significance heads' logits (layers, batch, tokens)."""
    logits, scores = model.with_scores(batch.tokens, batch.segments, batch.real)
    return _possible(logits, batch), scores


def _possible(logits: Tensor, batch: Batch) -> Tensor:
    """Logits, but minus infinity where no answer can start or end."""
    return logits.masked_fill(~batch.places[:, :, None], float("-inf"))


def span_loss(logits: Tensor, batch: Batch) -> Tensor:
    """The mean over inputs of both cross-entropies, over each passage alone and over a question's together."""
    starts, ends = logits.unbind(dim=2)
    alone = functional.cross_entropy(starts, batch.starts) + functional.cross_entropy(ends, batch.ends)
    together = _shared_loss(starts, batch.starts, batch.questions) + _shared_loss(ends, batch.ends, batch.questions)
    return (alone + together / len(logits)) / 2


def _shared_loss(logits: Tensor, targets: Tensor, questions: Tensor) -> Tensor:
    """Summed cross-entropy of the answers among all passages of their question, [CLS] left out.

    logits is (batch, tokens). Questions with a single passage, or without an answer in one, add nothing.
    """
    passages = torch.bincount(questions)
    rows = torch.nonzero((targets > 0) & (passages[questions] > 1)).squeeze(1)
    if not len(rows):
        return logits.new_zeros(())
    of_passages = logits[:, 1:].logsumexp(dim=1)
    same = questions[rows][:, None] == questions[None, :]
    of_questions = of_passages.expand(len(rows), -1).masked_fill(~same, float("-inf")).logsumexp(dim=1)
    return (of_questions - logits[rows, targets[rows]]).sum()


# Over how many tokens on either side of it an answer's first or last one is spread.
_SPREAD = 2


def significance_loss(scores: Tensor, logits: Tensor, batch: Batch) -> Tensor:
    """Mean cross-entropy of the significance heads' softmax over the passage's tokens, over inputs with an answer.

    scores are (layers, batch, tokens), logits the reader's own with nothing dropped, (batch, tokens, 2). Half of what
    is wanted are the first and last token of the right answer, half those that the reader itself holds likely: what it
    cannot find among all tokens, it need not keep. Both are spread over neighbours.
    """
    rows = torch.nonzero(batch.starts > 0).squeeze(1)
    if not len(rows):
        # Alone in a step, it must have a gradient all the same.
        return 0.0 * scores.sum()
    passage = batch.places[rows].clone()
    passage[:, 0] = False
    found = logits[rows].detach().masked_fill(~passage[:, :, None], float("-inf")).softmax(dim=1).mean(dim=2)
    right = (functional.one_hot(target[rows], scores.shape[2]) for target in (batch.starts, batch.ends))
    wanted = found / 2 + sum(right) / 4
    spread = functional.avg_pool1d(wanted[:, None], 2 * _SPREAD + 1, stride=1, padding=_SPREAD)[:, 0] * passage
    wanted = spread / spread.sum(dim=1, keepdim=True)
    given = scores[:, rows].float().masked_fill(~passage, float("-inf")).log_softmax(dim=2)
    return -(wanted * given.masked_fill(~passage, 0.0)).sum(dim=2).mean()


def distillation_loss(student: Tensor, teacher: Tensor, batch: Batch, temperature: float = 1.0) -> Tensor:
    """Mean over inputs of KL(teacher || student) of first and of last tokens at a temperature (Hinton et al. 2015).

    Both are logits (batch, tokens, 2). The gradients are those of the soft cross-entropy, which exceeds it by the
    teacher's entropy. The direction is the usual one, in which a student must cover what its teacher holds
    possible; the Length-Adaptive Transformer's code has it the other way round.
    """
    places = batch.places[:, :, None]
    wanted = (teacher / temperature).masked_fill(~places, float("-inf")).log_softmax(dim=1)
    given = (student / temperature).log_softmax(dim=1)
    # Where nothing can be, both are minus infinity, and their difference would not be a number.
    difference = (wanted - given).masked_fill(~places, 0.0)
    return (wanted.exp() * difference).sum() / (2 * len(student))
