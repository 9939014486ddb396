r"""Output perturbation: a convex model is trained on the rows, and its weights get noise.

The model is multinomial logistic regression of one column's codes on the one-hot codes of all others and a constant, scaled so
that a row ``x`` has norm 1. It minimises :math:`J(W) = \sum_i w_i \ell_i(W) + \Lambda |W|^2 / 2`, where a unit's weights
``w_i`` sum to at most 1. A row's gradient is ``x (p - y)^T``, of norm at most ``L = sqrt(2)``, and J is strongly convex with
``Lambda``. At the minimiser of the table without a unit the gradient of J with it has norm at most L, so that both minimisers
are at most ``L / Lambda`` apart (Chaudhuri, Monteleoni and Sarwate 2011, arXiv:0912.0071, in sum form; no number of rows is in
it).

Nobody has the minimiser exactly. Weights are taken once their gradient has norm at most ``TOLERANCE``, by which they are at
most ``TOLERANCE / Lambda`` from it: two tables' weights are at most ``(L + 2 TOLERANCE) / Lambda`` apart (Wu et al. 2017,
arXiv:1606.04722). That norm is computed in float64, and ``gradient_slack`` bounds what rounding may hide of it; both together
must stay below the tolerance. They will: after L-BFGS plain gradient steps go on, each of which brings the gradient's norm down
by a factor ``1 - Lambda / smoothness`` plus the slack, and tables for which the slack times ``smoothness / Lambda`` is not
small beside the tolerance are refused beforehand, by public figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, sparse
from scipy.special import logsumexp

from synth.errors import AccountingError, InputError, RefusedError
from synth.privacy.budget import RowCount
from synth.privacy.codes import Codes
from synth.privacy.events import GaussianEvent
from synth.privacy.mechanisms import noisy_gradient_sum, rounded_sensitivity
from synth.privacy.randomness import Apart, Entropy, Several
from synth.privacy.units import PrivacyUnits, Weights
from synth.table import Domain

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

WEIGHTS = "weights of a convex model"
LIPSCHITZ = math.sqrt(2) * (1 + 1e-9)  # the last digits are for rounded weights and scales
TOLERANCE = 0.02 * math.sqrt(2)
BLOCK = 1024  # rows that are summed one after the other, which keeps the rounding of sums small
MOST_ROUNDS = 2000  # of L-BFGS
_UNIT = 2.0**-53


@dataclass(frozen=True, slots=True)
class RidgePlan:
    """What is minimised. Public.

    Attributes:
        target: Place of the column that is predicted.
        ridge: ``Lambda``, of the sum over rows: a function of public or paid figures.
    """

    target: int
    ridge: float

    @property
    def sensitivity(self) -> float:
        """How far one unit can move the weights, in the L2 norm."""
        return (LIPSCHITZ + 2 * TOLERANCE) / self.ridge


def shape_of(plan: RidgePlan, domain: Domain) -> tuple[int, int]:
    """Of the weights: the others' codes and a constant, and the target's codes."""
    classes = domain.sizes[plan.target]
    return domain.width - classes + 1, classes


def gradient_slack(counted: float, largest: float, columns: int, classes: int, *, rows: float | None = None) -> float:
    """What float64 may hide of the norm of a gradient, for weights of norm ``largest``; the ridge's part is in the factor 4.

    A logit is a sum of ``columns`` terms of a row of norm 1, so it is off by at most ``(columns + 2) u largest``; a
    probability by twice that and ``classes + 8`` units more; a sum of n rows, each of norm sqrt(2) at most, in blocks of K by
    at most ``(K + n / K + 2) u sqrt(2) n``, or times what the rows count together, where that is less than n.
    """
    blocks = (counted if rows is None else rows) / BLOCK
    row = 2 * (columns + 2) * largest + classes + 16
    return _UNIT * counted * (row + math.sqrt(2) * (BLOCK + blocks + 2)) + 4 * _UNIT * largest * counted


def largest_weights(counted: float, ridge: float, classes: int) -> float:
    """Norm of any weights that are better than zeros, for which the objective is ``n log k``, n being what all rows count."""
    return math.sqrt(2 * counted * math.log(classes) / ridge) if classes > 1 else 0.0


def check_ridge(plan: RidgePlan, domain: Domain, rows: RowCount, entropy: Entropy, cap: int = 1) -> None:
    """Refuse, by public figures, what cannot be minimised or certified; each unit has at most ``cap`` rows.

    Raises:
        AccountingError: No such target, one with a single code, or an impossible ridge.
        InputError: Several processes hold the rows.
        RefusedError: Too many rows for float64 to certify the minimum.
    """
    if isinstance(entropy, Several | Apart):
        raise InputError("this model minimises over all rows at once, in one process; fit it without torchrun or sites")
    sound = 0 <= plan.target < len(domain.sizes) and domain.sizes[plan.target] > 1 and len(domain.sizes) > 1
    if not sound or not 0 < plan.ridge < math.inf:
        raise AccountingError("a convex model needs a target with several codes, other columns, and a ridge above 0")
    most, classes = 2.0 * rows.highest, domain.sizes[plan.target]
    largest = largest_weights(most, plan.ridge, classes)
    slack = gradient_slack(most, largest, len(domain.sizes), classes, rows=most * cap)
    if slack * (1 + most / 2 / plan.ridge) > TOLERANCE / 2:
        raise RefusedError("the table has too many rows for this model's minimum to be certified; use another model")


def ridge_event(plan: RidgePlan, domain: Domain, noise: float) -> GaussianEvent:
    """What is charged for noise of ``noise`` sensitivities."""
    sensitivity = rounded_sensitivity(math.prod(shape_of(plan, domain))) * plan.sensitivity
    target = (domain.names[plan.target],)
    return GaussianEvent(what=WEIGHTS, target=target, sigma=noise * sensitivity, l2_sensitivity=sensitivity)


def noisy_weights(codes: Codes, units: PrivacyUnits, plan: RidgePlan, event: GaussianEvent, entropy: Entropy) -> FloatArray:
    """The minimiser on a grid, with rounded Gaussian noise there.

    Args:
        codes: Of all rows. Private.
        units: What each row counts. Private.
        plan: What is minimised.
        event: As charged.
        entropy: Source of secret bytes.

    Returns:
        Weights, shape (codes of the other columns + 1, codes of the target).
    """
    exact_weights = exact_minimizer(codes, units.exact_weights(), units.scale, plan)
    noisy = noisy_gradient_sum(
        exact_weights.ravel(), max_grad_norm=plan.sensitivity, noise_multiplier=1 / event.mu, entropy=entropy
    )
    return noisy.reshape(exact_weights.shape)


def exact_minimizer(codes: Codes, weights: Weights, scale: int, plan: RidgePlan) -> FloatArray:
    """Weights whose gradient has norm at most ``TOLERANCE``, certified. Private.

    Args:
        codes: Of all rows.
        weights: Of the rows, in ``1 / scale``.
        scale: Of the weights.
        plan: What is minimised.
    """
    classes, columns = codes.sizes[plan.target], len(codes.sizes)
    blocks = _blocks(codes, weights, scale, plan.target)
    shape = (sum(codes.sizes) - classes + 1, classes)

    def objective(flat: FloatArray) -> tuple[float, FloatArray]:
        at = flat.reshape(shape)
        value, gradient = 0.5 * plan.ridge * float(flat @ flat), plan.ridge * at
        for x, labels, counted in blocks:
            logits = x @ at
            log_chances = logits - logsumexp(logits, axis=1, keepdims=True)
            rows = np.arange(len(labels))
            value -= float(counted @ log_chances[rows, labels])
            rest = np.exp(log_chances)
            rest[rows, labels] -= 1
            gradient = gradient + x.T @ (rest * counted[:, None])
        return value, gradient.ravel()

    start = np.zeros(math.prod(shape))
    options = {
        "maxiter": MOST_ROUNDS,
        "maxfun": 2 * MOST_ROUNDS,
        "maxcor": 20,
        "ftol": 0.0,
        "gtol": TOLERANCE / 4 / len(start) ** 0.5,
    }
    found = optimize.minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x
    if not objective(found)[0] <= objective(start)[0]:
        found = start
    exact_counted = float(codes.exact_rows if weights is None else weights.sum() / scale)
    smoothness = exact_counted / 2 * (1 + 1e-9) + plan.ridge
    while True:
        gradient = objective(found)[1]
        norm = float(np.linalg.norm(gradient)) * (1 + 1e-6)
        slack = gradient_slack(exact_counted, float(np.linalg.norm(found)), columns, classes, rows=codes.exact_rows)
        if norm + slack <= TOLERANCE:
            return np.asarray(found.reshape(shape), dtype=np.float64)
        found = found - gradient / smoothness


def _blocks(codes: Codes, weights: Weights, scale: int, target: int) -> list[tuple[sparse.csr_array, IntArray, FloatArray]]:
    """Rows as scaled one-hot codes of all columns but the target and a constant, labels, and what each row counts. Private."""
    others = [j for j in range(len(codes.sizes)) if j != target]
    sizes = [codes.sizes[j] for j in others]
    offsets, width = np.cumsum([0, *sizes[:-1]]), sum(sizes) + 1
    unit, found, start = 1 / math.sqrt(len(others) + 1), [], 0
    for columns in codes.blocks([*others, target], BLOCK):
        n = len(columns[0])
        places = np.column_stack(
            [*(c.astype(np.int64) + o for c, o in zip(columns, offsets, strict=False)), np.full(n, width - 1)]
        )
        ends = np.arange(n + 1) * places.shape[1]
        x = sparse.csr_array((np.full(places.size, unit), places.ravel(), ends), shape=(n, width))
        counted = np.ones(n) if weights is None else weights[start : start + n] / scale
        found.append((x, columns[-1].astype(np.int64), counted))
        start += n
    return found
