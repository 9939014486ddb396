"""What a score of canaries does not see: sampling, sensitivity, repeated noise, the number of steps, the empty batch.

Each check drives ``PrivateTable`` and asks for something that holds for every table or for all but a stated chance.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats
from torch import Tensor, nn

from evaluation.audit.ledgers import audit_ledger, rows_of
from evaluation.audit.probes import FAR, Probed, ProbeLoss, probe_codes, probe_domain, seen
from evaluation.audit.sightings import GATE, Finding
from synth.errors import AccountingError
from synth.privacy.dpsgd import Normals, SgdPlan
from synth.privacy.events import SubsampledGaussianEvent
from synth.privacy.randomness import Entropy
from synth.privacy.vault import PrivateTable

FloatArray = npt.NDArray[np.float64]

EPSILON = 4.0
SIDE = 24
STEPS, RATE = 100, 0.1  # one calibration serves all checks


class Repeated:
    """The same bytes for the n-th draw of every run, so that two runs differ by what their rows do and by nothing else."""

    def __init__(self) -> None:
        """Start from the first draw."""
        self.draws = 0

    def __call__(self, n_bytes: int) -> bytes:
        """Bytes of the next draw."""
        self.draws += 1
        return hashlib.shake_128(f"audit/{self.draws}".encode()).digest(n_bytes)


@dataclass(frozen=True, slots=True)
class Watching:
    """A loss that notes how often each row takes part: rows are told apart by their codes."""

    inner: ProbeLoss
    batches: list[npt.NDArray[np.int64]]

    def __call__(self, module: nn.Module, codes: Tensor, normals: Normals) -> Tensor:
        """See ``ProbeLoss``."""
        self.batches.append((codes[:, 0] + SIDE * codes[:, 1]).numpy().copy())
        return self.inner(module, codes, normals)


def sampling(rng: np.random.Generator) -> Finding:
    """Poisson sampling: every row flips a coin of its own at every step.

    Sizes of batches are binomial, and rows of one step are in the next with the same rate as all others. Shuffling
    has batches of one size and keeps the rows of a step out of the next.
    """
    rows, steps = SIDE * SIDE, STEPS
    table, module = _table(np.ones(rows, dtype=bool), rng)
    batches: list[npt.NDArray[np.int64]] = []
    plan = SgdPlan(steps=STEPS, sample_rate=RATE, divisor=FAR)
    gradients = table.noisy_gradients(module, Watching(ProbeLoss(1.0), batches), plan)
    taken = np.zeros((steps, rows), dtype=bool)
    for t in range(steps):
        before = len(batches)
        gradients.step()
        for batch in batches[before:]:
            taken[t, batch] = True
    taken, rows = taken[:, 1:], rows - 1  # the first has the codes of the rows that fill chunks up
    sizes, part = taken.sum(1), GATE / 3
    claimed = next(e for e in table.ledger.events if isinstance(e, SubsampledGaussianEvent)).sample_rate
    p_rate = stats.binomtest(int(sizes.sum()), steps * rows, claimed).pvalue
    spread = float(((sizes - rows * claimed) ** 2).sum() / (rows * claimed * (1 - claimed)))
    p_spread = 2 * min(stats.chi2.cdf(spread, steps), stats.chi2.sf(spread, steps))
    again = int((taken[1:] & taken[:-1]).sum())
    p_again = stats.binomtest(again, (steps - 1) * rows, claimed**2).pvalue
    worst = min(p_rate, p_spread, p_again)
    return Finding(
        check="sampling", attacks="DP-SGD batches as the loss sees them", contradicted=bool(worst < part), significance=GATE,
        canaries=rows, detail=f"rate, size of batches, rows in two in a row: p = {p_rate:.2g}, {p_spread:.2g}, {p_again:.2g}",
    )  # fmt: skip


def sensitivity(rng: np.random.Generator, *, rows: int = 4) -> Finding:
    """Two tables that differ in one row, equal noise: the released sums differ by at most one clipping norm.

    With rate 1 no coin is drawn, so noise cancels exactly. The extra row is loud, ordinary, or one without any gradient.
    """
    worst = 0.0
    present = np.arange(SIDE * SIDE) < rows
    kinds = {"loud": (rows, 0, 1), "ordinary": (3, 1, 0), "silent": (-1, 0, 0)}
    for row in kinds.values():
        released = []
        for more in (False, True):
            codes = probe_codes(SIDE, present, 0, rng)
            if more:
                codes = np.vstack([codes, np.abs(np.array([row]))])
            released.append(_one_step(codes, silent=row[0] < 0))
        worst = max(worst, float(np.linalg.norm(released[1] - released[0])))
    allowed = 1 + 0.006  # the grid's rounding, which the ledger charges for
    return Finding(
        check="sensitivity", attacks="one step of DP-SGD with one row more or less, noise held equal",
        contradicted=worst > allowed, significance=0.0, canaries=len(kinds),
        detail=f"one row moved the released sum by {worst:.4f} clipping norms",
    )  # fmt: skip


def _one_step(codes: npt.NDArray[np.int64], *, silent: bool) -> FloatArray:
    """Released sum in clipping norms, shape (parameters,)."""
    table, module = _table_of(codes, Repeated())
    loss = ProbeLoss(1.0)

    def quiet(m: nn.Module, c: Tensor, normals: Normals) -> Tensor:
        losses = loss(m, c, normals)
        return torch.where(c[:, 2] == 1, losses, 0.0 * losses)

    gradients = table.noisy_gradients(module, quiet if silent else loss, SgdPlan(steps=1, sample_rate=1.0, divisor=FAR))
    gradients.step()
    parts = [p.grad.double().numpy().reshape(-1) for p in module.parameters() if p.grad is not None]
    return np.asarray(np.concatenate(parts) * FAR, dtype=np.float64)


def fresh_noise(rng: np.random.Generator) -> Finding:
    """Noise of steps, of coordinates and of whole runs is independent: no two are correlated, nothing is repeated."""
    found = []
    for _ in range(2):
        table, module = _table(np.zeros(SIDE * SIDE, dtype=bool), rng)
        gradients = table.noisy_gradients(module, ProbeLoss(1.0), SgdPlan(steps=STEPS, sample_rate=RATE, divisor=FAR))
        released = np.empty((STEPS, SIDE * SIDE))
        for t in range(STEPS):
            gradients.step()
            released[t] = seen(module, 1.0)
        found.append(released)
    rows = np.concatenate(found)
    steps = _correlations(rows)
    places = _correlations(rows.T)
    size = {"steps and runs": steps * math.sqrt(rows.shape[1]), "coordinates": places * math.sqrt(rows.shape[0])}
    pairs = math.comb(rows.shape[0], 2) + math.comb(rows.shape[1], 2)
    limit = float(stats.norm.isf(GATE / (2 * pairs))) * 1.1  # correlations of so few values are a little wider than normal
    return Finding(
        check="fresh noise", attacks="noise of an empty table, over runs, steps and coordinates",
        contradicted=max(size.values()) > limit, significance=GATE,
        detail="largest correlation in standard errors: " + ", ".join(f"{k} {v:.1f}" for k, v in size.items()),
    )  # fmt: skip


def _correlations(rows: FloatArray) -> float:
    """Largest correlation between two rows, whose means are zero; 1 where a row is nothing but zeros."""
    norms = np.linalg.norm(rows, axis=1)
    if not norms.all():
        return 1.0
    unit = rows / norms[:, None]
    return float(np.abs(np.triu(unit @ unit.T, 1)).max())


def every_step(rng: np.random.Generator) -> Finding:
    """An empty table gets the noise that was charged at every step, and no step more than was charged."""
    table, module = _table(np.zeros(SIDE * SIDE, dtype=bool), rng)
    gradients = table.noisy_gradients(module, ProbeLoss(1.0), SgdPlan(steps=STEPS, sample_rate=RATE, divisor=FAR))
    event = next(e for e in table.ledger.events if isinstance(e, SubsampledGaussianEvent))
    worst, silent, size = 1.0, 0, SIDE * SIDE
    for _ in range(STEPS):
        for p in module.parameters():
            p.grad = None
        gradients.step()
        power = float((seen(module, 1.0) ** 2).sum()) / event.noise_multiplier**2
        silent += power == 0
        worst = min(worst, float(stats.chi2.cdf(power, size)))  # too little noise is what harms
    try:
        gradients.step()
        over = True
    except AccountingError:
        over = False
    return Finding(
        check="every step", attacks="DP-SGD on an empty table: noise of each step, and how many steps there are",
        contradicted=bool(worst < GATE / STEPS or silent or over), significance=GATE, canaries=STEPS,
        detail=f"least noise: p = {worst:.2g}; {silent} steps without noise; steps over: {int(over)}",
    )  # fmt: skip


def _table(present: npt.NDArray[np.bool_], rng: np.random.Generator) -> tuple[PrivateTable, Probed]:
    return _table_of(probe_codes(SIDE, present, 0, rng), None)


def _table_of(codes: npt.NDArray[np.int64], entropy: Entropy | None) -> tuple[PrivateTable, Probed]:
    ledger = audit_ledger(EPSILON)
    domain, rows = probe_domain(SIDE), rows_of(ledger)
    if entropy is None:
        return PrivateTable(codes, domain, rows, ledger), Probed(SIDE)
    return PrivateTable(codes, domain, rows, ledger, (), entropy), Probed(SIDE)
