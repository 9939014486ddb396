import numpy as np
import pytest

from evaluation.audit import structure
from evaluation.audit.structure import Repeated


@pytest.mark.statistical
@pytest.mark.parametrize(
    "check", [structure.sampling, structure.sensitivity, structure.fresh_noise, structure.every_step], ids=lambda c: c.__name__
)
def test_production_code_passes(check):
    """False alarm below 1e-6 each."""
    found = check(np.random.default_rng())
    assert not found.contradicted, found.detail


def test_equal_noise_is_equal_and_never_repeats_within_a_run():
    one, two = Repeated(), Repeated()
    first = one(16)
    assert first == two(16)
    assert one(16) != first
