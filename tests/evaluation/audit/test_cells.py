import numpy as np
import pytest

from evaluation.audit import cells
from evaluation.audit.sightings import is_contradicted

REPEATED = (cells.row_count, cells.kinds, cells.bounds, cells.histogram, cells.missing, cells.roundness)
NAMED = (cells.categories, cells.single_numbers)


@pytest.mark.statistical
@pytest.mark.parametrize("check", REPEATED, ids=lambda c: c.__name__)
def test_counts_of_raw_cells_keep_their_claim_and_canaries_show(check):
    """False alarm below 1e-6; the mean of the canaries is six standard errors or more above the others'."""
    found = check(np.random.default_rng(11), runs=600)
    assert not is_contradicted(found)
    assert len(found.events) == 1
    assert found.scores[found.present].mean() > found.scores[~found.present].mean()


@pytest.mark.statistical
@pytest.mark.parametrize("check", NAMED, ids=lambda c: c.__name__)
def test_values_of_single_rows_are_named_as_rarely_as_charged(check):
    found = check(np.random.default_rng(), number=20_000)
    assert not is_contradicted(found)
    assert not found.scores[~found.present].any()
    assert 0 < found.scores[found.present].mean() < 0.016
