"""Gradient canaries: rows whose clipped gradient has a coordinate of its own, through the code that trains.

A bias-free layer of ``side`` inputs and outputs stands beside an ordinary one. A canary sends one input and reads one output,
so its gradient is one weight of the layer: ``side**2`` orthogonal canaries for the price of two small one-hot codes. Its
size is a hundred clipping norms, so that missing clipping shows. The weights stay zero: the attacker chooses the gradient.
Everything between the loss and the released gradient is the product's: ``PrivateTable.noisy_gradients`` and ``step``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from evaluation.audit.ledgers import DELTA, audit_ledger, rows_of
from evaluation.audit.scores import gaussian_score, sgd_scores
from evaluation.audit.sightings import Sighting
from synth.privacy.dpsgd import Normals, SgdPlan
from synth.privacy.events import GaussianEvent, SubsampledGaussianEvent
from synth.privacy.randomness import Entropy, os_entropy
from synth.privacy.vault import PrivateTable
from synth.privacy.whole import whole_plan
from synth.table import Domain

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

LOUD = 100.0  # gradient of a canary before clipping, in clipping norms
FEATURES = 4  # of an ordinary row
FEW, NORM = 200, 0.7  # ordinary rows, and clipping norm, where a gradient is taken over all rows
FAR = 1e9  # a divisor so large that no amount of noise is refused: the audit trains nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePlan:
    """What to audit.

    Attributes:
        epsilon: Budget of the training.
        delta: Of the same.
        sample_rate: Probability that a row takes part in a step.
        steps: Noisy sums.
        side: There are ``side**2`` canaries.
        ordinary: Further rows, always in the table.
        max_grad_norm: Clipping norm.
    """

    epsilon: float
    delta: float
    sample_rate: float
    steps: int
    side: int = 64
    ordinary: int = 200
    max_grad_norm: float = 1.0


class Probed(nn.Module):
    """An ordinary layer, and one whose weights are the canaries' coordinates."""

    def __init__(self, side: int) -> None:
        """All weights start at zero."""
        super().__init__()
        self.body = nn.Linear(FEATURES, 1)
        self.probe = nn.Linear(side, side, bias=False)
        nn.init.zeros_(self.probe.weight)
        nn.init.zeros_(self.body.weight)
        nn.init.zeros_(self.body.bias)


@dataclass(frozen=True, slots=True)
class ProbeLoss:
    """The loss, for a clipping norm."""

    max_grad_norm: float

    def __call__(self, module: nn.Module, codes: Tensor, normals: Normals) -> Tensor:  # noqa: ARG002 - the core's signature
        """Codes of shape (rows, 3), as in ``probe_table``, to losses of shape (rows,)."""
        probe, body = module.probe, module.body
        canary = codes[:, 2] == 1
        sent = nn.functional.one_hot(codes[:, 0], probe.in_features).float() * canary[:, None]  # type: ignore[union-attr, arg-type]
        read = probe(sent).gather(1, codes[:, 1:2]).squeeze(1)  # type: ignore[operator]
        features = torch.stack([torch.sin(codes[:, 0] * (k + 1.0)) for k in range(FEATURES)], 1)
        ordinary = torch.tanh(body(features).squeeze(1) - (codes[:, 1] % 2))  # type: ignore[operator]
        return torch.where(canary, LOUD * self.max_grad_norm * read, ordinary)


def probe_codes(side: int, present: BoolArray, ordinary: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Rows as codes: input, output, whether a canary. Shape (canaries present + ordinary, 3)."""
    places = np.flatnonzero(present)
    canaries = np.column_stack([places % side, places // side, np.ones(len(places), dtype=np.int64)])
    others = np.column_stack([rng.integers(0, side, (ordinary, 2)), np.zeros(ordinary, dtype=np.int64)])
    return np.concatenate([canaries, others]).astype(np.int64)


def probe_domain(side: int) -> Domain:
    """Domain of ``probe_codes``."""
    return Domain(names=("input", "output", "canary"), sizes=(side, side, 2))


def probe(
    plan: ProbePlan, rng: np.random.Generator, present: BoolArray | None = None, entropy: Entropy = os_entropy
) -> Sighting:
    """Train on canaries, each of which is in the table by a fair coin, and score them all.

    Args:
        plan: What to audit.
        rng: Of the coins; must not be known to the mechanism.
        present: The coins, where they have been thrown; shape (side**2,).
        entropy: Of the mechanism; one of several sites has its own.

    Returns:
        Scores against what the ledger charged.
    """
    present = np.asarray(rng.random(plan.side**2) < 0.5) if present is None else present
    codes = probe_codes(plan.side, present, plan.ordinary, rng)
    ledger = audit_ledger(plan.epsilon, plan.delta, len(present) + plan.ordinary)
    table = PrivateTable(codes, probe_domain(plan.side), rows_of(ledger), ledger, entropy=entropy)
    module = Probed(plan.side)
    sgd = SgdPlan(steps=plan.steps, sample_rate=plan.sample_rate, divisor=FAR, max_grad_norm=plan.max_grad_norm)
    gradients = table.noisy_gradients(module, ProbeLoss(plan.max_grad_norm), sgd)
    event = next(e for e in ledger.events if isinstance(e, SubsampledGaussianEvent))
    scores = np.zeros(len(present))
    for _ in range(plan.steps):
        gradients.step()
        scores += sgd_scores(seen(module, plan.max_grad_norm), event)
    return Sighting(scores=scores, present=present, events=ledger.events, delta=plan.delta, one_run=True)


def whole(rng: np.random.Generator, *, epsilon: float = 5.0, side: int = 64) -> Sighting:
    """The same canaries in one gradient over all rows."""
    present = np.asarray(rng.random(side**2) < 0.5)
    ledger = audit_ledger(epsilon, DELTA, len(present) + FEW)
    rows = rows_of(ledger)
    table = PrivateTable(probe_codes(side, present, FEW, rng), probe_domain(side), rows, ledger)
    mean, _ = table.noisy_gradient(Probed(side), ProbeLoss(NORM), max_grad_norm=NORM, share=0.9)
    (event,) = (e for e in ledger.events if isinstance(e, GaussianEvent))
    sums = mean[-len(present) :] * whole_plan(rows, NORM).divisor
    scores = gaussian_score(sums / event.sigma, NORM / event.sigma)
    return Sighting(scores=scores, present=present, events=ledger.events, delta=DELTA, one_run=True)


def seen(module: Probed, max_grad_norm: float) -> FloatArray:
    """What the released gradient says about each canary, in clipping norms, shape (canaries,)."""
    released = module.probe.weight.grad
    if released is None:
        return np.zeros(module.probe.weight.numel())
    return np.asarray(released.double().numpy().reshape(-1) * FAR / max_grad_norm, dtype=np.float64)
