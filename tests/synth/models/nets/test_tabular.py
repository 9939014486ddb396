import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synth.models.nets.tabular import column_of, draw, fold_codes, matching_bias, one_hot, schedule, softmaxes, torch_generator

sizes = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def tables(shape, seed):
    rng = np.random.default_rng(seed)
    return [rng.dirichlet(np.full(k, 0.7)) for k in shape]


def test_generators_repeat():
    one, two, other = (torch_generator(np.random.default_rng(s)) for s in (1, 1, 2))
    first = torch.rand(5, generator=one)
    assert torch.equal(first, torch.rand(5, generator=two))
    assert not torch.equal(first, torch.rand(5, generator=other))


def test_one_hot():
    assert one_hot(torch.tensor([[0, 3], [1, 2]]), 5).tolist() == [[1, 0, 0, 1, 0], [0, 1, 1, 0, 0]]


@given(sizes, st.integers(1, 40), st.integers(0, 99))
def test_folding_shares_positions_inside_columns_only(shape, width, seed):
    one_way = tables(shape, seed)
    fold, column = fold_codes(one_way, width), column_of(shape)
    used = fold.unique()
    assert used.tolist() == list(range(len(used)))  # no gaps
    assert len(used) <= max(width, len(shape))
    for position in used:
        assert len(column[fold == position].unique()) == 1  # never two columns in one
    order = fold[torch.arange(len(fold))]
    firsts = [order[column == j].min() for j in range(len(shape))]
    assert firsts == sorted(firsts)  # columns stay in order


@given(sizes, st.integers(0, 99))
def test_folding_with_room_is_the_identity(shape, seed):
    fold = fold_codes(tables(shape, seed), sum(shape) + len(shape))
    assert fold.tolist() == list(range(sum(shape)))


def test_common_codes_keep_their_own_position():
    one_way = [np.array([0.6, 0.2, 0.1, 0.06, 0.04]), np.array([0.5, 0.5])]
    fold = fold_codes(one_way, 5)  # two columns, room for three codes: 0.6 and the two of 0.5
    assert fold.tolist() == [0, 1, 1, 1, 1, 2, 3]


@given(sizes)
def test_columns_of_positions(shape):
    assert column_of(shape).tolist() == [j for j, k in enumerate(shape) for _ in range(k)]


@given(sizes, st.integers(0, 99))
def test_softmaxes_are_distributions_per_column(shape, seed):
    logits = torch.from_numpy(np.random.default_rng(seed).normal(0, 20, (3, sum(shape))))
    for part in softmaxes(logits, shape).split(shape, 1):
        assert part.sum(1).tolist() == pytest.approx([1.0] * 3)
        assert (part >= 0).all()


@pytest.mark.statistical
def test_draws_follow_their_probabilities():
    """100,000 draws: each share within 0.007 (over four standard errors)."""
    p = torch.tensor([0.05, 0.0, 0.6, 0.35])
    uniforms = torch.rand(100_000, generator=torch.Generator().manual_seed(0))
    codes = draw(p.expand(100_000, 4), uniforms)
    assert (torch.bincount(codes, minlength=4) / 100_000).tolist() == pytest.approx(p.tolist(), abs=0.007)
    assert (codes != 1).all()


def test_draws_at_the_ends_stay_inside():
    p = torch.tensor([[0.0, 0.5, 0.5, 0.0]]).expand(3, 4)
    assert draw(p, torch.tensor([0.0, 0.5, 1 - 2**-24])).tolist() == [1, 2, 2]
    assert draw(torch.ones(2, 1), torch.tensor([0.0, 0.999])).tolist() == [0, 0]


@pytest.mark.parametrize("spread", [0.1, 1.0, 4.0])
def test_matching_bias_hits_its_target(spread):
    rng = np.random.default_rng(3)
    logits = torch.from_numpy(rng.normal(0, spread, (4000, 6))).float()
    target = torch.tensor([0.5, 0.3, 0.1, 0.09, 0.0099, 0.0001])
    mean = (logits + matching_bias(logits, target)).softmax(1).mean(0)
    assert (mean - target).abs().max() < 2e-3


def test_matching_bias_empties_what_is_empty():
    logits = torch.zeros(100, 3)
    mean = (logits + matching_bias(logits, torch.tensor([0.0, 1.0, 0.0]))).softmax(1).mean(0)
    assert mean[1] > 0.999
    assert torch.isfinite(matching_bias(logits, torch.tensor([0.0, 1.0, 0.0]))).all()


def test_the_schedule_warms_up_and_cools_down():
    rates = [schedule(s, 100, 10) for s in range(100)]
    assert rates[0] < 0.11
    assert max(rates) == pytest.approx(1.0, abs=0.03)
    assert rates[-1] == pytest.approx(0.05, abs=0.01)
    assert rates[20:] == sorted(rates[20:], reverse=True)
