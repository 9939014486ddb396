import numpy as np
import pytest

from evaluation.audit import counts
from evaluation.audit.sightings import is_contradicted

CHECKS = (counts.tables, counts.pairs, counts.products, counts.signed_tables, counts.votes, counts.choices)


@pytest.mark.statistical
@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
def test_production_code_keeps_its_claim_and_canaries_show(check):
    """False alarm below 1e-6 each; a canary moves scores by six standard errors or more, so fewer than three are as rare."""
    found = check(np.random.default_rng(), epsilon=8.0)
    assert not is_contradicted(found)
    assert found.events
    inside, outside = found.scores[found.present], found.scores[~found.present]
    error = np.sqrt(inside.var() / len(inside) + outside.var() / len(outside))
    assert inside.mean() - outside.mean() > 3 * error


def test_products_do_not_mix():
    """With next to no noise every canary stands alone."""
    found = counts.products(np.random.default_rng(0), epsilon=90.0, size=64)
    assert found.scores[found.present].min() > found.scores[~found.present].max()
