"""What a committee of teachers is asked, and what its noisy votes say. No row is touched: everything here is public.

The committee starts from a logistic model of rows of the mixture. Had it been taught by such rows it would vote in a known
way, which teachers of simulated rows show; real votes that depart from it say how the real conditional departs from the
mixture's. The departure, additive log-odds by code, is estimated by ridge regression, and its size is chosen by the
likelihood of the votes (empirical Bayes): where they hold nothing but noise it is nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from synth.models.nets.autoregressive import smooth_bases
from synth.privacy.ballot import LOGIT_UNIT, MOST_SUMS, Ballot, chances
from synth.table import Domain

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

MOST_CLASSES = 4  # that are voted on; a question costs the same however many there are, but each gets fewer votes
ROWS_PER_TEACHER = 25  # few: K teachers of n / K rows outvote the noise as sqrt(K) where noise decides
FEWEST, MOST = 8, 4096  # teachers
FEWEST_QUESTIONS, MOST_QUESTIONS = 256, 1024
BOLD = 1.0  # mean variance of the teachers' logits: less would waste votes, more would be all noise of their few rows
SIMULATED = 256  # teachers of simulated rows
START_RIDGE, START_ROUNDS = 20.0, 40
SIZES = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # variances of a departure's coefficients that are tried


@dataclass(frozen=True, slots=True)
class Committee:
    """A ballot, and what reading the votes takes.

    Attributes:
        ballot: What is asked.
        basis: Features of the one-hot codes, shape (width, features).
        kept: What a teacher learns of a departure, on average, shape (features, features).
        expected: Mean probabilities of teachers of simulated rows, shape (questions, classes).
        slopes: Mean of p (1 - p) over these teachers, same shape.
    """

    ballot: Ballot
    basis: FloatArray
    kept: FloatArray
    expected: FloatArray
    slopes: FloatArray

    def departure(self, votes: npt.NDArray[np.integer], sigma: float) -> tuple[FloatArray, float]:
        """Log-odds by code that the votes add to the mixture's conditional.

        Args:
            votes: Noisy counts, shape (questions, counted).
            sigma: Their standard deviation.

        Returns:
            Shape (width, classes), and the variance that was chosen for its coefficients; 0 where votes hold only noise.
        """
        teachers, lone = self.ballot.teachers, self.ballot.counted == 1
        sd = math.sqrt((sigma**2 + teachers / 4) / teachers**2)
        asked = places_of(self.ballot.questions, self.ballot.sizes) @ self.basis @ self.kept
        found = []
        for c in range(self.ballot.counted):
            k = c + lone
            left, size, right = np.linalg.svd(self.slopes[:, k, None] * asked, full_matrices=False)
            found.append((size, right, left.T @ (votes[:, c] / teachers - self.expected[:, k])))
        variance = max(SIZES, key=lambda v: sum(_likelihood(size, seen, sd, v) for size, _, seen in found))
        parts = [self.basis @ (right.T @ (variance * s / (sd**2 + variance * s**2) * seen)) for s, right, seen in found]
        return np.column_stack([np.zeros(len(self.basis)), *parts] if lone else parts), variance


def _likelihood(size: FloatArray, seen: FloatArray, sd: float, variance: float) -> float:
    whole = sd**2 + variance * size**2
    return float(-0.5 * (np.log(whole) + seen**2 / whole).sum())


def vote_classes(shares: FloatArray, in_order: int) -> IntArray:
    """Class of each code: runs of about equal mass of ordered codes, else the commonest codes alone and the rest together."""
    size = len(shares)
    if size <= MOST_CLASSES:
        return np.arange(size, dtype=np.int64)
    if in_order > 1:
        runs = MOST_CLASSES - (in_order < size)
        mass = np.maximum(shares[:in_order], 0) + 1e-9
        middle = (np.cumsum(mass) - mass / 2) / mass.sum()
        _, low = np.unique(np.minimum(middle * runs, runs - 1).astype(np.int64), return_inverse=True)
        return np.append(low, np.full(size - in_order, low.max() + 1)).astype(np.int64)
    classes = np.full(size, MOST_CLASSES - 1, dtype=np.int64)
    classes[np.argsort(-shares, kind="stable")[: MOST_CLASSES - 1]] = np.arange(MOST_CLASSES - 1)
    return classes


def plan_committee(
    rows: IntArray, likely: FloatArray, domain: Domain, column: int, classes: IntArray, units: int, rng: np.random.Generator
) -> Committee:
    """Choose the teachers' start, their step and their questions, and simulate them.

    Args:
        rows: Of the mixture, shape (rows, columns), in random order.
        likely: What the mixture says of their classes, given the other columns, shape (rows, classes).
        domain: Of the codes.
        column: That is voted on.
        classes: Class of each of its codes.
        units: Rows or entities that will teach: the rung of their number.
        rng: For the simulation.
    """
    columns = tuple(j for j in range(len(domain.sizes)) if j != column)
    sizes = [domain.sizes[j] for j in columns]
    choices, width = likely.shape[1], sum(sizes)
    bases = smooth_bases(domain)
    basis = torch.block_diag(*(bases[j] for j in columns)).double().numpy()  # type: ignore[no-untyped-call]
    teachers = int(np.clip(units // ROWS_PER_TEACHER, FEWEST, min(MOST, MOST_SUMS // (width * choices))))
    places = places_of(rows[:, columns], sizes)
    start, spread = _logistic(places @ basis, likely)
    tables = np.rint(basis @ start * LOGIT_UNIT).astype(np.int64)
    second = basis.T @ (places.T @ places / len(rows)) @ basis
    step, kept = _step(second, units / teachers * spread)
    asked = int(np.clip(4 * width, FEWEST_QUESTIONS, MOST_QUESTIONS))
    ballot = Ballot(
        teachers=teachers, column=column, classes=classes, columns=columns,
        start=tuple(np.split(tables, np.cumsum(sizes)[:-1])), step=basis @ step @ basis.T,
        questions=rows[:asked, columns].astype(np.int64),
    )  # fmt: skip
    sums = _simulated_sums(places, tables, classes[rows[:, column]], likely, units / teachers, rng)
    expected, slopes = np.zeros((asked, choices)), np.zeros((asked, choices))
    for which, found in chances(sums, ballot):
        expected[which], slopes[which] = found.mean(0), (found * (1 - found)).mean(0)
    return Committee(ballot, basis, kept, expected, slopes)


def places_of(codes: npt.NDArray[np.integer], sizes: npt.ArrayLike) -> FloatArray:
    """One-hot codes, shape (rows, width)."""
    widths = np.asarray(sizes)
    out = np.zeros((len(codes), int(widths.sum())))
    np.put_along_axis(out, codes + np.cumsum([0, *widths[:-1]]), 1.0, axis=1)
    return out


def _logistic(features: FloatArray, likely: FloatArray) -> tuple[FloatArray, float]:
    """Each class against the rest, by steps under Boehning's bound; coefficients (features, classes) and mean p (1 - p)."""
    solve = np.linalg.inv(features.T @ features / 4 + START_RIDGE * np.eye(features.shape[1]))
    found = np.zeros((features.shape[1], likely.shape[1]))
    for _ in range(START_ROUNDS):
        fit = 1 / (1 + np.exp(-features @ found))
        found += solve @ (features.T @ (likely - fit) - START_RIDGE * found)
    return found, float((fit * (1 - fit)).mean())


def _step(second: FloatArray, weight: float) -> tuple[FloatArray, FloatArray]:
    """A damped Newton step, and what it keeps of a departure: damped until the teachers' logits vary by ``BOLD``.

    With curvature ``h = weight * second``, the noise of a teacher's rows gives a logit the variance ``x' S h S x``.
    """
    size, axes = np.linalg.eigh(second)
    size = np.maximum(size, 0)
    low, high = 1e-3, 1e9
    for _ in range(60):
        damping = math.sqrt(low * high)
        bold = float((size * weight * size / (size * weight + damping) ** 2).sum()) > BOLD
        low, high = (damping, high) if bold else (low, damping)
    shrunk = 1 / (size * weight + high)
    return axes * shrunk @ axes.T, axes * (size * weight * shrunk) @ axes.T


def _simulated_sums(
    places: FloatArray, start: IntArray, labels: IntArray, likely: FloatArray, size: float, rng: np.random.Generator
) -> FloatArray:
    """What ``SIMULATED`` teachers of Poisson many rows of the mixture learn from, shape (teachers, width, classes).

    Labels scatter as they would; their mean is made that of the mixture's probabilities, free of the labels' chance.
    """
    fit = 1 / (1 + np.exp(-places @ start / LOGIT_UNIT))
    residuals = np.eye(likely.shape[1])[labels] - fit
    often = rng.poisson(size / len(places), (SIMULATED, len(places))).astype(np.float64)
    sums = [often @ (places * residuals[:, c, None]) for c in range(likely.shape[1])]
    centre = places.T @ (likely - fit - residuals) * (size / len(places))
    return np.stack(sums, axis=2) + centre
