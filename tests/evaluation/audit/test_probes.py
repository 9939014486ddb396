import numpy as np
import pytest
import torch

from evaluation.audit.probes import FAR, LOUD, Probed, ProbeLoss, ProbePlan, probe, probe_codes, seen
from evaluation.audit.sightings import is_contradicted
from synth.privacy.dpsgd import exact_closed_form_sum
from synth.privacy.layers import is_closed_form


def test_canaries_are_loud_and_orthogonal():
    module, loss = Probed(3), ProbeLoss(2.0)
    codes = torch.from_numpy(probe_codes(3, np.ones(9, dtype=bool), 0, np.random.default_rng(0)))
    gradients = torch.stack(
        [torch.autograd.grad(loss(module, row[None], None).sum(), module.probe.weight)[0].flatten() for row in codes]
    )
    assert torch.equal(gradients, LOUD * 2.0 * torch.eye(9))
    assert is_closed_form(module)


def test_clipping_leaves_one_clipping_norm_of_each():
    module = Probed(3)
    present = np.arange(9) % 2 == 0
    codes = torch.from_numpy(probe_codes(3, present, 5, np.random.default_rng(0)))
    found, _ = exact_closed_form_sum(module, lambda m, c: ProbeLoss(1.0)(m, c, None), codes, 1.0)
    assert found[-9:] == pytest.approx(present / 1.001, abs=1e-6)


def test_what_was_released_is_read_in_clipping_norms():
    module = Probed(2)
    assert np.array_equal(seen(module, 1.0), np.zeros(4))
    module.probe.weight.grad = torch.full((2, 2), 3.0 / FAR)
    assert seen(module, 1.5) == pytest.approx(2.0, rel=1e-6)


@pytest.mark.statistical
def test_the_production_path_keeps_its_claim():
    """False alarm below 1e-6."""
    plan = ProbePlan(epsilon=5.0, delta=1e-5, sample_rate=0.1, steps=20)
    sighting = probe(plan, np.random.default_rng())
    assert sighting.one_run
    assert len(sighting.scores) == 64 * 64
    assert sighting.events[0].steps == 20
    assert not is_contradicted(sighting)
    assert sighting.scores[sighting.present].mean() > sighting.scores[~sighting.present].mean()
