"""Canaries for cells that are randomised at their source: a row says one thing or another, and tells what it tells."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.audit.ledgers import DELTA
from evaluation.audit.sightings import Sighting
from synth.privacy.cells import randomized_cells
from synth.privacy.local import plan_local
from synth.privacy.randomness import os_entropy
from synth.schema import Column, Kind, Schema

EPSILON = 1.0
WORD = Column(name="x", kind=Kind.CATEGORY, categories=("no", "yes"), nullable=False)
NUMBER = Column(name="x", kind=Kind.INTEGER, bounds=(0, 10), nullable=False)


def _told(rng: np.random.Generator, column: Column, cells: tuple[str, str], cells_number: int) -> Sighting:
    """Each cell is one of two by a fair coin, as far apart as cells can be; the score says which it looks like."""
    plan = plan_local(Schema(columns=(column,)), EPSILON)
    present = rng.random(cells_number) < 0.5
    coined = pd.Series(np.where(present, cells[1], cells[0]).astype(object))
    told = randomized_cells(coined, plan.columns[0], plan.missing, os_entropy)
    scores = np.where(told == cells[1], 1.0, -1.0) if told.dtype == object else told - 5.0
    return Sighting(
        scores=scores.astype(np.float64), present=present, events=plan.events, delta=DELTA, thresholds=(-5.5, 0.0, 4.5)
    )


def words(rng: np.random.Generator, *, cells: int = 20_000) -> Sighting:
    """Randomized response on two values."""
    return _told(rng, WORD, ("no", "yes"), cells)


def numbers(rng: np.random.Generator, *, cells: int = 20_000) -> Sighting:
    """Laplace noise on a number that lies at either end of its bounds."""
    return _told(rng, NUMBER, ("0", "10"), cells)
