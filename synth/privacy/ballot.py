"""Teachers on disjoint parts of the rows, and how they vote: the private half of PATE.

(Papernot et al. 2017, arXiv:1610.05755; 2018, arXiv:1802.08908.) Every unit goes to one of K parts by a secret draw of its
own, and what a teacher says is a function of the rows of its part. So one unit more changes the votes of one teacher: for
each question, one vote moves from one class to another.

A teacher is a logistic regression, each class against the rest. All start from one public model; each takes one public step
(a damped Newton step, say) from the sums over its own rows of features times residuals. It votes for a class drawn from its
probabilities with public uniform numbers, so that the mean vote is the mean of the probabilities.

What is computed for a row is in integers, so it does not depend on where the row stands, and the sums of several processes
add up to the same teachers. What is computed from the sums has the same shapes whatever the rows are.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synth.errors import AccountingError
from synth.privacy.codes import Codes
from synth.privacy.events import VOTES, GaussianEvent
from synth.privacy.mechanisms import exact_whole, noisy_counts
from synth.privacy.randomness import Entropy
from synth.privacy.units import PrivacyUnits, Weights
from synth.table import Domain

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

LOGIT_UNIT = 64  # steps of the starting logits per unit
GRID = 4096  # steps of the probabilities that a row's residuals are made of
TOP = 8 * LOGIT_UNIT  # largest logit that probabilities tell apart
SIGMOID = np.rint(GRID / (1 + np.exp(-np.arange(-TOP, TOP + 1) / LOGIT_UNIT))).astype(np.int64)
LARGEST_LOGIT = 1 << 20  # of a code, in steps
MOST_SUMS = 1 << 24  # teachers times features times classes: what is held in memory
CHUNK = 1 << 21  # probabilities at a time
TURN = (math.sqrt(5) - 1) / 2  # shifts the uniform numbers from question to question


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """What teachers learn, and what they are asked. All of it is public.

    Attributes:
        teachers: Number of parts, each with a teacher.
        column: Position of the column that is voted on.
        classes: Class of each of its codes, 0 upwards, each used, at least two.
        columns: Positions of the other columns that teachers look at.
        start: For each of these, the starting logits of its codes by class, in 1 / ``LOGIT_UNIT``, shape (size, classes).
        step: From sums of features times residuals to coefficients, shape (width, width), where the width is that of the
            columns' one-hot codes.
        questions: Codes of ``columns``, shape (questions, columns).
    """

    teachers: int
    column: int
    classes: IntArray
    columns: tuple[int, ...]
    start: tuple[IntArray, ...]
    step: FloatArray
    questions: IntArray

    @property
    def sizes(self) -> tuple[int, ...]:
        """Codes of each column that teachers look at."""
        return tuple(len(part) for part in self.start)

    @property
    def offsets(self) -> tuple[int, ...]:
        """First one-hot position of each of these columns."""
        return tuple(int(v) for v in np.cumsum((0, *self.sizes[:-1])))

    @property
    def choices(self) -> int:
        """Number of classes."""
        return int(self.classes.max()) + 1

    @property
    def counted(self) -> int:
        """Counts per question: one per class, or that of the second class where there are two."""
        return 1 if self.choices == 2 else self.choices

    @property
    def sensitivity(self) -> float:
        """How far one unit moves all counts in the L2 norm: one vote a question, which leaves one class and joins another."""
        return math.sqrt(len(self.questions) * (1 if self.counted == 1 else 2))


def check_ballot(ballot: Ballot, domain: Domain) -> None:
    """Refuse a ballot whose sensitivity could not be vouched for, or that would not fit into memory.

    Raises:
        AccountingError: Columns that are not there or come twice, or arrays of other shapes, types or ranges.
    """
    looked = (ballot.column, *ballot.columns)
    sound = len(set(looked)) == len(looked) >= 2 and all(0 <= j < len(domain.sizes) for j in looked)
    sound = sound and ballot.classes.shape == (domain.sizes[ballot.column],) and _whole(ballot.classes)
    sound = sound and np.array_equal(np.unique(ballot.classes), np.arange(ballot.choices)) and ballot.choices >= 2
    sound = sound and tuple(s.shape for s in ballot.start) == tuple((domain.sizes[j], ballot.choices) for j in ballot.columns)
    sound = sound and all(_whole(s) and bool((np.abs(s) <= LARGEST_LOGIT).all()) for s in ballot.start)
    width = sum(ballot.sizes) if sound else 0
    sound = sound and ballot.step.shape == (width, width) and bool(np.isfinite(ballot.step).all())
    sound = sound and _whole(ballot.questions) and ballot.questions.ndim == 2 and len(ballot.questions) >= 1
    sound = sound and ballot.questions.shape[1] == len(ballot.columns) and bool((ballot.questions >= 0).all())
    sound = sound and bool((ballot.questions < np.array(ballot.sizes)).all())
    if not sound or not 1 <= ballot.teachers <= MOST_SUMS // (width * ballot.choices):
        raise AccountingError("a ballot needs distinct columns, and tables and questions of their shapes")


def _whole(values: npt.NDArray[np.int64]) -> bool:
    return bool(np.issubdtype(values.dtype, np.signedinteger))


def vote_event(ballot: Ballot, domain: Domain, sigma: float) -> GaussianEvent:
    """What all votes together cost where one count of sensitivity 1 would get noise of ``sigma``."""
    noise, name = sigma * ballot.sensitivity, domain.names[ballot.column]
    return GaussianEvent(what=VOTES, target=(name,), sigma=noise, l2_sensitivity=ballot.sensitivity)


def asked(ballot: Ballot) -> str:
    """A ballot in few characters, to tell questions apart."""
    arrays = (ballot.classes, ballot.step, ballot.questions, *ballot.start)
    said = hashlib.sha256(repr((ballot.teachers, ballot.column, ballot.columns)).encode())
    for array in arrays:
        said.update(f"{array.shape} {array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
    return said.hexdigest()


def random_parts(units: int, parts: int, entropy: Entropy) -> IntArray:
    """A part for each unit, from 64 secret bits of its own: independent of all other units, uniform up to 2^-40."""
    words = np.frombuffer(entropy(8 * units), dtype=np.uint64)
    return (words % np.uint64(parts)).astype(np.int64)


def noisy_votes(codes: Codes, ballot: Ballot, units: PrivacyUnits, event: GaussianEvent, entropy: Entropy) -> IntArray:
    """Votes with the noise that was charged, shape (questions, counted)."""
    return noisy_counts(exact_votes(codes, ballot, units, entropy), sigma=event.sigma, entropy=entropy)


def exact_votes(codes: Codes, ballot: Ballot, units: PrivacyUnits, entropy: Entropy) -> IntArray:
    """Votes on each question, shape (questions, counted). Private.

    Of all processes where there are several, at the one that will draw the noise; zeros elsewhere.
    """
    parts = units.exact_spread(random_parts(units.exact_count(), ballot.teachers, entropy))
    exact_sums = residual_sums(codes.blocks((*ballot.columns, ballot.column)), ballot, parts, units.exact_weights())
    exact_all = exact_whole(np.append(exact_sums.ravel(), 1), entropy)
    if not exact_all[-1]:
        return np.zeros((len(ballot.questions), ballot.counted), dtype=np.int64)
    return vote_counts(exact_all[:-1].reshape(exact_sums.shape) / (GRID * units.scale), ballot)


def residual_sums(
    blocks: Iterable[Sequence[npt.NDArray[np.integer]]], ballot: Ballot, parts: IntArray, weights: Weights = None
) -> IntArray:
    """What each teacher learns from: sums over its rows of one-hot codes times residuals of the starting model.

    Args:
        blocks: Rows, as codes of ``ballot.columns`` and of ``ballot.column``, one array a column.
        ballot: The public rest.
        parts: Of each row, shape (rows,).
        weights: What each row counts, shape (rows,); 1 by default.

    Returns:
        In ``1 / GRID``, shape (teachers, width, classes).
    """
    sizes, offsets, choices = ballot.sizes, ballot.offsets, ballot.choices
    sums = np.zeros((ballot.teachers, sum(sizes), choices), dtype=np.int64)
    first = 0
    for *features, voted in blocks:
        rows = slice(first, first + len(voted))
        mine, first = parts[rows], rows.stop
        logits = np.zeros((len(voted), choices), dtype=np.int64)
        for start, code in zip(ballot.start, features, strict=True):
            logits += start[code]
        residuals = -SIGMOID[np.clip(logits, -TOP, TOP) + TOP]
        residuals[np.arange(len(voted)), ballot.classes[voted]] += GRID
        if weights is not None:
            residuals *= weights[rows, None]
        for low, size, code in zip(offsets, sizes, features, strict=True):
            places = mine * size + code
            for c in range(choices):  # float64 holds these sums exactly: whole numbers below 2^53
                found = np.bincount(places, weights=residuals[:, c], minlength=ballot.teachers * size)
                sums[:, low : low + size, c] += found.reshape(-1, size).astype(np.int64)
    return sums


def chances(sums: FloatArray, ballot: Ballot) -> Iterator[tuple[slice, FloatArray]]:
    """What the teachers believe, some questions at a time.

    Args:
        sums: Of residuals, shape (teachers, width, classes).
        ballot: The public rest.

    Yields:
        Which questions, and the probabilities of their classes, shape (teachers, questions, classes).
    """
    learnt = (sums.transpose(0, 2, 1) @ ballot.step).transpose(0, 2, 1)  # a product of matrices for each teacher alone
    places = ballot.questions + np.array(ballot.offsets)
    starts = np.concatenate(ballot.start) / LOGIT_UNIT
    many = max(CHUNK // (len(sums) * ballot.choices), 1)
    for low in range(0, len(places), many):
        asked_now = slice(low, low + many)
        logits = np.zeros((len(sums), len(places[asked_now]), ballot.choices))
        for place in places[asked_now].T:
            logits += starts[place] + learnt[:, place]
        likely = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        yield asked_now, likely / likely.sum(2, keepdims=True)


def vote_counts(sums: FloatArray, ballot: Ballot) -> IntArray:
    """How many teachers vote for each class, shape (questions, counted): each teacher once a question."""
    votes = np.zeros((len(ballot.questions), ballot.counted), dtype=np.int64)
    spread = (np.arange(len(sums)) + 0.5) / len(sums)
    for which, likely in chances(sums, ballot):
        points = (spread[:, None] + TURN * np.arange(which.start, which.start + likely.shape[1])) % 1.0
        chosen = (np.cumsum(likely[..., :-1], axis=2) <= points[..., None]).sum(2)
        for c in range(ballot.counted):
            votes[which, c] = (chosen == c + (ballot.counted == 1)).sum(0)
    return votes
