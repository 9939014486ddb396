from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluation.attacks.bounds import bound_of
from evaluation.attacks.shadow import choose_targets, judge, likelihood_ratios, membership_plan, target_features
from evaluation.inputs import prepare
from synth.schema import Schema


def test_every_target_is_in_half_of_the_fits_and_the_plan_grows() -> None:
    plan = membership_plan(20, 7, seed=3)
    assert plan.shape == (20, 7)
    assert (plan.sum(axis=0) == 10).all()
    assert (plan[0::2] == ~plan[1::2]).all()
    assert (membership_plan(40, 7, seed=3)[:20] == plan).all()  # more fits later keep those that are done
    assert not (membership_plan(20, 7, seed=4) == plan).all()


def test_targets_are_random_rows_and_outliers(real: pd.DataFrame, schema: Schema) -> None:
    strange = real.copy()
    strange.loc[17, ["age", "income", "town"]] = [119, 9e6, "the moon"]
    plain = prepare(strange, None, strange, schema).real
    chosen = choose_targets(plain, schema, 10)
    assert len(set(chosen.rows.tolist())) == 10
    assert chosen.vulnerable.sum() == 5
    assert 17 in chosen.rows[chosen.vulnerable]
    assert choose_targets(plain, schema, 10, seed=1).rows[0] != chosen.rows[0]


def test_features_rise_when_the_target_is_released(real: pd.DataFrame, fresh: pd.DataFrame, schema: Schema) -> None:
    tables = prepare(real, None, fresh, schema)
    targets = tables.real.iloc[:20]
    without = target_features(tables.synthetic, targets, tables.real, schema)
    with_them = target_features(pd.concat([tables.synthetic, targets]), targets, tables.real, schema)
    assert with_them.shape == (20, 3)
    assert (with_them[:, 0] > without[:, 0]).all()
    assert (with_them[:, 1] > without[:, 1]).all()


def simulated(shift: float, fits: int = 200, targets: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    members = membership_plan(fits, targets, seed)
    noise = np.random.default_rng(seed).normal(size=(fits, targets, 3))
    noise[:, :, 0] += shift * members
    return noise, members


def test_a_known_shift_gives_the_known_area() -> None:
    """One of three features moves by d standard deviations: the best AUC is Phi(d / sqrt 2); two useless ones cost little."""
    found = judge(*simulated(2.0), np.arange(10) >= 5, bound_of({"epsilon": 0.5, "delta": 0.0}))
    area = found.outcomes["all"].auc
    assert area is not None
    assert 0.88 < area.value < 0.94  # Phi(sqrt 2) = 0.921
    assert found.outcomes["all"].broken
    assert set(found.outcomes) == {"all", "random", "vulnerable"}
    assert found.per_target["Vulnerable"].sum() == 5
    assert (found.per_target["AUC"] > 0.8).all()


def test_noise_alone_scores_chance() -> None:
    """Pairs share no noise here, so the standard error of the AUC is 0.013: five of them."""
    found = judge(*simulated(0.0), np.zeros(10, dtype=bool), None)
    area = found.outcomes["all"].auc
    assert area is not None
    assert abs(area.value - 0.5) < 0.065
    assert set(found.outcomes) == {"all", "random"}


def test_a_score_never_learns_from_its_own_pair() -> None:
    features, members = simulated(0.0, fits=8, targets=2)
    changed = features.copy()
    changed[0:2] += 100.0
    one, two = likelihood_ratios(features, members), likelihood_ratios(changed, members)
    assert not np.allclose(one[2:], two[2:])
    known = changed.copy()
    known[2:] = features[2:]
    again = likelihood_ratios(known, members)
    spread = again[0:2] - likelihood_ratios(features, members)[0:2]
    assert np.isfinite(spread).all()
    assert not members[0].all() or members[1].any()


@pytest.mark.statistical
def test_intervals_hold_when_all_targets_of_a_fit_share_its_noise() -> None:
    """Targets that share one number per fit: an interval that took them for independent would be far too narrow."""
    members = membership_plan(60, 10, 0)
    shared = np.random.default_rng(2).normal(size=(60, 1, 3)).repeat(10, axis=1)
    found = judge(shared, members, np.zeros(10, dtype=bool), None).outcomes["all"].auc
    assert found is not None
    assert found.low < 0.5 < found.high
