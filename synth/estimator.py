"""A scikit-learn estimator: ``fit(X)``, ``sample(n)``, ``get_params``, ``clone``, last step of a pipeline.

The one module of the package that imports scikit-learn; nothing else imports it. Like ``KernelDensity`` it learns a
distribution, with ``y`` (if given) as one more column.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from synth.api import fit
from synth.registry import DEFAULT
from synth.release import Release
from synth.schema import Schema

TARGET = "y"


class SynthEstimator(BaseEstimator):  # type: ignore[misc]
    """A private model of a table as a scikit-learn estimator.

    Attributes:
        release_: After ``fit``.
        n_features_in_: Columns of ``X``.
    """

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float | None = None,
        schema: Schema | str | None = None,
        model: str = DEFAULT,
        options: dict[str, Any] | None = None,
        random_state: Any = None,
    ) -> None:
        """Take parameters as they are; ``fit`` checks them.

        Args:
            epsilon: The whole budget of every ``fit``: cross-validation or a grid search spends it many times.
            delta: As in ``synth.fit``.
            schema: Public facts, about the columns of ``X`` and, under the name ``y``, of ``y``.
            model: Synthesizer.
            options: Of the synthesizer.
            random_state: For initial weights and ``sample``; never for noise.
        """
        self.epsilon = epsilon
        self.delta = delta
        self.schema = schema
        self.model = model
        self.options = options
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> SynthEstimator:
        """Learn the columns of ``X``, and ``y`` as one more.

        Raises:
            InputError: Data, schema or options cannot be used.
            RefusedError: The budget does not carry the request.
        """
        frame: pd.DataFrame = self._frame(X, y)
        seed = None if self.random_state is None else int(check_random_state(self.random_state).randint(2**31))
        self.release_: Release = fit(
            frame, epsilon=self.epsilon, delta=self.delta, schema=self.schema, model=self.model, options=self.options, seed=seed
        )
        return self

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Any:
        """Synthetic rows: a frame if ``X`` was one, else an array; with ``y`` as last column if it was given."""
        check_is_fitted(self, "release_")
        chosen = self.random_state if random_state is None else random_state
        seed = None if chosen is None else int(check_random_state(chosen).randint(2**31))
        rows = self.release_.sample(int(n_samples), seed=seed)
        return rows if self.framed_ else rows.to_numpy(dtype=np.float64, na_value=np.nan)

    def _frame(self, X: Any, y: Any) -> Any:
        self.framed_ = isinstance(X, pd.DataFrame)
        if self.framed_:
            validate_data(self, X, skip_check_array=True)
            frame = X.set_axis([str(name) for name in X.columns], axis=1)
        else:
            array = validate_data(self, X, ensure_all_finite="allow-nan", dtype="numeric", ensure_min_samples=2)
            frame = pd.DataFrame(array, columns=[f"x{i}" for i in range(array.shape[1])])
        if y is not None:
            frame = frame.assign(**{TARGET: np.asarray(y)})
        return frame

    def __sklearn_tags__(self) -> Any:
        """Missing values are learnt."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.non_deterministic = True
        return tags
