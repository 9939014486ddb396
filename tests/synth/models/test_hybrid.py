"""The default model: what it learns, when it trains, how it degrades, odd tables, and what it releases."""

import dataclasses
import json
import math

import numpy as np
import pytest

from synth.errors import ArtifactError, InputError
from synth.models import hybrid
from synth.models.base import Fitted, Run
from synth.models.hybrid import Hybrid, target_means
from synth.models.measured import stage, warm
from synth.models.measured.evidence import Evidence, Table
from synth.models.measured.mixture import MixturePlan
from synth.models.measured.regress import STEPS
from synth.privacy.budget import Budget, RowCount, declared_rows
from synth.privacy.events import BURNT_TRAINING, GRADIENT, GaussianEvent, SubsampledGaussianEvent
from synth.privacy.ledger import Ledger
from synth.privacy.shares import sigma_for
from synth.privacy.vault import PrivateTable
from synth.table import Domain


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    plan = MixturePlan(components=60, rank=6, steps=80)
    monkeypatch.setattr(MixturePlan, "for_budget", staticmethod(lambda signal: plan))
    monkeypatch.setattr(stage, "pool_size", lambda tables: 8192)
    monkeypatch.setattr(stage, "POOL", 8192)
    monkeypatch.setattr(warm, "PRETRAINING", (8000, 60, 512, 0.03))
    monkeypatch.setattr(hybrid, "CALIBRATION_DRAWS", 4096)


def private(codes, domain, epsilon=5.0):
    book = Ledger(Budget(epsilon=epsilon, delta=1e-6))
    book.set_rows(declared_rows(max(len(codes), 1)))
    return PrivateTable(codes, domain, book.rows, book)


def uniform(sizes, n=1000, seed=0):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.integers(0, k, n) for k in sizes])


def domain(sizes, target=None, in_order=None):
    names = tuple(f"c{j}" for j in range(len(sizes)))
    in_order = (0,) * len(sizes) if in_order is None else in_order
    return Domain(names=names, sizes=sizes, target=target, in_order=in_order)


def drawn(fitted, dom, rows=8000, seed=1):
    return Hybrid().sample(fitted, dom, rows, np.random.default_rng(seed)).codes


def trained(data):
    return [e for e in data.ledger.events if isinstance(e, SubsampledGaussianEvent)]


@pytest.mark.statistical
def test_a_pair_and_a_parity_with_the_target_are_learnt():
    """Observed 0.8 or more of either; independence gives 0.25 and 0.5."""
    codes = uniform((4, 4, 2, 2, 2), 4000)
    rng = np.random.default_rng(9)
    codes[:, 1] = np.where(rng.random(4000) < 0.9, codes[:, 0], codes[:, 1])
    codes[:, 4] = np.where(rng.random(4000) < 0.9, codes[:, 2] ^ codes[:, 3], codes[:, 4])
    dom = domain((4, 4, 2, 2, 2), "c4")
    data = private(codes, dom)
    fitted = Hybrid(steps=60).fit(data, Run())
    assert len(trained(data)) == 1
    assert 4.9 < data.ledger.spent() <= 5.0
    rows = drawn(fitted, dom)
    assert np.mean(rows[:, 0] == rows[:, 1]) > 0.75
    assert np.mean(rows[:, 4] == rows[:, 2] ^ rows[:, 3]) > 0.75


@pytest.mark.parametrize("rule", ["adaptive", "per_layer", "normalized"])
def test_every_rule_for_clipping_trains_and_says_what_it_did(rule):
    dom = domain((4, 4, 2), "c2")
    data = private(uniform(dom.sizes, 2000), dom, 5.0)
    fitted = Hybrid(steps=5, clipping=rule).fit(data, Run())
    assert len(trained(data)) == 1
    assert 4.9 < data.ledger.spent() <= 5.0
    assert fitted.facts["notes"][-1].startswith("clipping: ")
    assert rule in repr(Hybrid(clipping=rule).plan(data.rows, 1.0))


@pytest.mark.parametrize("bad", [{"clipping": "ghost"}, {"clip_quantile": 1.0}])
def test_impossible_clipping_is_refused_before_any_row_is_read(bad):
    with pytest.raises(InputError, match="clip"):
        Hybrid(**bad)


@pytest.mark.parametrize("settle", [True, False])
def test_noise_is_taken_out_of_what_was_trained_unless_switched_off(settle, monkeypatch):
    found = []

    def settle_weights(model, start, rows, steps, *, target):
        found.append((target, rows.shape[1], steps.plan.steps, bool((model.skip.weight != start).any())))

    monkeypatch.setattr(hybrid, "settle_weights", settle_weights)
    Hybrid(steps=3, settle=settle).fit(private(uniform((4, 4, 2), 4000), domain((4, 4, 2), "c1")), Run())
    assert found == ([(1, 3, 3, True)] if settle else [])


@pytest.mark.parametrize(
    ("switch", "target", "in_order", "times"), [(True, "c1", 0, 1), (False, "c1", 0, 0), (True, "c1", 4, 0), (True, None, 0, 0)]
)
def test_a_class_target_is_learnt_again_from_raked_rows_unless_switched_off(switch, target, in_order, times, monkeypatch):
    found = []
    monkeypatch.setattr(hybrid, "relearn_target", lambda model, learnt, draw: found.append(draw(50).shape))
    dom = domain((4, 4, 2), target, (0, in_order, 0))
    Hybrid(steps=3, relearn_target=switch).fit(private(uniform((4, 4, 2), 4000), dom), Run())
    assert found == [(50, 3)] * times


@pytest.mark.parametrize(("epsilon", "times"), [(1.0, 0), (5.0, 1)])
def test_a_target_is_not_learnt_again_from_tables_that_are_mostly_noise(epsilon, times, monkeypatch):
    found = []
    monkeypatch.setattr(hybrid, "relearn_target", lambda model, learnt, draw: found.append(1))
    Hybrid(steps=3, private_training=False).fit(private(uniform((4, 4, 2), 2000), domain((4, 4, 2), "c2"), epsilon), Run())
    assert len(found) == times


@pytest.mark.parametrize(
    ("switch", "target", "in_order"), [(True, "c1", 4), (False, "c1", 4), (True, "c1", 0), (True, None, 4)]
)
def test_a_numeric_target_is_regressed_and_left_out_of_training_unless_switched_off(switch, target, in_order, monkeypatch):
    found = []
    monkeypatch.setattr(hybrid, "settle_products", lambda *_: found.append("products"))
    data = private(uniform((4, 4, 2), 4000), domain((4, 4, 2), target, (0, in_order, 0)))
    Hybrid(steps=3, relearn_target=switch).fit(data, Run())
    number = switch and target is not None and in_order > 2
    assert sum(e.what == GRADIENT for e in data.ledger.events) == (STEPS if number else 0)
    assert found == ([] if number else ["products"])
    assert 4.9 < data.ledger.spent() <= 5.0


@pytest.mark.parametrize(
    ("number", "in_order", "paid"), [(True, 0, True), (True, 2, True), (True, 4, True), (False, 0, False), (None, 2, False)]
)
def test_what_training_has_hangs_on_declared_facts_not_on_the_order_that_noisy_answers_left(number, in_order, paid):
    codes = uniform((4, 4, 2), 4000)
    data = private(codes, domain((4, 4, 2), "c1", (0, in_order, 0)))
    data.number = number
    Hybrid(steps=3).fit(data, Run())
    (training,) = trained(data)
    plain = private(codes, domain((4, 4, 2), "c1", (0, 4, 0)))
    plain.number = paid
    Hybrid(steps=3).fit(plain, Run())
    assert training.noise_multiplier == pytest.approx(trained(plain)[0].noise_multiplier, rel=1e-3)
    burnt = [e for e in data.ledger.events if e.what == f"{GRADIENT} (not needed)"]
    assert len(burnt) == (paid and in_order < 3)
    assert sum(e.what == GRADIENT for e in data.ledger.events) == (STEPS if paid and in_order > 2 else 0)


@pytest.mark.statistical
def test_a_numeric_target_goes_with_the_columns_that_it_depends_on():
    """Correlation observed 0.80 and more, of 0.9 in the data; independence gives 0."""
    codes = uniform((8, 3, 8), 4000)
    rng = np.random.default_rng(4)
    codes[:, 2] = np.clip(np.round(codes[:, 0] + rng.normal(0, 1, 4000)), 0, 7)
    dom = domain((8, 3, 8), "c2", (8, 0, 8))
    rows = drawn(Hybrid(steps=30).fit(private(codes, dom), Run()), dom)
    assert np.corrcoef(rows[:, 0], rows[:, 2])[0, 1] > 0.65
    assert abs(np.corrcoef(rows[:, 1], rows[:, 2])[0, 1]) < 0.2


def test_a_tiny_budget_leaves_independent_columns_and_a_note():
    dom = domain((4, 4, 2), "c2")
    data = private(uniform((4, 4, 2), 100), dom, epsilon=0.01)
    fitted = Hybrid().fit(data, Run())
    assert "independent" in fitted.facts["notes"][0]
    assert 0.0099 < data.ledger.spent() <= 0.01
    assert not trained(data)
    assert drawn(fitted, dom, 50).shape == (50, 3)


def test_in_between_tables_get_what_the_network_could_not_use():
    dom = domain((4,) * 6, "c5")
    data = private(uniform((4,) * 6, 300), dom, epsilon=1.0)
    assert not Hybrid().trains(data.rows, 1.0, data.ledger.working_delta, 6)
    fitted = Hybrid().fit(data, Run())
    assert "groups" in fitted.tensors
    assert "tables alone" in fitted.facts["notes"][-1]
    assert 0.9999 < data.ledger.spent() <= 1.0
    assert not trained(data)


@pytest.mark.parametrize("epsilon", [0.001, 0.03, 0.3, 2.0, 20.0])
@pytest.mark.parametrize("rows", [20, 400])
def test_no_budget_is_too_small(epsilon, rows):
    """Nothing is refused whatever the budget: there is always a simpler model."""
    dom = domain((30, 4, 2), "c2", (30, 0, 0))
    data = private(uniform(dom.sizes, rows), dom, epsilon)
    fitted = Hybrid(steps=3).fit(data, Run())
    assert data.ledger.spent() <= epsilon
    assert drawn(fitted, dom, 20).shape == (20, 3)


def test_training_that_would_drown_after_all_is_left_out():
    """Whether to train is settled before the net's size is known, and by typical steps; the tables have been paid for."""
    dom = domain((4, 4, 2), "c2")
    data = private(uniform(dom.sizes), dom, 8.0)
    assert Hybrid().trains(data.rows, 8.0, data.ledger.working_delta, 3)
    fitted = Hybrid(steps=1, batch_size=1).fit(data, Run())
    assert "tables alone" in fitted.facts["notes"][-1]
    assert not trained(data)
    assert data.ledger.events[-1].what == BURNT_TRAINING  # a total over runs must not take this path's events for all
    assert data.ledger.spent() <= 8.0
    assert drawn(fitted, dom, 20).shape == (20, 3)


@pytest.mark.parametrize(("rows", "in_order"), [(300, ()), (4000, (0, 4, 0))])
def test_the_largest_table_share_leaves_room_for_one_way_tables_and_a_regression(rows, in_order):
    dom = domain((4, 4, 2), "c1", in_order or None)
    data = private(uniform(dom.sizes, rows), dom, 4.0)
    data.ledger.charge(GaussianEvent(what="before", sigma=sigma_for(data.ledger, 0.2)))  # row count, kinds, bounds, histograms
    Hybrid(table_share=0.65, steps=3).fit(data, Run())
    assert data.ledger.spent() <= 4.0


def test_below_a_signal_tables_get_everything_however_few_the_columns():
    assert Hybrid().trains(declared_rows(10_000), 1.0, 1e-5, 3)
    assert not Hybrid().trains(declared_rows(5000), 1.0, 1e-5, 3)


def test_whether_it_trains_depends_on_rung_budget_and_columns_only():
    model = Hybrid()
    one, two = (RowCount(estimate=e, rung=4000, highest=4500, public=False) for e in (3700, 4400))
    assert model.trains(one, 1.0, 1e-6, 10) == model.trains(two, 1.0, 1e-6, 10)
    for grid in (
        [model.trains(declared_rows(n), 1.0, 1e-6, 10) for n in (10, 300, 3000, 10**6)],
        [model.trains(declared_rows(2000), e, 1e-6, 10) for e in (0.01, 0.1, 1.0, 10.0)],
        [model.trains(declared_rows(20_000), 1.0, 1e-6, d) for d in (200, 50, 10, 2)],
    ):
        assert grid == sorted(grid)
        assert set(grid) == {False, True}


def test_plans_depend_on_public_figures_only():
    one, two = (RowCount(estimate=e, rung=40_000, highest=44_000, public=False) for e in (38_000, 43_000))
    first, second = Hybrid().plan(one, 1.0), Hybrid().plan(two, 1.0)
    assert (first.steps, first.sample_rate, first.max_grad_norm) == (second.steps, second.sample_rate, second.max_grad_norm)
    assert first.divisor == pytest.approx(first.sample_rate * 38_000)
    assert first.sample_rate == pytest.approx(5000 / 40_000)
    assert [Hybrid().plan(declared_rows(9000), e).steps for e in (0.01, 1.0, 3.0, 100.0)] == [100, 200, 346, 400]
    assert [Hybrid().plan(declared_rows(n), 1.0).sample_rate for n in (500, 10**6)] == [1.0, 8192 / 10**6]
    given = Hybrid(steps=7, batch_size=100, max_grad_norm=0.5).plan(declared_rows(1000), 1.0)
    assert (given.steps, given.sample_rate, given.divisor, given.max_grad_norm) == (7, 0.1, 100.0, 0.5)


@pytest.mark.parametrize(
    "bad",
    [{"table_share": 0.01}, {"table_share": 0.8}, {"steps": 0}, {"batch_size": 0}, {"learning_rate": 0.0},
     {"max_grad_norm": 0.0}, {"table_share": math.nan}],
)  # fmt: skip
def test_options_outside_their_limits_are_refused(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        Hybrid(**bad)


ODD = {
    "one column": ((5,), None, None),
    "one column, a target": ((5,), "c0", (5,)),
    "two columns": ((5, 3), None, (5, 0)),
    "two columns, a target": ((5, 3), "c1", (5, 0)),
    "one-code columns": ((1, 4, 1, 3), "c2", (1, 4, 0, 0)),
    "a one-code target": ((4, 3, 1), "c2", (4, 0, 0)),
    "nothing but one-code columns": ((1, 1, 1), None, (0, 1, 0)),
    "no target": ((4, 3, 5), None, (4, 0, 0)),
    "a target of many classes": ((4, 3, 40), "c2", (4, 0, 0)),
    "an ordered target": ((4, 3, 60), "c0", (4, 0, 59)),
    "300 categories": ((300, 4, 2), "c2", (0, 4, 0)),
    "300 bins and missing": ((301, 4, 2), "c2", (300, 3, 0)),
    "no order stated": ((6, 5, 2), "c2", ()),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_tables_work(case):
    sizes, target, in_order = ODD[case]
    dom = domain(sizes, target, in_order)
    data = private(uniform(sizes, 500), dom)
    fitted = Hybrid(steps=3).fit(data, Run())
    assert data.ledger.spent() <= 5.0
    for rows in (0, 1, 100):
        codes = drawn(fitted, dom, rows)
        assert codes.shape == (rows, len(sizes))
        assert (codes >= 0).all()
        assert (codes < sizes).all()


@pytest.fixture
def small():
    dom = domain((4, 4, 2), "c2", (4, 0, 0))
    return Hybrid(steps=3).fit(private(uniform((4, 4, 2)), dom), Run()), dom


def test_sampling_needs_tensors_and_plain_facts_only(small):
    fitted, dom = small
    assert all(isinstance(v, np.ndarray) for v in fitted.tensors.values())
    again = Fitted({k: v.copy() for k, v in fitted.tensors.items()}, json.loads(json.dumps(fitted.facts)))
    first = drawn(fitted, dom, 200)
    assert np.array_equal(first, drawn(again, dom, 200))
    assert np.array_equal(first, drawn(fitted, dom, 200))  # sampling changes nothing
    assert not np.array_equal(first, drawn(fitted, dom, 200, seed=2))


def test_weights_that_are_missing_are_named_as_a_broken_artifact(small):
    fitted, dom = small
    tensors = {k: v for k, v in fitted.tensors.items() if k != "net_skip.weight"}
    with pytest.raises(ArtifactError, match="lacks weights"):
        drawn(dataclasses.replace(fitted, tensors=tensors), dom)


def test_masked_weights_are_not_released(small):
    """What a mask hides took part in nothing; it would only be noise in the file."""
    fitted, _ = small
    weight = fitted.tensors["net_skip.weight"]
    assert not np.triu(weight, 0).any()  # the target comes last already


def test_the_targets_mean_by_code_is_read_off_the_tables():
    dom = domain((2, 3, 2), "c2")
    joint = np.array([[[0.1, 0.0], [0.1, 0.1], [0.0, 0.1]], [[0.1, 0.1], [0.1, 0.1], [0.1, 0.1]]])
    tables = (Table(columns=(0, 1, 2), shares=joint, sd=np.asarray(0.01)),)

    class Learnt:
        groups = type("G", (), {"domain": dom})
        evidence = Evidence(domain=dom, rows=100.0, tables=tables)
        coarse = (joint.sum((1, 2)), joint.sum((0, 2)), joint.sum((0, 1)))

    first, second, none = target_means(Learnt)
    assert none is None
    assert first.tolist() == pytest.approx([0.5, 0.5], abs=0.02)
    assert second.tolist() == pytest.approx([1 / 3, 0.5, 2 / 3], abs=0.02)
    pairs = tuple(Table(columns=(j, 2), shares=joint.sum(1 - j), sd=np.asarray(0.01)) for j in (0, 1))
    Learnt.evidence = Evidence(domain=dom, rows=100.0, tables=pairs)
    assert target_means(Learnt)[1].tolist() == pytest.approx(second.tolist())
    turned = (Table(columns=(0, 2), shares=joint.sum(1).T, sd=np.asarray(0.01)),)
    dom = Learnt.groups.domain = domain((2, 3, 2), "c0")
    Learnt.evidence = Evidence(domain=dom, rows=100.0, tables=turned)
    Learnt.coarse = [np.array([0.5, 0.5])] * 3
    assert target_means(Learnt)[2].tolist() == pytest.approx([0.5, 0.5], abs=0.02)


def test_tables_that_noise_left_nothing_in_say_that_all_codes_are_alike():
    dom, none = domain((3, 2), "c1"), np.full((3, 2), -0.01)
    tables = (Table(columns=(0, 1), shares=none, sd=np.asarray(0.1)),)

    class Learnt:
        groups = type("G", (), {"domain": dom})
        evidence = Evidence(domain=dom, rows=20.0, tables=tables)
        coarse = (np.full(3, 1 / 3), np.array([0.2, 0.8]))

    assert target_means(Learnt)[0].tolist() == pytest.approx([0.8] * 3)
