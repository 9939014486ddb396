"""Which tables are asked about: fewer as budget or rows shrink."""

from itertools import combinations

import numpy as np
import pytest

from synth.models.measured.groups import MAX_WIDTH
from synth.models.measured.workload import LEAST_GROUPS, MAX_CLASSES, choose_workload
from synth.table import Domain

SIZES = (40, 5, 9, 2)
NAMES = ("a", "b", "c", "y")


def domain(target="y", sizes=SIZES):
    names = NAMES[: len(sizes)]
    return Domain(names=names, sizes=sizes, target=target, in_order=(sizes[0], *(0,) * (len(sizes) - 1)))


def chosen(mu, rows=10_000, dom=None):
    dom = domain() if dom is None else dom
    return choose_workload([np.full(k, 1 / k) for k in dom.sizes], dom, rows=rows, mu=mu)


def test_tables_degrade_with_the_budget():
    """All pairs with the target's classes; then only pairs with the target; then none."""
    full, some, none = chosen(1.0), chosen(0.0012), chosen(1e-5)
    assert full.full
    assert full.split == 3
    assert full.subsets == tuple((*p, 3) for p in combinations(range(3), 2))
    assert (some.full, some.split) == (False, -1) or some.full
    assert (none.groups, none.subsets, none.split, none.full) == (None, (), -1, False)
    kinds = [(0 if w.groups is None else 2 if w.full else 1) for w in (chosen(mu) for mu in np.geomspace(1e-5, 1, 200))]
    assert kinds == sorted(kinds)
    assert {0, 2} <= set(kinds)


def test_only_pairs_with_a_wide_target_are_left_in_between():
    dom = Domain(names=tuple("abcdefgh"), sizes=(6,) * 8, target="h")
    kinds = {}
    for mu in np.geomspace(1e-5, 1, 300):
        work = chosen(mu, dom=dom)
        kinds.setdefault(0 if work.groups is None else 2 if work.full else 1, work)
    assert sorted(kinds) == [0, 1, 2]
    assert kinds[1].subsets == tuple((j, 7) for j in range(7))
    assert kinds[2].subsets == tuple(combinations(range(8), 2))
    assert kinds[1].split == kinds[2].split == -1


@pytest.mark.parametrize("target", [None, "a", "y"])
def test_without_a_class_target_all_pairs_are_asked(target):
    work = chosen(1.0, dom=domain(target))
    if target == "y":
        assert all(s[-1] == 3 and len(s) == 3 for s in work.subsets)
    else:
        assert work.subsets == tuple(combinations(range(4), 2))
        assert work.split == -1


def test_two_columns_are_one_table():
    assert chosen(1.0, dom=domain("b", (40, 2))).subsets == ((0, 1),)
    assert chosen(1.0, dom=domain("b", (40, 2))).split == -1


@pytest.mark.parametrize("target", [None, "a"])
def test_one_column_has_no_pairs(target):
    work = chosen(1.0, dom=domain(target, (40,)))
    assert (work.groups, work.subsets) == (None, ())


def test_a_target_of_many_classes_does_not_split():
    for classes in (MAX_CLASSES, MAX_CLASSES + 1):
        work = chosen(1.0, dom=domain("y", (40, 5, 9, classes)))
        assert work.split == (3 if classes == MAX_CLASSES else -1)


def test_weights_follow_cells_and_are_positive():
    work = chosen(1.0)
    cells = [np.prod([work.groups.domain.sizes[j] for j in s]) for s in work.subsets]
    assert work.weights() == pytest.approx([c ** (2 / 3) for c in cells])
    assert chosen(1e-5).weights() == []


def test_many_columns_have_few_groups_each():
    d = 100
    dom = Domain(names=tuple(f"c{j}" for j in range(d)), sizes=(50,) * d, in_order=(50,) * d)
    work = chosen(50.0, rows=10**6, dom=dom)
    assert work.groups.domain.width <= 1.3 * MAX_WIDTH


def test_tables_are_only_asked_where_cells_stand_out():
    """The least number of groups is met at the border of what can be carried."""
    for mu in np.geomspace(1e-5, 1, 50):
        work = chosen(mu)
        if work.groups is not None:
            sigma = np.sqrt(len(work.subsets)) / mu
            assert np.sqrt(10_000 / sigma) >= LEAST_GROUPS
