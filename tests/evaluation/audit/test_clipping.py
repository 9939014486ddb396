import numpy as np
import pytest

from evaluation.audit.clipping import clipping


@pytest.mark.statistical
def test_production_code_passes():
    """False alarm below 1e-6."""
    found = clipping(np.random.default_rng())
    assert not found.contradicted, found.detail
