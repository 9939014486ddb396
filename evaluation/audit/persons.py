"""Canaries that are persons with many rows: all of them together may count as much as one row, in tables and in gradients.

Each canary has rows in a cell (or a coordinate) of its own, more of them than the cap. The attacker knows all other persons.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.audit.ledgers import DELTA, audit_ledger, rows_of
from evaluation.audit.probes import FAR, Probed, ProbeLoss, ProbePlan, probe_codes, probe_domain, seen
from evaluation.audit.scores import gaussian_score, sgd_scores
from evaluation.audit.sightings import Sighting
from synth.encoding.category import closed_codec
from synth.encoding.codec import Codec
from synth.privacy.dpsgd import SgdPlan
from synth.privacy.events import GaussianEvent, SubsampledGaussianEvent
from synth.privacy.ingest import open_frame
from synth.privacy.units import PrivacyUnits
from synth.privacy.vault import PrivateTable
from synth.schema import Column, Kind, Schema

CAP, ROWS = 3, 5  # of a canary, in force and in the table


def person_tables(rng: np.random.Generator, *, epsilon: float = 4.0, cells: int = 2048) -> Sighting:
    """A one-way table, from raw rows on: each canary has all its rows in a cell of its own."""
    present = np.asarray(rng.random(cells) < 0.5)
    names = tuple(f"v{i}" for i in range(cells))
    rows = pd.DataFrame({
        "value": np.repeat(np.array(names, dtype=object)[present], ROWS),
        "person": np.repeat([f"p{i}" for i in np.flatnonzero(present)], ROWS),
    })  # fmt: skip
    value = Column(name="value", kind=Kind.CATEGORY, categories=names, nullable=False)
    schema = Schema(columns=(value, Column(name="person")), entity="person", max_rows_per_entity=CAP, public_entities=1000)
    ledger = audit_ledger(epsilon)
    frame = open_frame(rows, schema, ledger)
    codec = Codec(frame.whole, tuple(closed_codec(c) for c in frame.whole.columns))
    (found,) = frame.encode(codec, rows_of(ledger), ()).noisy_marginals_with_rest([("value",)])
    (event,) = ledger.events
    mu = event.mu if isinstance(event, GaussianEvent) else 0.0
    scores = gaussian_score(found.counts / float(found.sigma), mu)
    return Sighting(scores=scores, present=present, events=ledger.events, delta=DELTA, one_run=True)


def person_gradients(plan: ProbePlan, rng: np.random.Generator) -> Sighting:
    """DP-SGD: each canary has its rows' loud gradients on one coordinate of its own."""
    present = np.asarray(rng.random(plan.side**2) < 0.5)
    codes = np.repeat(probe_codes(plan.side, present, plan.ordinary, rng), CAP, axis=0)
    owner: npt.NDArray[np.int64] = np.repeat(np.arange(len(codes) // CAP), CAP)
    ledger = audit_ledger(plan.epsilon, plan.delta, len(present) + plan.ordinary)
    units = PrivacyUnits(len(codes), owner, CAP)
    table = PrivateTable(codes, probe_domain(plan.side), rows_of(ledger), ledger, units=units)
    module = Probed(plan.side)
    sgd = SgdPlan(steps=plan.steps, sample_rate=plan.sample_rate, divisor=FAR, max_grad_norm=plan.max_grad_norm)
    gradients = table.noisy_gradients(module, ProbeLoss(plan.max_grad_norm), sgd)
    event = next(e for e in ledger.events if isinstance(e, SubsampledGaussianEvent))
    scores = np.zeros(len(present))
    for _ in range(plan.steps):
        gradients.step()
        scores += sgd_scores(seen(module, plan.max_grad_norm), event)
    return Sighting(scores=scores, present=present, events=ledger.events, delta=plan.delta, one_run=True)
