"""How gradients are bounded, and the count of those that are left as they are, under each rule for clipping.

Three things must hold. One person more or less moves gradient and count *together* by at most their common bound. Both carry
noise for that bound. And an adaptive norm is a function of counts that were released, of nothing else.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats
from torch import Tensor, nn

from evaluation.audit.ledgers import audit_ledger, rows_of
from evaluation.audit.probes import FAR, FEATURES, LOUD, Probed, probe_codes, probe_domain
from evaluation.audit.sightings import GATE, Finding
from evaluation.audit.structure import EPSILON, RATE, SIDE, STEPS, Repeated
from synth.privacy.clipping import ADAPTIVE, CLIPPINGS, HEADROOM, Clipping, adapted, joint_norm
from synth.privacy.dpsgd import NoisyGradient, Normals, SgdPlan
from synth.privacy.events import SubsampledGaussianEvent
from synth.privacy.ledger import Ledger
from synth.privacy.randomness import Entropy, os_entropy
from synth.privacy.units import PrivacyUnits
from synth.privacy.vault import PrivateTable

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CAP, PERSONS = 3, 4  # rows of a person, and how many canaries and how many ordinary persons are always there
NORM, BATCH = 0.5, 1000.0  # of the audited training, and what its sums are divided by
ALLOWED = 1 + 0.006  # of the bound: the grid's rounding, which the ledger charges for
EXTRA = {"loud": (PERSONS, 0, 1), "ordinary": (3, 1, 0)}  # a person more: input, output, whether a canary


def clipping(rng: np.random.Generator) -> Finding:
    """One person more, noise held equal; an empty table's counts; an adaptive norm against the counts that came out."""
    moved = {kind: max(_moved(kind, row, rng) for row in EXTRA.values()) for kind in CLIPPINGS}
    (p_gradient, p_count), astray = _adaptive(rng)
    worst = max(moved, key=lambda kind: moved[kind])
    return Finding(
        check="clipping", attacks="gradient and count of DP-SGD under every rule for clipping; the path of an adaptive norm",
        contradicted=bool(moved[worst] > ALLOWED or min(p_gradient, p_count) < GATE / 2 or astray > 1e-9),
        significance=GATE, canaries=len(EXTRA),
        detail=f"one person moved both by {moved[worst]:.4f} of their bound ({worst}); least noise of gradients and counts: "
        f"p = {p_gradient:.2g}, {p_count:.2g}; the norm left the path of the released counts by {astray:.1e}",
    )  # fmt: skip


def _loud(module: nn.Module, codes: Tensor, normals: Normals) -> Tensor:  # noqa: ARG001 - the core's signature
    """Canaries are loud in both layers, the probe and the one beside it."""
    probe, body = module.probe, module.body
    canary = codes[:, 2] == 1
    sent = nn.functional.one_hot(codes[:, 0], SIDE).float() * canary[:, None]
    read = probe(sent).gather(1, codes[:, 1:2]).squeeze(1)  # type: ignore[operator]
    beside = body(torch.ones(len(codes), FEATURES)).squeeze(1)  # type: ignore[operator]
    return torch.where(canary, LOUD * NORM * (read + beside), torch.tanh(beside))


def _moved(kind: str, row: tuple[int, int, int], rng: np.random.Generator) -> float:
    """How far one person with three equal rows moves gradient and count, as part of what is charged for."""
    codes = probe_codes(SIDE, np.arange(SIDE * SIDE) < PERSONS, PERSONS, rng)
    without, more = (_released(kind, np.repeat(c, CAP, axis=0)) for c in (codes, np.vstack([codes, [row]])))
    return float(np.linalg.norm(more - without)) / joint_norm(NORM, Clipping(kind=kind, count_weight=1.0).weight)


def _released(kind: str, codes: IntArray) -> FloatArray:
    """Gradient and count of one step, shape (parameters + 1,); a count as heavy as a gradient shows what a light one hides."""
    how = Clipping(kind=kind, count_weight=1.0)
    plan = SgdPlan(steps=1, sample_rate=1.0, divisor=FAR, max_grad_norm=NORM, clipping=how)
    gradients, module, _ = _training(codes, plan, Repeated())
    gradients.step()
    return np.append(_gradient(module) * FAR, gradients.counted * how.weight * (1 - HEADROOM) * NORM)


def _gradient(module: Probed) -> FloatArray:
    return np.concatenate([p.grad.double().numpy().reshape(-1) for p in module.parameters() if p.grad is not None])


def _adaptive(rng: np.random.Generator) -> tuple[tuple[float, float], float]:
    """Chances of so little noise on an empty table, and how far the norm strays from what the counts say."""
    how = Clipping(kind=ADAPTIVE, quantile=0.7, count_weight=1.0)
    plan = SgdPlan(steps=STEPS, sample_rate=RATE, divisor=BATCH, max_grad_norm=NORM, clipping=how)
    empty = probe_codes(SIDE, np.zeros(SIDE * SIDE, dtype=bool), 0, rng)
    gradients, module, ledger = _training(empty, plan, os_entropy)
    event = next(e for e in ledger.events if isinstance(e, SubsampledGaussianEvent))
    sigma = event.noise_multiplier * joint_norm(1.0, how.weight)
    released, counts, astray, norm = [], [], 0.0, NORM
    for _ in range(STEPS):
        gradients.step()
        released.append(_gradient(module) * BATCH / norm)
        counts.append(gradients.counted * how.weight * (1 - HEADROOM))
        astray = max(astray, abs(gradients.norm / norm - 1))
        norm = adapted(norm, (1 + gradients.counted / BATCH) / 2, how.quantile)
    return (_little(np.concatenate(released), sigma), _little(np.array(counts), sigma)), astray


def _little(noise: FloatArray, sigma: float) -> float:
    """Chance that noise of ``sigma`` has so little power."""
    return float(stats.chi2.cdf(float((noise**2).sum()) / sigma**2, len(noise)))


def _training(codes: IntArray, plan: SgdPlan, entropy: Entropy) -> tuple[NoisyGradient, Probed, Ledger]:
    """DP-SGD on persons with ``CAP`` rows each."""
    ledger = audit_ledger(EPSILON)
    owner = np.repeat(np.arange(len(codes) // CAP), CAP)
    units = PrivacyUnits(len(codes), owner, CAP)
    table, module = PrivateTable(codes, probe_domain(SIDE), rows_of(ledger), ledger, (), entropy, units), Probed(SIDE)
    return table.noisy_gradients(module, _loud, plan), module, ledger
