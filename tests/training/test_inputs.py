from __future__ import annotations

from random import Random

import pytest
from tokenizers import Tokenizer

from docqa.errors import ReaderError
from docqa.reader.windows import cut_windows
from docqa.training.data import Example
from docqa.training.inputs import Encoder, batches, collate, padded_length

QUESTION = "what river flows through cairo ?"


def answered(passage: str, answer: str) -> Example:
    start = passage.index(answer)
    return Example(QUESTION, passage, ((start, start + len(answer)),))


def test_an_input_is_what_the_reader_would_read(tokenizer: Tokenizer) -> None:
    passage = "The big nile flows."
    one = Encoder(tokenizer, 64).encode(answered(passage, "big nile"), Random(0))
    (window,), _ = cut_windows(tokenizer, QUESTION, [passage])
    assert one is not None
    assert (one.tokens, one.first) == (window.tokens, window.first)
    assert tokenizer.decode(one.tokens[one.start : one.end + 1]) == "big nile"


def test_not_here_is_the_first_token(tokenizer: Tokenizer) -> None:
    one = Encoder(tokenizer, 64).encode(Example(QUESTION, "the nile", ()), Random(0))
    assert one is not None
    assert (one.start, one.end) == (0, 0)


@pytest.mark.parametrize("seed", range(20))
def test_a_long_passage_is_cut_around_the_answer(tokenizer: Tokenizer, seed: int) -> None:
    passage = "green " * 40 + "nile " + "big " * 40
    one = Encoder(tokenizer, 32).encode(answered(passage, "nile"), Random(seed))
    assert one is not None
    assert len(one.tokens) == 32
    assert tokenizer.decode(one.tokens[one.start : one.end + 1]) == "nile"


def test_an_answer_that_cannot_fit_is_left_out(tokenizer: Tokenizer) -> None:
    passage = "green " * 40
    assert Encoder(tokenizer, 32).encode(Example(QUESTION, passage, ((0, 200),)), Random(0)) is None


def test_batches_hold_every_question_once_in_like_lengths(tokenizer: Tokenizer) -> None:
    encoder = Encoder(tokenizer, 128)
    questions = []
    for count in range(1, 100):
        passages = [Example(QUESTION, "nile " * (count - extra), ()) for extra in range(1 + count % 3)]
        questions.append(encoder.encode_all(passages, Random(0)))
    cut = list(batches(questions, 512, Random(0)))
    assert sorted(len(one.tokens) for batch in cut for inputs in batch for one in inputs) == sorted(
        len(one.tokens) for inputs in questions for one in inputs
    )
    for batch in cut:
        assert len({padded_length(inputs) for inputs in batch}) == 1
        assert collate(batch).tokens.numel() <= 512 or len(batch) == 1


def test_a_question_whose_first_passage_cannot_be_encoded_is_left_out(tokenizer: Tokenizer) -> None:
    too_long = Example(QUESTION, "green " * 40, ((0, 200),))
    assert Encoder(tokenizer, 32).encode_all([too_long, Example(QUESTION, "the nile", ())], Random(0)) == ()


def test_all_windows_of_a_long_passage_are_those_of_the_reader(tokenizer: Tokenizer) -> None:
    passage = "green " * 40 + "nile " + "big " * 40
    encoder = Encoder(tokenizer, 32, all_windows=True)
    cut, _ = cut_windows(tokenizer, QUESTION, [passage], 32)
    nile = tokenizer.token_to_id("nile")
    own, *others = encoder.encode_all([answered(passage, "nile")], Random(0))
    assert own.start > 0
    assert [one.tokens for one in others] == [
        window.tokens for window in cut if nile not in window.tokens[window.first :]
    ]
    assert all((one.start, one.end) == (0, 0) for one in others)
    distractor = encoder.encode_all([answered("the nile", "nile"), Example(QUESTION, passage, ())], Random(0))
    assert [one.tokens for one in distractor[1:]] == [window.tokens for window in cut]


def test_a_passage_that_fits_is_one_window(tokenizer: Tokenizer) -> None:
    examples = [answered("the nile", "nile"), Example(QUESTION, "the big seine", ())]
    windows = Encoder(tokenizer, 32, all_windows=True).encode_all(examples, Random(0))
    assert windows == Encoder(tokenizer, 32).encode_all(examples, Random(0))
    assert len(windows) == 2


def test_answers_may_stand_at_cls_and_in_the_passage_only(tokenizer: Tokenizer) -> None:
    inputs = Encoder(tokenizer, 64).encode_all([Example(QUESTION, "the nile", ())], Random(0))
    batch = collate([inputs])
    assert batch.tokens.shape == (1, 32)
    assert batch.places[0].nonzero().flatten().tolist() == [0, inputs[0].first, inputs[0].first + 1]
    assert int(batch.real.sum()) == len(inputs[0].tokens)


def test_a_batch_numbers_its_questions_and_pads_with_nothing(tokenizer: Tokenizer) -> None:
    encoder = Encoder(tokenizer, 64)
    one = encoder.encode_all([answered("the nile", "nile"), Example(QUESTION, "the big green seine", ())], Random(0))
    two = encoder.encode_all([Example(QUESTION, "oslo", ())], Random(0))
    batch = collate([one, two])
    assert batch.questions.tolist() == [0, 0, 1]
    assert batch.starts.tolist() == [one[0].start, 0, 0]
    assert batch.ends.tolist() == [one[0].end, 0, 0]
    for row, input_ in enumerate((*one, *two)):
        count = len(input_.tokens)
        assert batch.tokens[row, :count].tolist() == input_.tokens
        assert not batch.tokens[row, count:].any()
        assert batch.segments[row].nonzero().flatten().tolist() == list(range(input_.first, count))


def test_a_tokenizer_of_another_family_is_refused() -> None:
    from tokenizers.models import BPE

    with pytest.raises(ReaderError, match=r"\[CLS\]"):
        Encoder(Tokenizer(BPE()), 64)
