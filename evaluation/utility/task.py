"""What is predicted: the target as classes or as a number, and the rows that hold it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.schema import Schema

FloatArray = npt.NDArray[np.float64]

MAX_CLASSES = 50
REST = "(all other classes)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is predicted, fixed by the real training rows.

    Attributes:
        target: Column to predict.
        classes: Class labels in code order; ``None`` for a number.
        merged: Whether rare classes share the last code because there are more than ``MAX_CLASSES``.
    """

    target: str
    classes: tuple[str, ...] | None
    merged: bool = False

    def labels(self, frame: pd.DataFrame) -> FloatArray:
        """Targets of conformed rows, shape (n,): class codes or numbers; NaN where missing or an unknown class."""
        series = frame[self.target]
        if self.classes is None:
            return np.asarray(series, dtype=np.float64)
        codes = pd.Series(as_classes(series).map({label: i for i, label in enumerate(self.classes)}), dtype=float)
        if self.merged:
            codes = codes.fillna(len(self.classes) - 1).where(series.notna())
        return np.asarray(codes, dtype=np.float64)


def as_classes(series: pd.Series) -> pd.Series:
    """Values as class labels (texts), missing ones kept missing."""
    return series.map(str, na_action="ignore").astype(object)


def define_task(real: pd.DataFrame, schema: Schema, target: str) -> Task:
    """Classes for categories, booleans and numbers with two values; a number otherwise.

    Args:
        real: Conformed real training rows.
        schema: Public facts.
        target: Column to predict.
    """
    kind = schema[target].kind
    numeric = kind is not None and kind.is_numeric
    if numeric and real[target].nunique() != 2:
        return Task(target=target, classes=None)
    common = as_classes(real[target]).value_counts().index
    if len(common) > MAX_CLASSES:
        return Task(target=target, classes=(*map(str, common[: MAX_CLASSES - 1]), REST), merged=True)
    return Task(target=target, classes=tuple(str(value) for value in common))


def usable(frame: pd.DataFrame, task: Task, most: int, rng: np.random.Generator) -> tuple[pd.DataFrame, FloatArray]:
    """At most ``most`` random rows with a known target, in their old order, and their targets.

    Args:
        frame: Conformed rows, shape (n, d).
        task: What is predicted.
        most: Rows to keep.
        rng: Draws the rows where there are more.
    """
    labels = task.labels(frame)
    rows = np.flatnonzero(~np.isnan(labels))
    if len(rows) > most:
        rows = np.sort(rng.permutation(rows)[:most])
    return frame.iloc[rows], labels[rows]
