import numpy as np
import pytest
import torch
from torch import nn

from evaluation.audit.families import MARK, SIDE, Beside, RowProbe, audit_domain, audit_rows, family_sighting, watched_fit
from evaluation.audit.probes import LOUD
from evaluation.audit.sightings import is_contradicted
from synth.models.base import Run
from synth.registry import SYNTHESIZERS, make_synthesizer


def test_canaries_stand_apart_from_all_other_rows():
    rows = audit_rows(np.random.default_rng(0))
    canaries, others = rows[: SIDE**2], rows[SIDE**2 :]
    assert len(np.unique(canaries[:, 0])) == SIDE**2
    assert (canaries[:, 1:] == MARK).all()
    assert not (others[:, 1:] == MARK).all(1).any()
    assert (rows.max(0) < audit_domain(SIDE).sizes).all()
    assert {tuple(r) for r in audit_rows(np.random.default_rng(0), constant=True)[SIDE**2 :, 1:].tolist()} == {(0, 0)}


def test_canaries_read_the_probe_and_others_the_model():
    both = Beside(nn.Linear(1, 1))
    loss = RowProbe(lambda m, codes, _: codes[:, 0] + 0.5, 2.0, torch.arange(SIDE**2), torch.tensor(MARK))
    with torch.no_grad():
        both.probe.weight[1, 3] = 7.0
    codes = torch.tensor([[SIDE + 3, *MARK], [4, 0, 1]])
    assert loss(both, codes, None).tolist() == pytest.approx([LOUD * 2.0 * 7.0, 4.5])


@pytest.mark.statistical
@pytest.mark.parametrize("model", ["independent", "marginal", "pate", "dpgan", "mst"])
def test_a_synthesizer_keeps_its_claim(model):
    """False alarm below 1e-6."""
    fits = [watched_fit(model, np.random.default_rng())]
    found = family_sighting(fits)
    assert not is_contradicted(found)
    assert found.one_run
    assert fits[0].undrawn() == 0
    assert fits[0].log.answers >= 1
    assert len(fits[0].log.gradients) == (model == "dpgan")


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("model", SYNTHESIZERS)
def test_every_synthesizer_keeps_its_claim_and_its_canaries_show(model):
    """False alarm below 1e-6."""
    fits = [watched_fit(model, np.random.default_rng()) for _ in range(6)]
    found = family_sighting(fits)
    assert not is_contradicted(found)
    inside, outside = found.scores[found.present], found.scores[~found.present]
    assert inside.mean() > outside.mean()


def test_watching_changes_nothing_that_is_charged(monkeypatch):
    """The same events as an unwatched table of the same rows, but for the probe's parameters."""
    from evaluation.audit import families
    from synth.privacy.vault import PrivateTable

    watched = watched_fit("independent", np.random.default_rng(0))
    ledger = families.audit_ledger(families.EPSILON, rows=SIDE**2 * (1 + families.ORDINARY))
    plain = PrivateTable(audit_rows(np.random.default_rng(0)), audit_domain(SIDE), families.rows_of(ledger), ledger)
    make_synthesizer("independent").fit(plain, Run(seed=0))
    assert ledger.events == watched.events
