"""A canary for output perturbation: one row moves the weights of a convex model nearly as far as a row can.

A few rows, a ridge that is large beside them, and many classes: the model is close to even chances, so a row's gradient has a
norm near 1 (at most sqrt(2) is charged), and the ridge alone resists it. The attacker knows all other rows, minimises by itself
with and without the canary, and looks along the difference.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from evaluation.audit.ledgers import DELTA, audit_ledger, rows_of
from evaluation.audit.scores import gaussian_score
from evaluation.audit.sightings import Sighting
from synth.privacy.events import Event, GaussianEvent
from synth.privacy.minimizer import RidgePlan
from synth.privacy.vault import PrivateTable
from synth.table import Domain

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

CLASSES = 8
DOMAIN = Domain(names=("x", "y"), sizes=(2, CLASSES), target="y")
ROWS = np.array([[0, c] for c in range(CLASSES)], dtype=np.int64)
CANARY = np.array([[1, 0]], dtype=np.int64)
PLAN = RidgePlan(target=1, ridge=40.0)
STEPS = 400  # of gradient descent, whose error shrinks by a tenth in each


def trained(rows: IntArray) -> FloatArray:
    """The attacker's own minimiser: weights of shape (3, classes)."""
    x = np.column_stack([rows[:, :1] == np.arange(2), np.ones(len(rows))]) / math.sqrt(2)
    wanted = (rows[:, 1:] == np.arange(CLASSES)).astype(np.float64)
    weights = np.zeros((3, CLASSES))
    for _ in range(STEPS):
        slope = x.T @ (softmax(x @ weights, axis=1) - wanted) + PLAN.ridge * weights
        weights -= slope / (PLAN.ridge + len(rows) / 2)
    return weights


def minimizer(rng: np.random.Generator, *, runs: int = 1200) -> Sighting:
    """Noisy weights, many times, each time with the canary by a fair coin.

    What is claimed is how far the canary moves the weights in standard deviations of the noise, or what was charged for the
    question, where that is less.
    """
    without = trained(ROWS)
    moved = trained(np.concatenate([ROWS, CANARY])) - without
    length = float(np.linalg.norm(moved))
    present, scores = rng.random(runs) < 0.5, np.zeros(runs)
    claimed: tuple[Event, ...] = ()
    for i, there in enumerate(present.tolist()):
        ledger = audit_ledger(6.0)
        codes = np.concatenate([ROWS, CANARY]) if there else ROWS
        weights = PrivateTable(codes, DOMAIN, rows_of(ledger), ledger).noisy_minimizer(PLAN, share=0.9)
        (event,) = (e for e in ledger.events if isinstance(e, GaussianEvent))
        along = float(np.sum((weights - without) * moved)) / (length * event.sigma)
        scores[i] = gaussian_score(np.array([along]), length / event.sigma)[0]
        claimed = (GaussianEvent(what="canary", sigma=1 / min(length / event.sigma, event.mu)),)
    return Sighting(scores=scores, present=present, events=claimed, delta=DELTA)
