from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluation.inference.statistics import coefficients_of, least_squares, logistic, mean_of, proportion_of
from synth.api import fit
from synth.errors import InputError
from synth.release import Release
from synth.schema import Column, Kind, Schema

COLUMNS = (
    Column(name="id", kind=Kind.IDENTIFIER),
    Column(name="x", kind=Kind.FLOAT, bounds=(-4, 4)),
    Column(name="g", kind=Kind.CATEGORY, categories=("a", "b", "c"), nullable=False),
    Column(name="y", kind=Kind.BOOLEAN, nullable=False),
    Column(name="day", kind=Kind.DATETIME, bounds=("2000-01-01", "2001-01-01"), nullable=False),
)


@pytest.fixture(scope="module")
def release() -> Release:
    frame = pd.DataFrame({"x": [0.0, 1.0] * 50, "g": ["a", "b"] * 50, "y": [True, False] * 50, "day": ["2000-02-02"] * 100})
    frame.insert(0, "id", range(100))
    return fit(frame, epsilon=1.0, delta=1e-5, schema=Schema(columns=COLUMNS, public_rows=100), model="independent", seed=0)


def rows(n_rows: int = 20_000, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=n_rows), rng.choice(["a", "b", "c"], n_rows)
    y = rng.random(n_rows) < 1 / (1 + np.exp(-(0.5 + 1.0 * x - 0.7 * (g == "c"))))
    return pd.DataFrame({"x": np.where(rng.random(n_rows) < 0.1, np.nan, x), "g": g, "y": y})


def test_means_and_shares_are_those_of_the_rows(release: Release) -> None:
    table = rows()
    assert mean_of(release, "x").ask(table) == pytest.approx(table["x"].mean())
    assert proportion_of(release, "g", "c").ask(table) == pytest.approx((table["g"] == "c").mean())
    assert proportion_of(release, "y", "True").ask(table) == pytest.approx(table["y"].mean())
    assert np.isnan(mean_of(release, "x").ask(table.assign(x=np.nan))).all()
    assert np.isnan(proportion_of(release, "g", "c").ask(table.iloc[:0])).all()


def test_a_logistic_regression_finds_what_was_planted(release: Release) -> None:
    """Standard errors are below 0.04 at 18,000 rows; 0.2 is five of them (false alarms below 1e-6)."""
    question = coefficients_of(release, "y ~ x + g")
    assert question.names == ("intercept", "x", "g=b", "g=c")
    assert question.ask(rows()) == pytest.approx([0.5, 1.0, 0.0, -0.7], abs=0.2)
    assert question.relation


def test_least_squares_agrees_with_the_normal_equations(release: Release) -> None:
    table = rows(500)
    design = np.column_stack([np.ones(500), table["y"], table["g"] == "b", table["g"] == "c"]).astype(float)
    known = table["x"].notna().to_numpy()
    wanted = np.linalg.solve(design[known].T @ design[known], design[known].T @ table.loc[known, "x"].to_numpy())
    question = coefficients_of(release, "x ~ y + g")
    assert question.names == ("intercept", "y=True", "g=b", "g=c")
    assert question.ask(table) == pytest.approx(wanted.tolist())


def test_what_has_no_answer_still_ends() -> None:
    design = np.column_stack([np.ones(40), np.repeat([0.0, 1.0], 20), np.zeros(40)])
    beta = logistic(design, np.repeat([0.0, 1.0], 20))  # separated, and a level that nobody has
    assert np.isfinite(beta).all()
    assert beta[1] > 5
    assert np.isfinite(least_squares(design, np.arange(40.0))).all()


def test_too_few_rows_have_no_answer(release: Release) -> None:
    assert np.isnan(coefficients_of(release, "y ~ x + g").ask(rows(4))).all()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda r: mean_of(r, "g"), "has no mean"),
        (lambda r: mean_of(r, "day"), "has no mean"),
        (lambda r: mean_of(r, "z"), "no column 'z'"),
        (lambda r: mean_of(r, "id"), "made anew"),
        (lambda r: proportion_of(r, "x", "1"), "holds numbers"),
        (lambda r: proportion_of(r, "g", "z"), "no value 'z'"),
        (lambda r: coefficients_of(r, "y"), "is no formula"),
        (lambda r: coefficients_of(r, "y ~ x +"), "is no formula"),
        (lambda r: coefficients_of(r, "y ~ x + x"), "names a column twice"),
        (lambda r: coefficients_of(r, "y ~ y"), "names a column twice"),
        (lambda r: coefficients_of(r, "g ~ x"), "exactly two values"),
        (lambda r: coefficients_of(r, "day ~ x"), "numbers or exactly two values"),
        (lambda r: coefficients_of(r, "x ~ day"), "holds dates"),
        (lambda r: coefficients_of(r, "x ~ z"), "no column 'z'"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(release: Release, make: object, text: str) -> None:
    with pytest.raises(InputError, match=text):
        make(release)  # type: ignore[operator]
