"""scikit-learn's own checks, and what an estimator is used for."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from synth.errors import RefusedError
from synth.estimator import SynthEstimator
from synth.privacy.frame import PrivateFrame
from synth.schema import Column, Kind, Schema

SCHEMA = Schema(
    columns=(
        Column(name="x0", kind=Kind.FLOAT, bounds=(-5, 5), nullable=False),
        Column(name="x1", kind=Kind.FLOAT, bounds=(-5, 5), nullable=False),
        Column(name="y", kind=Kind.INTEGER, bounds=(0, 1), nullable=False),
    ),
    target="y",
)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([SynthEstimator(epsilon=100.0, model="independent")])  # their tables have a dozen rows
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


def data(n=2000):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2))
    return x, (x[:, 0] > 0).astype(int)


def test_last_step_of_a_pipeline():
    x, y = data()
    model = SynthEstimator(epsilon=3.0, schema=SCHEMA, model="independent", random_state=0)
    assert clone(model).get_params()["schema"] == SCHEMA
    piped = make_pipeline(StandardScaler(), model).fit(x, y)
    rows = piped[-1].sample(500)
    assert rows.shape == (500, 3)
    assert set(np.unique(rows[:, 2])) <= {0.0, 1.0}
    assert np.array_equal(rows, piped[-1].sample(500))
    assert not np.array_equal(rows, piped[-1].sample(500, random_state=1))
    assert piped[-1].release_.receipt.epsilon == 3.0


def test_frames_in_frames_out():
    x, _ = data()
    frame = pd.DataFrame(x, columns=["x0", "x1"]).assign(y=1)
    model = SynthEstimator(epsilon=3.0, schema=SCHEMA, model="independent").fit(frame)
    assert list(model.feature_names_in_) == ["x0", "x1", "y"]
    assert model.sample(3).columns.tolist() == ["x0", "x1", "y"]


def test_bad_use(monkeypatch):
    with pytest.raises(NotFittedError):
        SynthEstimator().sample(3)
    monkeypatch.setattr(PrivateFrame, "noisy_row_count", lambda self, *, sigma: 0.0)  # what noise makes of 20 rows, mostly
    with pytest.raises(RefusedError, match="too few rows"):
        SynthEstimator(epsilon=0.01, model="independent").fit(data(20)[0])
