"""The attack on one of several sites: correct code passes, and what the attacker hears is all that the site said."""

import json

import numpy as np
import pytest

from evaluation.audit.probes import ProbePlan
from evaluation.audit.sightings import is_contradicted, judge
from evaluation.audit.sites import FACTS, Attacker, site_count, site_gradients, site_tables
from synth.errors import SiteError
from synth.privacy.mechanisms import noisy_size
from synth.privacy.sites import FINE, NONCE, Sites


@pytest.mark.statistical
def test_correct_tables_are_not_contradicted_and_tell_most_of_their_epsilon():
    """False alarm below 1e-6; bounds lie between 3.3 and 3.7."""
    found = judge("sites", "a site", site_tables(np.random.default_rng()))
    assert not found.contradicted
    assert found.epsilon == pytest.approx(4.0, abs=1e-3)
    assert found.at_least > 2.0


@pytest.mark.statistical
def test_correct_gradients_are_not_contradicted_and_canaries_show():
    """False alarm below 1e-6."""
    found = site_gradients(ProbePlan(epsilon=5.0, delta=1e-5, sample_rate=0.3, steps=4, side=24), np.random.default_rng())
    assert not is_contradicted(found)
    assert found.scores[found.present].mean() > found.scores[~found.present].mean()


@pytest.mark.statistical
def test_a_row_count_is_told_as_it_should_be():
    """False alarm below 1e-6."""
    found = site_count(np.random.default_rng())
    assert not found.contradicted, found.detail
    assert "seen: none" in found.detail


def test_the_attacker_answers_as_a_coordinator_with_an_empty_site_would():
    attacker = Attacker()
    sites = Sites(attacker, FACTS)
    assert (sites.rank, sites.size) == (0, 2)
    assert sites.pooled(np.array([3, 4]), "t").tolist() == [3, 4]
    assert noisy_size(50, sigma=1e-6, entropy=sites) == 50
    assert [kind for kind, _ in attacker.heard] == ["join", "sum", "commit", "open"]
    assert bytes.fromhex(attacker.shown("open")[0].decode())[NONCE:] == np.array([50], dtype="<i8").tobytes()


@pytest.mark.parametrize("plot", ["late", "copied"])
def test_its_plots_are_cheats(plot):
    with pytest.raises(SiteError):
        noisy_size(50, sigma=1.0, entropy=Sites(Attacker(plot), FACTS))
    answer = Attacker(plot)(json.dumps({"kind": "open", "number": 2, "about": "x"}).encode() + b"\nab")
    assert answer[:1] == FINE
    assert json.loads(answer[1:])[1] != (bytes(NONCE) + bytes(8)).hex()
