from dataclasses import replace

import numpy as np
import pytest

from evaluation.audit.replay import doors_of, events_of, replay_of, replayed
from evaluation.audit.sightings import is_contradicted, judge
from synth.privacy.accounting import epsilon_of
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.events import (
    GRADIENT,
    VOTES,
    GaussianEvent,
    LaplaceEvent,
    PartitionSelectionEvent,
    SelectionEvent,
    SubsampledGaussianEvent,
)
from synth.privacy.ledger import Ledger
from synth.receipt import write_receipt
from synth.sites import GRADE

COUNTS = (
    GaussianEvent(what="row count", sigma=20.0),
    GaussianEvent(what="histogram", target=("a",), sigma=12.0, l2_sensitivity=3**0.5),
    GaussianEvent(what="bounds (not needed)", sigma=30.0),
    GaussianEvent(what="products of signs", sigma=40.0, l2_sensitivity=8.0),
    PartitionSelectionEvent(what="category domain", target=("b",), sigma=20.0, threshold=100, delta=1e-8),
)
LAPLACE = (COUNTS[0], *(LaplaceEvent(what="table with Laplace noise", target=(c,), scale=4.0) for c in "abc"))
SGD = SubsampledGaussianEvent(what="DP-SGD", noise_multiplier=1.5, sample_rate=0.1, steps=30)


def receipt(*events):
    ledger = Ledger(Budget(epsilon=6.0, delta=1e-5))
    ledger.set_rows(declared_rows(5000))
    ledger.charge(*events)
    return write_receipt(ledger, model="hybrid", learnt={})


def test_the_events_of_a_receipt_come_back():
    assert events_of(receipt(*COUNTS, SGD)) == (*COUNTS, SGD)


def test_what_asked_nothing_is_charged_and_not_attacked():
    found = replay_of(receipt(*COUNTS, SGD))
    assert len(found.counts) == 4
    assert found.training == (SGD,)
    assert found.rest == (COUNTS[2],)


def test_doors_follow_from_what_ran():
    found = doors_of(receipt(*COUNTS, SGD))
    assert {"row count", "histogram", "missing", "products", "categories", "sampling"} <= set(found)
    assert "bounds" not in found
    assert "sampling" not in doors_of(receipt(*COUNTS))
    assert doors_of(receipt(*LAPLACE)) == ("row count", "laplace tables")
    assert doors_of(receipt(GaussianEvent(what=VOTES, sigma=9.0))) == ("votes",)
    regression = receipt(GaussianEvent(what=GRADIENT, sigma=9.0, l2_sensitivity=0.5))
    assert doors_of(regression) == ("whole gradient",)
    at_sites = {"noise_grade": GRADE.format(size=3)}
    assert doors_of(replace(receipt(*COUNTS[:1]), **at_sites)) == ("row count", "sites", "sites' row count")
    assert all("sites' gradients" in doors_of(replace(ran, **at_sites)) for ran in (receipt(SGD), regression))
    assert "choices" in doors_of(receipt(SelectionEvent(what="choice of a table", epsilon=0.1)))


@pytest.mark.statistical
@pytest.mark.parametrize("events", [COUNTS, (*COUNTS, SGD), (SGD,), LAPLACE], ids=["counts", "both", "training", "laplace"])
def test_a_release_keeps_its_claim_and_the_attack_reaches_a_third_of_it(events):
    """False alarm below 1e-6; the bound at 95 % (which may exceed a true claim) is six standard deviations above a third."""
    calls = []
    found = replayed(replay_of(receipt(*events)), np.random.default_rng(), advance=lambda: calls.append(1))
    assert not is_contradicted(found)
    assert len(calls) == sum("not needed" not in e.what for e in events)
    judged = judge("release", "all of it", found)
    assert judged.at_least > judged.epsilon / 3
    assert judged.at_least_one_run > 0


def test_a_release_that_spent_its_last_digit_is_replayed():
    for sigma in np.linspace(11, 12, 12):
        counts = tuple(GaussianEvent(what="one-way table", target=(f"c{j}",), sigma=float(sigma)) for j in range(7))
        replay = replay_of(receipt(*counts))
        exact = replace(replay, epsilon=epsilon_of(counts, replay.delta))
        assert len(replayed(exact, np.random.default_rng(), side=12).events) == len(counts)


def test_a_receipt_that_claims_more_noise_than_there_was_is_contradicted():
    """The answers of a replay have the receipt's noise: held against a receipt with half of the events, they give it away."""
    whole = replayed(replay_of(receipt(*COUNTS, SGD)), np.random.default_rng())
    short = type(whole)(
        scores=whole.scores, present=whole.present, events=COUNTS[:1], delta=whole.delta, thresholds=whole.thresholds
    )
    assert is_contradicted(short)
