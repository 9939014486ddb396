"""Every synthesizer as a whole: its own ``fit`` on rows of ours, watched at the doors of the vault.

Each canary is a row with a code of its own in the column ``who``. The attacker knows all other rows, and sees every noisy
answer that the synthesizer got: tables with a cell that only this canary can move, and the gradient of a probe that stands
beside the synthesizer's own network. The sum of log-likelihood ratios is held against the curve of everything that was
charged. Answers on which canaries overlap are left out: the attack is weaker for it, not wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from evaluation.audit.ledgers import DELTA, audit_ledger, rows_of
from evaluation.audit.probes import LOUD
from evaluation.audit.scores import gaussian_score, preset_thresholds, sgd_scores, simulated_scores
from evaluation.audit.sightings import Sighting
from synth.models.base import Run
from synth.privacy.clipping import Clipped
from synth.privacy.dpsgd import NoisyGradient, Normals, RowLoss, SgdPlan
from synth.privacy.events import Event, GaussianEvent, SubsampledGaussianEvent
from synth.privacy.ledger import Ledger
from synth.privacy.shares import Measurement, measurement_mu
from synth.privacy.vault import PrivateTable
from synth.registry import make_synthesizer
from synth.table import Domain

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

SIDE = 5  # side**2 canaries a fit: synthesizers merge the codes of a column with many
ORDINARY = 240  # rows per canary that are always there
EPSILON = 8.0  # enough for every synthesizer to do all that it can do
OPTIONS = {  # small networks; the mechanisms are the same
    "hybrid": {"steps": 30},
    "dpvae": {"steps": 30},
    "dpgan": {"steps": 30, "generator_steps": 1, "generator_batch": 64, "hidden": 16},
    "aim": {"rounds": 4, "iterations": 50, "max_codes": 500},
    "mst": {"iterations": 50, "max_codes": 500},
}
SIDES = {"independent": 20, "aim": 20, "mst": 20}  # tables alone, codes unmerged: room for many canaries a fit


def audit_domain(side: int) -> Domain:
    """Columns of the audit's rows: a code for each canary, and two that say nothing."""
    return Domain(names=("who", "a", "b"), sizes=(side * side, 3, 3))


MARK = (2, 2)  # of a canary in the last two columns; no ordinary row has both, and neither code is rare


@dataclass(slots=True)
class Log:
    """What the watched doors gave away.

    Attributes:
        scores: Sum of log-likelihood ratios so far, shape (canaries,).
        present: Which canaries are in the table.
        answers: Noisy answers that were scored.
        gradients: DP-SGD runs, to see how many of their steps were drawn.
    """

    scores: FloatArray
    present: npt.NDArray[np.bool_]
    answers: int = 0
    gradients: list[NoisyGradient] = field(default_factory=list)


class WatchedTable(PrivateTable):
    """A private table of audit rows that notes what leaves through its doors. The doors themselves are the product's.

    Attributes:
        log: What was seen.
        known: The rows, which the attacker knows; canaries come first, present or not.
    """

    __slots__ = ("known", "log")

    def __init__(self, known: IntArray, domain: Domain, ledger: Ledger, log: Log) -> None:
        """Take audit rows, shape (canaries + ordinary, columns)."""
        there = np.concatenate([log.present, np.ones(len(known) - len(log.present), dtype=bool)])
        super().__init__(known[there], domain, rows_of(ledger), ledger)
        self.known, self.log = known, log

    def noisy_marginals(
        self, subsets: Sequence[tuple[str, ...]], *, share: float, weights: Sequence[float] | None = None, aim: str = ""
    ) -> list[Measurement]:
        """See ``PrivateTable``."""
        found = super().noisy_marginals(subsets, share=share, weights=weights, aim=aim)
        for measurement in found:
            self._score(measurement)
        return found

    def coarsen(self, groups: Sequence[IntArray]) -> PrivateTable:
        """See ``PrivateTable``; merges the known rows as well."""
        domain = super().coarsen(groups).domain
        known = np.stack([g[self.known[:, j]] for j, g in enumerate(groups)], axis=1)
        return WatchedTable(known, domain, self.ledger, self.log)

    def noisy_gradients(self, module: nn.Module, loss: RowLoss, plan: SgdPlan) -> NoisyGradient:
        """See ``PrivateTable``; a probe stands beside the network."""
        canaries, others = np.split(self.known, [len(self.log.present)])
        mark = canaries[0, 1:]
        apart = len(np.unique(canaries[:, 0])) == len(canaries) and not (others[:, 1:] == mark).all(1).any()
        if not apart:
            inner = super().noisy_gradients(module, loss, plan)
            self.log.gradients.append(inner)
            return inner
        both = Beside(module)
        probe = RowProbe(loss, plan.max_grad_norm, torch.from_numpy(_places(canaries[:, 0])), torch.from_numpy(mark))
        inner = super().noisy_gradients(both, probe, plan)
        self.log.gradients.append(inner)
        event = next(e for e in reversed(self.ledger.events) if isinstance(e, SubsampledGaussianEvent))
        return Tapped(inner, both, event, plan, self.log)

    def _score(self, measurement: Measurement) -> None:
        index = [self.domain.names.index(name) for name in measurement.names]
        sizes = tuple(self.domain.sizes[j] for j in index)
        cells = np.ravel_multi_index(tuple(self.known[:, index].T), sizes)
        mine = cells[: len(self.log.present)]
        if len(np.unique(mine)) < len(mine):
            return
        others = np.bincount(cells[len(mine) :], minlength=int(np.prod(sizes)))[mine]
        sigma = float(measurement.sigma)
        self.log.scores += gaussian_score((measurement.counts.reshape(-1)[mine] - others) / sigma, 1 / sigma)
        self.log.answers += 1


def _places(codes: IntArray) -> IntArray:
    """Canary of each code of ``who``."""
    places = np.zeros(int(codes.max()) + 1, dtype=np.int64)
    places[codes] = np.arange(len(codes))
    return places


class Beside(nn.Module):
    """A synthesizer's network with a probe beside it."""

    def __init__(self, inner: nn.Module) -> None:
        """The probe's weights start at zero and stay there: no optimizer knows them."""
        super().__init__()
        self.inner = inner
        self.probe = nn.Linear(SIDE, SIDE, bias=False)
        nn.init.zeros_(self.probe.weight)


@dataclass(frozen=True, slots=True)
class RowProbe:
    """The synthesizer's loss on ordinary rows, the probe's on canaries.

    Attributes:
        loss: Of the synthesizer.
        max_grad_norm: Clipping norm.
        places: Canary of each code of ``who``.
        mark: Codes of the other columns that only canaries have.
    """

    loss: RowLoss
    max_grad_norm: float
    places: Tensor
    mark: Tensor

    def __call__(self, module: nn.Module, codes: Tensor, normals: Normals) -> Tensor:
        """See ``synth.privacy.dpsgd.RowLoss``."""
        inner, probe = module.inner, module.probe
        canary = (codes[:, 1:] == self.mark).all(1)
        place = self.places[codes[:, 0]]
        sent = nn.functional.one_hot(place % SIDE, SIDE).float() * canary[:, None]
        read = probe(sent).gather(1, (place // SIDE)[:, None]).squeeze(1)  # type: ignore[operator]
        ordinary = self.loss(inner, codes, normals)  # type: ignore[arg-type]
        return torch.where(canary, LOUD * self.max_grad_norm * read, ordinary)


class Tapped(NoisyGradient):
    """The product's noisy gradients, whose probe is read after each step."""

    def __init__(self, inner: NoisyGradient, both: Beside, event: SubsampledGaussianEvent, plan: SgdPlan, log: Log) -> None:
        """Read what ``inner`` releases about the probe of ``both``."""
        self._inner, self._both, self._event, self._log = inner, both, event, log
        self._plan, self._count, self._clip = plan, inner._count, inner._clip
        self.norm = inner.norm
        log.answers += 1

    @property
    def steps_left(self) -> int:
        """See ``NoisyGradient``."""
        return self._inner.steps_left

    @property
    def noise_std(self) -> float:
        """See ``NoisyGradient``."""
        return self._inner.noise_std

    def clipped(self) -> Clipped | None:
        """See ``NoisyGradient``."""
        return self._inner.clipped()

    def step(self) -> None:
        """Draw a step, and read the probe."""
        self._inner.step()
        self.norm = self._inner.norm
        released = self._both.probe.weight.grad
        if released is not None:
            unit = self._plan.divisor / self.norm
            self._log.scores += sgd_scores(released.double().numpy().reshape(-1) * unit, self._event)


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyFit:
    """One watched fit.

    Attributes:
        log: What was seen.
        events: What was charged.
        mu: The whole Gaussian budget, for thresholds.
    """

    log: Log
    events: tuple[Event, ...]
    mu: float

    def undrawn(self) -> int:
        """Charged steps of DP-SGD that were never drawn: stopping early is a choice, and choices on rows leak."""
        return sum(g.steps_left for g in self.log.gradients)


def audit_rows(rng: np.random.Generator, *, constant: bool = False, side: int = SIDE) -> IntArray:
    """Canaries, then ordinary rows, as codes of ``audit_domain(side)``."""
    size = side * side
    canaries = np.column_stack([np.arange(size), np.tile(MARK, (size, 1))])
    rest = rng.integers(0, 1 if constant else 8, size * ORDINARY)  # 8 is left out: that is the mark
    ordinary = np.column_stack([np.tile(np.arange(size), ORDINARY), rest // 3, rest % 3])
    return np.concatenate([canaries, ordinary]).astype(np.int64)


def watched_fit(model: str, rng: np.random.Generator, *, constant: bool = False, epsilon: float = EPSILON) -> FamilyFit:
    """Fit a synthesizer on audit rows, each canary there by a fair coin.

    Args:
        model: Name in the registry.
        rng: Of the coins and the ordinary rows.
        constant: Whether ordinary rows are all alike in all columns but ``who``.
        epsilon: Budget.
    """
    side = SIDES.get(model, SIDE)
    known = audit_rows(rng, constant=constant, side=side)
    log = Log(scores=np.zeros(side * side), present=rng.random(side * side) < 0.5)
    ledger = audit_ledger(epsilon, rows=len(known))
    table = WatchedTable(known, audit_domain(side), ledger, log)
    make_synthesizer(model, dict(OPTIONS.get(model, {}))).fit(table, Run(seed=int(rng.integers(1 << 31))))
    return FamilyFit(log=log, events=ledger.events, mu=measurement_mu(ledger))


def family_sighting(fits: Sequence[FamilyFit]) -> Sighting:
    """Scores of all canaries of several fits of one synthesizer; thresholds from the budget alone."""
    first = fits[0]
    thresholds = preset_thresholds(*simulated_scores((GaussianEvent(what="budget", sigma=1 / first.mu),)))
    return Sighting(
        scores=np.concatenate([f.log.scores for f in fits]), present=np.concatenate([f.log.present for f in fits]),
        events=first.events, delta=DELTA, one_run=len(fits) == 1, thresholds=tuple(thresholds.tolist()),
    )  # fmt: skip
