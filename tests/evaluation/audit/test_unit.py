import numpy as np

from evaluation.audit.unit import entity_is_kept


def test_persons_are_not_released_as_rows():
    found = entity_is_kept(np.random.default_rng(0))
    assert not found.contradicted
    assert "unit 'person'" in found.detail
