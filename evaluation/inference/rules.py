"""Estimates and intervals from synthetic tables, with the noise of the release in them.

Synthetic rows are no sample of the population: treated as one, they give intervals that are too narrow, because the release
has an error of its own (the rows that were sampled, the noise for privacy, what the model cannot express) which no number
of synthetic rows takes away. The combining rules for synthetic data without privacy (Raab, Nowok and Dibben 2016) leave the
noise out as well. Raisa et al. (2023) draw from the posterior of a model given noisy measurements, which needs that posterior.
Here the whole mechanism is repeated instead (``refits``), and the spread of the repetitions is what is combined:

    estimate = q - (mean(q*) - q0)
    variance = (1 + 1/B) S*^2

with q the mean over the m datasets, q* the same on each of B refits, S*^2 their variance, and q0 the answer of the refits'
own population. S*^2 holds sampling, noise, learning and the chance of m datasets. Intervals are Student's with B - 1
degrees of freedom.

What this cannot see: relations that the model leaves out. The release lies within what the model can express, so refits
find no such bias. Estimates of relations from a model that measured none are refused; for others coverage was tried by
simulation.

References:
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapters 6 and 10.
    Raab, Nowok and Dibben (2016), Journal of Privacy and Confidentiality 7(3).
    Raisa, Jalko, Kaski and Honkela (2023), arXiv:2205.14485 (NAPSU-MQ).
    Ferrando, Wang and Sheldon (2022), arXiv:2006.07749 (parametric bootstrap for private estimates).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from evaluation.inference.refits import population, refits
from evaluation.inference.statistics import Question
from synth.errors import InputError, RefusedError
from synth.release import Release, dataset_seeds

FloatArray = npt.NDArray[np.float64]

REFITS, DATASETS = 30, 5
UNRELATED = ("independent",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An estimate about the population that the fitted rows were sampled from. Public.

    Attributes:
        name: What is estimated.
        value: Estimate, with the bias that refits show taken off.
        error: Standard error.
        low: Lower confidence limit.
        high: Upper confidence limit.
        plain: What the synthetic tables say as they are.
        refits: Repetitions behind it.
    """

    name: str
    value: float
    error: float
    low: float
    high: float
    plain: float
    refits: int


def combine(
    names: Sequence[str], datasets: FloatArray, repeated: FloatArray, truth: FloatArray, confidence: float = 0.95
) -> tuple[Estimate, ...]:
    """The rule.

    Args:
        names: Of the k estimates.
        datasets: Answers of the release's m datasets, shape (m, k).
        repeated: Mean answers of m datasets of each refit, shape (B, k).
        truth: Answers of the population that the refits' rows were drawn from, shape (k,).
        confidence: Of the intervals.

    Raises:
        RefusedError: An answer is missing in a dataset or in several refits.
    """
    out = []
    for j, name in enumerate(names):
        known = repeated[np.isfinite(repeated[:, j]), j]
        if not np.isfinite(datasets[:, j]).all() or not np.isfinite(truth[j]) or len(known) < max(3, 0.8 * len(repeated)):
            raise RefusedError(f"the synthetic tables have no stable answer for {name}; ask for something simpler")
        plain = float(datasets[:, j].mean())
        value = plain - (float(known.mean()) - float(truth[j]))
        error = math.sqrt((1 + 1 / len(known)) * float(known.var(ddof=1)))
        reach = float(stats.t.ppf(0.5 + confidence / 2, len(known) - 1)) * error
        out.append(
            Estimate(name=name, value=value, error=error, low=value - reach, high=value + reach, plain=plain, refits=len(known))
        )
    return tuple(out)


def without_noise(datasets: FloatArray, variances: FloatArray, confidence: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """The rule of Raab, Nowok and Dibben (2016) for synthesis without privacy: for comparison; too narrow under noise.

    Args:
        datasets: Answers of m datasets as large as the fitted table, shape (m, k).
        variances: Their usual sampling variances, shape (m, k).
        confidence: Of the intervals.

    Returns:
        Lower and upper limits, each of shape (k,).
    """
    error = np.sqrt(variances.mean(axis=0) * (1 + 1 / len(datasets)))
    reach = float(stats.norm.ppf(0.5 + confidence / 2)) * error
    return datasets.mean(axis=0) - reach, datasets.mean(axis=0) + reach


def infer(
    release: Release,
    questions: Sequence[Question],
    *,
    datasets: int = DATASETS,
    repeats: int = REFITS,
    seed: int = 0,
    confidence: float = 0.95,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Estimate, ...]:
    """Ask a release, and repeat its mechanism to learn how far its answers can be off.

    Args:
        release: From ``synth.load``. No real row is needed, and no budget.
        questions: From ``evaluation.inference.statistics``.
        datasets: Synthetic tables per release.
        repeats: Refits.
        seed: Of everything but the noise of the refits, so two runs differ a little.
        confidence: Of the intervals, each on its own.
        advance: Told after each refit.

    Raises:
        InputError: Nothing is asked, or an option is out of range.
        RefusedError: The model has no relations to answer from, or no stable answer.
    """
    if not questions:
        raise InputError("ask for at least one mean, proportion or regression")
    if datasets < 1 or seed < 0 or not 0.5 <= confidence < 1:
        raise InputError("datasets must be above 0, the seed not negative, the confidence from 0.5 to below 1")
    if any(q.relation for q in questions) and _unrelated(release):
        raise RefusedError(
            f"a {release.model!r} release whose columns are independent knows no relation between them; fit another model"
        )
    pool = population(release, seed)
    rng = np.random.default_rng([59_441, seed])
    truth = _answers(questions, pool)
    first = _tables(release, questions, datasets, seed)
    repeated = [
        _tables(again, questions, datasets, int(rng.integers(2**31))).mean(axis=0)
        for again in refits(release, pool, repeats, rng, advance)
    ]
    names = [name for question in questions for name in question.names]
    return combine(names, first, np.stack(repeated), truth, confidence)


def _unrelated(release: Release) -> bool:
    """Whether the release says that its columns are independent."""
    notes = release.fitted.facts.get("notes", [])
    return release.model in UNRELATED or any("columns are independent" in str(note) for note in notes)


def _answers(questions: Sequence[Question], table: pd.DataFrame) -> FloatArray:
    return np.concatenate([question.ask(table) for question in questions])


def _tables(release: Release, questions: Sequence[Question], datasets: int, seed: int) -> FloatArray:
    """Answers of several datasets, shape (datasets, k)."""
    return np.stack([_answers(questions, release.sample(seed=s)) for s in dataset_seeds(datasets, seed)])
