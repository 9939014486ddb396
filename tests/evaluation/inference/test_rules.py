from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evaluation.inference.rules import combine, infer, without_noise
from evaluation.inference.statistics import coefficients_of, mean_of, proportion_of
from synth.api import fit
from synth.errors import InputError, RefusedError
from synth.release import Release
from synth.schema import Column, Kind, Schema

SCHEMA = Schema(
    columns=(
        Column(name="x", kind=Kind.FLOAT, bounds=(-4, 4), nullable=False),
        Column(name="g", kind=Kind.CATEGORY, categories=("a", "b"), nullable=False),
    ),
    public_rows=300,
)


@pytest.fixture(scope="module")
def release() -> Release:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=300), "g": rng.choice(["a", "b"], 300, p=[0.7, 0.3])})
    return fit(frame, epsilon=1.0, delta=1e-5, schema=SCHEMA, model="independent", seed=0)


def test_the_rule_takes_bias_off_and_spread_on() -> None:
    datasets = np.array([[1.0], [3.0]])
    repeated = np.array([[4.0], [5.0], [6.0], [5.0]])
    (found,) = combine(["q"], datasets, repeated, np.array([4.5]))
    assert found.plain == 2.0
    assert found.value == pytest.approx(2.0 - (5.0 - 4.5))
    assert found.error == pytest.approx(np.sqrt(1.25 * repeated.var(ddof=1)))
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, 3) * found.error)
    assert found.refits == 4


def test_an_answer_that_is_often_missing_is_refused() -> None:
    repeated = np.array([[1.0], [2.0], [3.0], [np.nan], [np.nan]])
    with pytest.raises(RefusedError, match="no stable answer for q"):
        combine(["q"], np.ones((2, 1)), repeated, np.ones(1))
    with pytest.raises(RefusedError, match="no stable answer"):
        combine(["q"], np.full((2, 1), np.nan), np.ones((5, 1)), np.ones(1))


@pytest.mark.statistical
def test_the_rule_covers_where_everything_is_normal() -> None:
    """1,000 worlds with bias 2, known spreads and no fit: 95 % intervals miss fewer than 91 % never (1e-7)."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        centre = rng.normal()  # of the release, around a truth of 0, with a bias of 2
        release = centre + 2.0
        datasets = release + rng.normal(scale=0.5, size=(5, 1))
        again = release + 2.0 + rng.normal(size=(20, 1)) + rng.normal(scale=0.5, size=(20, 5)).mean(axis=1)[:, None]
        (found,) = combine(["q"], datasets, again, np.array([release]))
        held += found.low <= 0 <= found.high
    assert held > 910


def test_the_rule_without_noise_is_that_of_raab_and_others() -> None:
    low, high = without_noise(np.array([[1.0], [3.0]]), np.array([[4.0], [2.0]]))
    assert (low + high) / 2 == pytest.approx([2.0])
    assert (high - low) / 2 == pytest.approx([stats.norm.ppf(0.975) * np.sqrt(3.0 * 1.5)])


def test_errors_are_of_the_size_of_those_of_real_rows_and_estimates_near_the_truth(release: Release) -> None:
    """They are no smaller in truth; 20 refits show less than a quarter of it with a chance of 1e-8."""
    mean, share = infer(release, [mean_of(release, "x"), proportion_of(release, "g", "b")], repeats=20, seed=3)
    assert mean.name == "mean of x"
    assert share.name == "share of g=b"
    assert mean.error > 1 / np.sqrt(300) / 4
    assert share.error > np.sqrt(0.3 * 0.7 / 300) / 4
    assert abs(share.value - 0.3) < 12 * share.error


def test_independent_columns_have_no_relation_to_ask_for(release: Release) -> None:
    with pytest.raises(RefusedError, match="knows no relation"):
        infer(release, [coefficients_of(release, "x ~ g")])


@pytest.mark.parametrize(
    ("options", "text"),
    [({"datasets": 0}, "datasets"), ({"seed": -1}, "seed"), ({"confidence": 1.0}, "confidence"), ({"repeats": 2}, "refits")],
)
def test_impossible_options_are_refused(release: Release, options: dict[str, int], text: str) -> None:
    with pytest.raises(InputError, match=text):
        infer(release, [mean_of(release, "x")], **options)  # type: ignore[arg-type]


def test_nothing_asked_is_refused(release: Release) -> None:
    with pytest.raises(InputError, match="at least one"):
        infer(release, [])
