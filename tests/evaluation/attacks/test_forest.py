from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluation.attacks.forest import class_shares, learn_features, number_guesses
from synth.schema import Schema


def rows(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3))
    x[rng.random((n, 3)) < 0.1] = np.nan
    return x, rng.integers(0, 3, n)


def test_trees_remember_what_they_were_shown() -> None:
    x, y = rows()
    shares = class_shares(x, y, x, 4, trees=5, seed=0)
    assert shares.shape == (400, 4)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert (shares.argmax(axis=1) == y).mean() > 0.99  # rows with all values missing may coincide
    assert (shares[:, 3] == 0).all()
    numbers = number_guesses(x, y * 1.5, x, trees=5, seed=0)
    assert (np.abs(numbers - y * 1.5) < 1e-9).mean() > 0.99


def test_trees_learn_what_is_true_of_others() -> None:
    x, _ = rows(2000)
    y = (np.nan_to_num(x[:, 0]) > 0).astype(np.int64)
    shares = class_shares(x[:1000], y[:1000], x[1000:], 2, trees=9, seed=0)
    assert (shares.argmax(axis=1) == y[1000:]).mean() > 0.9


def test_features_are_of_the_named_columns(real: pd.DataFrame, schema: Schema) -> None:
    learnt = learn_features([real, real], schema, ("job", "income"))
    assert learnt.names == ("job", "income")
    assert learnt.matrix(real).shape == (len(real), 2)
    with pytest.raises(KeyError):
        learn_features([real], schema, ("nothing",))


def test_numbers_of_any_size_are_told_apart() -> None:
    """The trees hold float32, in which these would be infinite, or all alike."""
    x = np.concatenate([1e300 * np.arange(1, 51), 1e12 + np.arange(50)])[:, None]
    y = np.arange(100) % 2
    assert (class_shares(x, y, x, 2, trees=3, seed=0).argmax(axis=1) == y).all()
    between = number_guesses(np.array([[0.0], [10.0]]), np.array([0.0, 1.0]), np.array([[-5.0], [50.0]]), trees=3, seed=0)
    assert between.tolist() == [0.0, 1.0]
