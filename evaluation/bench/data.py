"""The data sets of the benchmark: cards, simulators with a known truth, and a small sample of Adult."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluation.bench.simulators import SIMULATORS
from synth.catalog import card, cards, dataset_path
from synth.errors import InputError
from synth.privacy.ingest import read_table
from synth.schema import Schema

HOLDOUT_SHARE = 0.25
SMALL, SMALL_ROWS = "adult2000", 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A data set, split.

    Attributes:
        train: Rows to fit.
        test: Held-out rows.
        schema: Public facts.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    schema: Schema


def check_data(name: str) -> None:
    """Refuse an unknown name.

    Raises:
        InputError: No such data set.
    """
    known = [*(c.name for c in cards()), SMALL, *SIMULATORS]
    if name not in known:
        raise InputError(f"there is no data set {name!r}; choose from {', '.join(known)}")


def load_data(name: str) -> Data:
    """Read or simulate a data set; the same rows every time.

    A card's published parts are kept; where there is one part, a fixed quarter is held out.

    Raises:
        InputError: No such data set, or its file cannot be had.
    """
    check_data(name)
    if name in SIMULATORS:
        train, test, schema = SIMULATORS[name](0)
        return Data(train=train, test=test, schema=schema)
    base = "adult" if name == SMALL else name
    rows, facts = read_table(dataset_path(base)), card(base).schema
    if name == SMALL:
        chosen = np.sort(np.random.default_rng(0).permutation(len(rows))[:SMALL_ROWS])
        rows = rows.iloc[chosen].reset_index(drop=True)
    if len(card(base).parts) > 1:
        return Data(train=rows, test=read_table(dataset_path(base, "test")), schema=facts)
    held = np.random.default_rng(0).random(len(rows)) < HOLDOUT_SHARE
    return Data(train=rows[~held].reset_index(drop=True), test=rows[held].reset_index(drop=True), schema=facts)
