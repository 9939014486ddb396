"""The mechanisms of one release again, on canaries: each is a row that takes part in all of them.

The receipt says which mechanisms ran with how much noise. Every count is asked again as a table with one cell per canary, at
the same Gaussian-DP parameter or with the same Laplace noise; DP-SGD runs with the same rate, steps and noise. The
log-likelihood ratios of one canary add up over everything, and are held against the curve of the whole release. Choices
between options and phases that found nothing to ask count as charged and are not attacked here: the attack is weaker for it,
not wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.audit.ledgers import audit_ledger, rows_of, share_for
from evaluation.audit.probes import ProbePlan, probe
from evaluation.audit.scores import gaussian_score, laplace_score, preset_thresholds, simulated_scores
from evaluation.audit.sightings import Sighting
from synth.privacy.accounting import epsilon_of
from synth.privacy.events import (
    Event,
    GaussianEvent,
    LaplaceEvent,
    LocalEvent,
    PartitionSelectionEvent,
    RepeatedSelectionEvent,
    SelectionEvent,
    SubsampledGaussianEvent,
    event_from_dict,
)
from synth.privacy.vault import PrivateTable
from synth.receipt import Receipt
from synth.sites import GRADE
from synth.table import Domain

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SIDE = 150  # side**2 canaries
BURNT = "(not needed)"  # of a phase that was charged and asked nothing
ROUNDING = 1 + 1e-6  # a release may spend all it has; the same mechanisms, added up anew, must not be refused for a last digit
AT_SITES = GRADE.partition("{size}")[2]  # how a receipt says that several sites drew its noise
MOST_STEPS = 2000  # of DP-SGD that are replayed; more are attacked through so many, and charged in full


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A release's mechanisms.

    Attributes:
        counts: Everything Gaussian that asked something, and tables with Laplace noise.
        training: DP-SGD.
        rest: Charged, and not attacked here.
        epsilon: Of the release.
        delta: That its mechanisms were calibrated to.
    """

    counts: tuple[GaussianEvent | LaplaceEvent | PartitionSelectionEvent, ...]
    training: tuple[SubsampledGaussianEvent, ...]
    rest: tuple[Event, ...]
    epsilon: float
    delta: float


def events_of(receipt: Receipt) -> tuple[Event, ...]:
    """The events of a receipt."""
    return tuple(event_from_dict({k: v for k, v in e.items() if k != "share_of_counts"}) for e in receipt.events)


def replay_of(receipt: Receipt) -> Replay:
    """Sort the events of a receipt by how they are replayed."""
    counts: list[GaussianEvent | LaplaceEvent | PartitionSelectionEvent] = []
    training: list[SubsampledGaussianEvent] = []
    rest: list[Event] = []
    for event in events_of(receipt):
        if isinstance(event, SubsampledGaussianEvent):
            training.append(event)
        elif isinstance(event, SelectionEvent | LocalEvent | RepeatedSelectionEvent) or BURNT in event.what:
            rest.append(event)
        else:
            counts.append(event)
    return Replay(
        counts=tuple(counts), training=tuple(training), rest=tuple(rest),
        epsilon=receipt.epsilon, delta=receipt.calibration_delta,
    )  # fmt: skip


def doors_of(receipt: Receipt) -> tuple[str, ...]:
    """Checks that attack the doors which a release went through, by name."""
    known = {
        "row count": "row count", "kind of column": "kinds", "bounds": "bounds", "round values": "roundness",
        "histogram": "histogram", "single values": "single numbers", "category domain": "categories",
        "one-way table": "tables", "table": "pairs", "products of signs": "products", "signed tables": "signed tables",
        "choice of a table": "choices", "table for choosing columns": "pairs", "table with Laplace noise": "laplace tables",
        "table of protected groups": "pairs", "rows shared with the public table": "shared rows",
        "weights of a convex model": "minimizer", "gradient over all rows": "whole gradient",
        "the best of several tries": "best of tries",
        "votes of teachers": "votes",
    }  # fmt: skip
    events = events_of(receipt)
    found = [known[e.what] for e in events if e.what in known]
    if any(isinstance(e, GaussianEvent) and e.what == "histogram" for e in events):
        found.append("missing")
    if any(isinstance(e, SubsampledGaussianEvent) for e in events):
        found += ["sampling", "sensitivity", "fresh noise", "every step", "clipping"]
    if receipt.noise_grade.endswith(AT_SITES):
        found += ["sites", "sites' row count"]
        found += ["sites' gradients"] if {"sampling", "whole gradient"} & set(found) else []
    return tuple(dict.fromkeys(found))


def replayed(
    replay: Replay, rng: np.random.Generator, *, side: int = SIDE, advance: Callable[[], None] = lambda: None
) -> Sighting:
    """Run everything on ``side**2`` canaries, each in the table by a fair coin.

    Args:
        replay: Mechanisms.
        rng: Of the coins.
        side: Root of the number of canaries.
        advance: Called after each mechanism.
    """
    present = np.asarray(rng.random(side * side) < 0.5)
    scores, charged = _counts(replay, present, advance)
    for event in replay.training:
        steps = min(event.steps, MOST_STEPS)
        part = SubsampledGaussianEvent(
            what=event.what, noise_multiplier=event.noise_multiplier, sample_rate=event.sample_rate, steps=steps
        )
        plan = ProbePlan(
            epsilon=epsilon_of((part,), replay.delta), delta=replay.delta, sample_rate=event.sample_rate, steps=steps, side=side
        )
        found = probe(plan, rng, present)
        scores += found.scores
        charged = (*charged, *found.events)
        advance()
    thresholds = preset_thresholds(*simulated_scores(_attacked(charged)))
    return Sighting(
        scores=scores, present=present, events=(*charged, *replay.rest), delta=replay.delta, one_run=True,
        thresholds=tuple(thresholds.tolist()),
    )  # fmt: skip


def _attacked(events: Sequence[Event]) -> tuple[Event, ...]:
    """The same in as few events as simulation needs: counts add up to one Gaussian."""
    mu = float(np.sqrt(sum(e.mu**2 for e in events if isinstance(e, GaussianEvent))))
    counts: tuple[Event, ...] = (GaussianEvent(what="counts", sigma=1 / mu),) if mu > 0 else ()
    return counts + tuple(e for e in events if isinstance(e, SubsampledGaussianEvent | LaplaceEvent))


def _counts(replay: Replay, present: BoolArray, advance: Callable[[], None]) -> tuple[FloatArray, tuple[Event, ...]]:
    """Scores from all counts, and what was charged for them."""
    scores = np.zeros(len(present))
    ledger = audit_ledger(replay.epsilon * ROUNDING, replay.delta, rows=len(present))
    codes = np.flatnonzero(present).astype(np.int64)[:, None]
    table = PrivateTable(codes, Domain(names=("canary",), sizes=(len(present),)), rows_of(ledger), ledger)
    for event in replay.counts:
        if isinstance(event, LaplaceEvent):
            (found,) = table.noisy_laplace_tables([("canary",)], scale=1 / event.epsilon)
            scores += laplace_score(found.counts, event.epsilon)
            advance()
            continue
        (found,) = table.noisy_marginals([("canary",)], share=share_for(ledger, 1 / event.mu))
        sigma = float(found.sigma)
        scores += gaussian_score(found.counts / sigma, 1 / sigma)
        advance()
    return scores, ledger.events
