"""Output perturbation: the target's conditional is a convex model whose trained weights get noise; all else is another model's.

Where other models learn from noisy tables or noisy gradients, this one trains to the end on true rows inside the trusted core,
and pays once, for the weights (Chaudhuri, Monteleoni and Sarwate 2011, arXiv:0912.0071; Wu et al. 2017, arXiv:1606.04722).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from synth.errors import InputError
from synth.models.base import Fitted, Run, require_within
from synth.models.given import FREE, Given, Weighted, with_known
from synth.models.independent import Independent
from synth.models.marginal import Marginal
from synth.models.one_way import unpack
from synth.privacy.minimizer import RidgePlan
from synth.privacy.shares import measurement_mu
from synth.privacy.vault import PrivateTable
from synth.table import CodeArray, Domain, EncodedTable

FloatArray = npt.NDArray[np.float64]

FEATURES: dict[str, type[Marginal | Independent]] = {"marginal": Marginal, "independent": Independent}
NO_CONDITIONAL = "there is no target with several values beside other columns: only the tables were learnt"
SIZE = 1 / 6  # of a weight, in logits, that the ridge is chosen for
CALIBRATED, ROUNDS = 8192, 30  # rows and steps that move the mean of the conditional onto the target's table
LEAST = 1e-6  # share of a class that logits are moved for


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbed:
    """Features by noisy tables, the target by logistic regression with noise on its weights.

    Attributes:
        features: The model of all columns, of which the target is drawn anew: ``marginal`` or ``independent``.
        share: Of the Gaussian budget, for the weights.
        ridge: Of the mean loss; by default by the row count, the budget and the columns.
    """

    features: str = "marginal"
    share: float = 0.4
    ridge: float | None = None

    def __post_init__(self) -> None:
        if self.features not in FEATURES:
            raise InputError(f"option 'features' is one of {', '.join(FEATURES)}, not {self.features!r}")
        require_within(self, {"share": (0.05, 0.9), "ridge": (1e-8, 1e3)})

    def fit(self, data: PrivateTable, run: Run) -> Fitted:
        """Spend ``share`` on the weights, and all that is left on tables."""
        domain = data.domain
        target = -1 if domain.target is None else domain.names.index(domain.target)
        base = FEATURES[self.features]()
        if target < 0 or domain.sizes[target] < 2 or len(domain.sizes) < 2:
            fitted = base.fit(data, run)
            return replace(fitted, facts=fitted.facts | {"notes": [*fitted.facts.get("notes", []), NO_CONDITIONAL]})
        mu = measurement_mu(data.ledger) * math.sqrt(self.share)
        mean = default_ridge(data.rows.rung, mu, domain, target) if self.ridge is None else self.ridge
        run.progress.phase("minimising")
        weights = data.noisy_minimizer(RidgePlan(target, mean * data.rows.rung), share=self.share).copy()
        run.progress.spent(data.ledger.spent())
        fitted = base.fit(data, run)
        rows = base.sample(fitted, domain, CALIBRATED, np.random.default_rng(run.seed)).codes
        table = unpack(fitted.tensors["one_way"], domain)[target]
        weights[-1] += shifted(_logits(weights, rows, domain, target), table) * math.sqrt(len(domain.sizes))
        return replace(fitted, tensors=fitted.tensors | {"logistic": weights.astype(np.float32)})

    def sample(self, fitted: Fitted, domain: Domain, n_rows: int, rng: np.random.Generator) -> EncodedTable:
        """Draw rows of the other model, and their target anew."""
        codes = FEATURES[self.features]().sample(fitted, domain, n_rows, rng).codes
        if "logistic" in fitted.tensors:
            target = domain.names.index(str(domain.target))
            codes[:, target] = drawn(chances(fitted.tensors["logistic"], codes, domain, target), rng)
        return EncodedTable(domain, codes)

    def sample_where(
        self, fitted: Fitted, domain: Domain, given: Sequence[Given], n_rows: int, rng: np.random.Generator
    ) -> Weighted:
        """The same under conditions on columns: rows weigh what the target's conditional gives to what is asked of it."""
        base = FEATURES[self.features]()
        if "logistic" not in fitted.tensors:
            return base.sample_where(fitted, domain, given, n_rows, rng)
        target = domain.names.index(str(domain.target))
        asked, free = given[target], [FREE if j == target else one for j, one in enumerate(given)]
        rows = base.sample_where(fitted, domain, free, n_rows, rng)
        likely = chances(fitted.tensors["logistic"], rows.codes, domain, target)
        if asked.likelihood is not None:
            likely = likely * asked.likelihood
        if asked.codes is not None:
            kept = (asked.codes[:, None] < 0) | (asked.codes[:, None] == np.arange(likely.shape[1]))
            likely = likely * kept
        with np.errstate(divide="ignore"):
            scores = rows.log_weights + np.log(likely.sum(1))
        codes = rows.codes.copy()
        codes[:, target] = drawn(np.maximum(likely, 1e-300), rng)
        return Weighted(with_known(codes, given), scores)


def default_ridge(rows: int, mu: float, domain: Domain, target: int) -> float:
    """The ridge of the mean loss at which what noise and what the ridge itself cost are about equal. Public.

    Noise of standard deviation ``s = L / (n ridge mu)`` on each weight moves a logit by s, which costs ``s^2 / 8`` of the mean
    loss; a ridge costs ``ridge B^2 / 2`` of it, for weights of norm B. So ``ridge^3 = L^2 / (4 (n mu)^2 B^2)``. B counts a
    weight of ``SIZE`` logits for every code, spread over a row of norm 1.
    """
    width = domain.width - domain.sizes[target]
    squared = len(domain.sizes) * width * SIZE**2 / 4
    return float((2 / (4 * (rows * mu) ** 2 * squared)) ** (1 / 3))


def _logits(weights: npt.NDArray[np.floating], codes: CodeArray, domain: Domain, target: int) -> FloatArray:
    """Logits of the target's codes, shape (rows, classes)."""
    others = [j for j in range(len(domain.sizes)) if j != target]
    offsets = np.cumsum([0, *(domain.sizes[j] for j in others)])
    whole = np.broadcast_to(weights[-1].astype(np.float64), (len(codes), weights.shape[1])).copy()
    for j, offset in zip(others, offsets, strict=False):
        whole += weights[offset + codes[:, j]]
    return whole / math.sqrt(len(others) + 1)


def chances(weights: npt.NDArray[np.floating], codes: CodeArray, domain: Domain, target: int) -> FloatArray:
    """The target's conditional for each row, shape (rows, classes)."""
    return _softmax(_logits(weights, codes, domain, target))


def _softmax(logits: FloatArray) -> FloatArray:
    grown = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(grown / grown.sum(1, keepdims=True))


def shifted(logits: FloatArray, shares: FloatArray) -> FloatArray:
    """What to add to the logits of each class so that the mean conditional is ``shares``."""
    moved, wanted = np.zeros(len(shares)), np.log(np.maximum(shares, LEAST))
    for _ in range(ROUNDS):
        moved += wanted - np.log(np.maximum(_softmax(logits + moved).mean(0), LEAST))
    return moved


def drawn(likely: FloatArray, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """A code for each row, in proportion to positive numbers of shape (rows, classes)."""
    rising = np.cumsum(likely, axis=1)
    return np.asarray((rising < rng.random(len(likely))[:, None] * rising[:, -1:]).sum(1), dtype=np.int64)
