"""Merged codes: mass and order are kept, groups are few, heavy codes stay alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.models.measured.groups import MANY, MAX_WIDTH, MOST_MANY, TARGET_FACTOR, choose_groups, is_number, settle
from synth.table import Domain


def tables(sizes, seed):
    rng = np.random.default_rng(seed)
    return [rng.dirichlet(np.full(k, 0.5)) for k in sizes]


@st.composite
def domains(draw):
    sizes = tuple(draw(st.lists(st.integers(1, 60), min_size=1, max_size=5)))
    in_order = draw(st.just(()) | st.tuples(*(st.integers(0, k) for k in sizes)))
    names = tuple("abcde"[: len(sizes)])
    return Domain(names=names, sizes=sizes, target=draw(st.sampled_from([None, names[0]])), in_order=in_order)


@given(domains(), st.integers(0, 99), st.floats(1, 1e6), st.floats(0.3, 1e4), st.integers(1, 32))
def test_groups_are_sound(domain, seed, rows, sigma, widest):
    one_way = tables(domain.sizes, seed)
    groups = choose_groups(one_way, domain, rows=rows, sigma=sigma, widest=widest)
    coarse = groups.domain
    assert (coarse.names, coarse.target) == (domain.names, domain.target)
    assert len(coarse.in_order) == len(domain.sizes)
    most = int(np.clip(np.sqrt(rows / sigma), 1, widest))
    for j, (map_, shares, merged) in enumerate(zip(groups.maps, one_way, groups.merge(one_way), strict=True)):
        assert map_.shape == shares.shape
        assert np.array_equal(np.unique(map_), np.arange(coarse.sizes[j]))  # all used, no gaps
        assert merged.shape == (coarse.sizes[j],)
        assert merged.sum() == pytest.approx(1.0)
        for group in range(coarse.sizes[j]):
            assert merged[group] == pytest.approx(shares[map_ == group].sum())
        wide = round(TARGET_FACTOR * most) if domain.names[j] == domain.target else most
        n = domain.in_order[j] if domain.in_order else 0
        if n > 1:
            assert (np.diff(map_[:n]) >= 0).all()  # neighbours stay neighbours
            assert coarse.in_order[j] == map_[n - 1] + 1
            assert coarse.in_order[j] <= max(2 * wide + 1, 3)
            assert len(np.unique(map_[n:])) == len(map_) - n  # missing and other stay alone
            assert not set(map_[:n]) & set(map_[n:])
        else:
            assert coarse.in_order[j] == 0
            assert coarse.sizes[j] <= max((MOST_MANY if is_number(domain) else MANY) * wide - 1, 2)


def test_atoms_stay_alone_and_the_rest_is_evenly_split():
    shares = np.full(100, 0.6 / 99)
    shares[40] = 0.4
    domain = Domain(names=("a",), sizes=(100,), in_order=(100,))
    groups = choose_groups([shares], domain, rows=1e4, sigma=100.0, widest=10)
    (map_,), (merged,) = groups.maps, groups.merge([shares])
    assert (map_ == map_[40]).sum() == 1
    rest = np.delete(merged, map_[40])
    assert 8 <= len(merged) <= 12
    assert rest.max() < 0.6 / 9 + 2 * 0.6 / 99


def test_common_categories_stay_alone_and_rare_ones_share_a_group():
    shares = np.array([0.001, 0.5, 0.3, 0.001, 0.198])
    domain = Domain(names=("a",), sizes=(5,), in_order=(0,))
    groups = choose_groups([shares], domain, rows=1000, sigma=10.0, widest=8)
    (map_,) = groups.maps
    assert map_[0] == map_[3]
    assert len({map_[1], map_[2], map_[4], map_[0]}) == 4


def test_a_single_rare_category_is_not_a_group_of_itself_at_the_end():
    groups = choose_groups([np.array([0.001, 0.999])], Domain(names=("a",), sizes=(2,)), rows=1000, sigma=10.0, widest=8)
    assert groups.maps[0].tolist() == [0, 1]


def test_more_rows_or_less_noise_allow_more_groups():
    one_way, domain = tables((200,), 0), Domain(names=("a",), sizes=(200,), in_order=(200,))
    found = [
        choose_groups(one_way, domain, rows=rows, sigma=sigma, widest=64).domain.sizes[0]
        for rows, sigma in ((100, 50.0), (1e4, 50.0), (1e4, 5.0))
    ]
    assert found == sorted(set(found))


@pytest.mark.parametrize(
    ("in_order", "columns", "groups"), [(50, 2, 59), (0, 2, 19), (50, 60, MAX_WIDTH // 60 - 1), (50, 200, 19)]
)
def test_codes_without_an_order_keep_more_groups_beside_a_number_while_there_is_room(in_order, columns, groups):
    names = ("t", *(f"c{j}" for j in range(1, columns)))
    domain = Domain(names=names, sizes=(50,) + (200,) * (columns - 1), target="t", in_order=(in_order,) + (0,) * (columns - 1))
    even = [np.full(k, 1 / k) for k in domain.sizes]
    found = choose_groups(even, domain, rows=1e6, sigma=10.0, widest=10)
    assert found.domain.sizes[1] == groups


def test_a_target_gets_more_groups():
    one_way, names = tables((200, 200), 0), ("a", "b")
    domain = Domain(names=names, sizes=(200, 200), in_order=(200, 0), target="b")
    plain = Domain(names=names, sizes=(200, 200), in_order=(200, 0))
    found = [choose_groups(one_way, d, rows=1e4, sigma=100.0, widest=32).domain.sizes for d in (domain, plain)]
    assert found[0][0] == found[1][0]
    assert found[0][1] > found[1][1]


@given(st.integers(0, 99), st.floats(1e-6, 1.0), st.booleans())
def test_settling_keeps_the_mass_of_every_group(seed, sd, in_order):
    shares = tables((50,), seed)
    domain = Domain(names=("a",), sizes=(50,), in_order=(50 if in_order else 0,))
    groups = choose_groups(shares, domain, rows=1000, sigma=30.0, widest=6)
    before = shares[0].copy()
    after = settle(shares, groups, [np.full(50, sd)])
    assert np.array_equal(shares[0], before)  # a new list, nothing changed in place
    np.testing.assert_allclose(groups.merge(after)[0], groups.merge(shares)[0], atol=1e-12)
    assert (after[0] >= -1e-15).all()
    if in_order:
        assert np.array_equal(after[0], before)


def test_settling_levels_noise_and_leaves_signal():
    rng = np.random.default_rng(0)
    shares = np.concatenate([[0.8], np.abs(0.013 + 0.006 * rng.normal(size=15))])
    domain = Domain(names=("a",), sizes=(16,))
    groups = choose_groups([shares], domain, rows=1000, sigma=100.0, widest=3)
    rare = groups.maps[0] == groups.maps[0][1]
    assert rare.sum() == 15
    for sd, low, high in ((1e-4, 0.95, 1.0), (0.01, 0.0, 1e-9)):
        kept = settle([shares], groups, [np.full(16, sd)])[0][rare].std() / shares[rare].std()
        assert low <= kept <= high
