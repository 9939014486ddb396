"""The target's part of a trained net, learnt once more from raked rows. Post-processing.

DP-SGD clips most rows, and those the most whose target surprises: the conditional that it settles at is bent, and blurred by
noise that a classifier takes for structure. Raked rows agree with the noisy tables instead. A logistic regression on single
columns, fitted to them beside the products that the net has, keeps their tables of each column with the target (its score
equations) and leaves out what else the weights of single rows brought in. Rows are raked again afterwards, so interactions
that the tables or products of signs bear out come back.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from torch import Tensor

from synth.models.measured.rake import Features, fit_multipliers, pool_size, striking
from synth.models.measured.stage import Learnt
from synth.models.nets.autoregressive import Autoregressive
from synth.table import Domain

RIDGE = 1e-4  # of squared weights, beside the mean loss of a row
SOFT = 3  # classes up to which rows count with the chances of all of them
MOST_WORK = 6e7  # rows times codes times classes, which bounds time and memory of a step
LEAST_ROWS, ROUNDS = 4096, 60  # fewest rows, and steps of L-BFGS


def relearn_target(model: Autoregressive, learnt: Learnt, draw: Callable[[int], Tensor]) -> None:
    """Fit the target's weights on single columns, and its bias, to raked rows; in place.

    Args:
        model: Whose last column is the target; its products of pairs stay as they are.
        learnt: What was measured.
        draw: That many rows of the model, shape (rows, columns).
    """
    domain, target = learnt.groups.domain, model.order[-1]
    rows, weights, features, multipliers = raked_rows(learnt, draw)
    size = domain.sizes[target]
    taken = max(int(MOST_WORK / (domain.width * size)), LEAST_ROWS)
    rows, weights = rows[:taken], weights[:taken] / weights[:taken].sum()
    told = torch.eye(size)[rows[:, target]]
    fit_target(model, rows, weights, raked_chances(model, rows, features, multipliers, domain) if size <= SOFT else told)


def raked_rows(learnt: Learnt, draw: Callable[[int], Tensor]) -> tuple[Tensor, Tensor, Features, Tensor]:
    """Drawn rows, shape (rows, columns), their weights once they agree with the tables, and what the weights come from."""
    rows = draw(pool_size(len(learnt.evidence.tables)))
    features, multipliers = fit_multipliers(rows, learnt.evidence, striking(learnt.products, rows, learnt.groups.domain))
    return rows, features.weigh(rows, multipliers, learnt.groups.domain), features, multipliers


@torch.no_grad()
def raked_chances(model: Autoregressive, rows: Tensor, features: Features, multipliers: Tensor, domain: Domain) -> Tensor:
    """Distribution of the target given the other columns once rows are weighed, shape (rows, classes)."""
    target = model.order[-1]
    scores, asked = [], rows.clone()
    for code in range(model.sizes[target]):
        asked[:, target] = code
        scores.append(features.score(asked, multipliers, domain))
    found: Tensor = (model.logits(rows)[target] + torch.stack(scores, 1)).softmax(1)
    return found


def fit_target(model: Autoregressive, rows: Tensor, weights: Tensor, chances: Tensor) -> None:
    """Logistic regression of the target on single columns, from where the weights are; in place.

    Args:
        model: See ``relearn_target``.
        rows: Shape (rows, columns).
        weights: Of the rows, summing to 1.
        chances: Of the target's codes for each row, shape (rows, classes).
    """
    target = model.order[-1]
    seen = [j for j in range(len(model.sizes)) if j != target]
    span = slice(int(model.offsets[target]), int(model.offsets[target]) + model.sizes[target])
    places = torch.cat([torch.arange(model.sizes[j]) + model.offsets[j] for j in seen])
    inputs, basis = torch.cat([model.bases[j][rows[:, j]] for j in seen], 1), model.bases[target]
    with torch.no_grad():
        fixed = model.products(model.pairs(rows)) @ basis.T if model.products is not None else torch.zeros(1)
    shape = (model.sizes[target], len(places))

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        whole = torch.from_numpy(flat).float().requires_grad_()
        weight, bias = whole[: shape[0] * shape[1]].view(shape), whole[shape[0] * shape[1] :]
        logits = inputs @ (basis @ weight).T + bias + fixed
        value = -(weights @ (chances * logits.log_softmax(1)).sum(1)) + RIDGE / 2 * weight.square().sum()
        (slope,) = torch.autograd.grad(value, whole)
        return value.item(), slope.double().numpy()

    start = torch.cat([model.skip.weight.detach()[span][:, places].flatten(), model.bias[span]]).double().numpy()
    found = torch.from_numpy(minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS}).x).float()
    with torch.no_grad():
        model.skip.weight[torch.arange(span.start, span.stop)[:, None], places] = found[: shape[0] * shape[1]].view(shape)
        model.bias[span] = found[shape[0] * shape[1] :]
