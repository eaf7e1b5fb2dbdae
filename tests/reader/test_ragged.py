"""Inputs of different lengths one behind the other: nothing is lost, and those of a length are a rectangle."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from docqa.reader.layout import ALL_ROWS, INPUT_ROWS, Layout

CPU = torch.device("cpu")

lengths_of_inputs = st.lists(st.integers(1, 150), min_size=1, max_size=9)


def numbered(lengths: list[int], padding: int = 0) -> Tensor:
    """A batch in which every place has a number of its own."""
    width = max(lengths) + padding
    return torch.arange(len(lengths) * width).view(len(lengths), width)


@given(lengths_of_inputs, st.integers(0, 20))
def test_what_is_laid_stands_again(lengths: list[int], padding: int) -> None:
    layout, batch = Layout(lengths, CPU), numbered(lengths, padding)
    rows = layout.lay(batch)
    assert rows.shape == (layout.rows,)
    standing = layout.stand(rows)
    assert torch.equal(standing[layout.real], batch[:, : layout.longest][layout.real])
    assert layout.real.sum(dim=1).tolist() == lengths
    assert sorted(rows[~layout.filling].tolist()) == sorted(batch[:, : layout.longest][layout.real].tolist())


@given(lengths_of_inputs, st.booleans())
def test_groups_are_rectangles_of_whole_inputs(lengths: list[int], one: bool) -> None:
    layout = Layout(lengths, CPU, filled=max(lengths) if one else None)
    assert not one or len(layout.groups) == 1
    rows = torch.stack((layout.inputs, layout.places), dim=1)
    seen, first = [], 0
    for group in layout.groups:
        assert group.first == first
        first += group.count * group.tokens
        for row, of_input in enumerate(group.of(rows)):
            (number,) = set(of_input[:, 0].tolist())
            seen.append(number)
            assert of_input[:, 1].tolist() == list(range(group.tokens))
            real = [True] * group.tokens if group.real is None else group.real[row].tolist()
            assert real == [place < lengths[number] for place in range(group.tokens)]
    assert sorted(seen) == list(range(len(lengths)))
    assert layout.filling[first:].all()


@given(lengths_of_inputs)
def test_few_shapes_occur(lengths: list[int]) -> None:
    layout = Layout(lengths, CPU)
    assert layout.rows % (ALL_ROWS if layout.rows > 8 * ALL_ROWS else INPUT_ROWS) == 0
    assert all(group.tokens % INPUT_ROWS == 0 for group in layout.groups)
    assert layout.rows < sum(lengths) + len(lengths) * INPUT_ROWS + ALL_ROWS
    assert len({group.tokens for group in layout.groups}) == len(layout.groups)


def test_a_layout_of_padded_inputs_in_their_order() -> None:
    real = torch.tensor([[True, True, False, False], [True, False, False, False]])
    layout = Layout.of(real, filled=4)
    assert layout.lengths == [2, 1]
    assert layout.inputs.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert layout.places.tolist() == [0, 1, 2, 3] * 2
    assert torch.equal(layout.filling.view(2, 4), ~real)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_gets_one_rectangle() -> None:
    layout = Layout([30, 3], torch.device("cuda"))
    assert [group.tokens for group in layout.groups] == [30]
