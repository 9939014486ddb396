"""Counts to shares."""

import numpy as np
import pytest

from synth.models.measured.evidence import as_tables
from synth.privacy.shares import Measurement
from synth.table import Domain


def test_counts_become_shares_with_their_noise():
    domain = Domain(names=("a", "b", "c"), sizes=(2, 3, 2))
    counts = np.array([[10.0, -2.0], [4.0, 30.0], [0.0, 8.0]])
    (table, one) = as_tables(
        domain,
        [
            Measurement(names=("b", "c"), counts=counts, sigma=np.asarray(5.0)),
            Measurement(names=("a",), counts=np.array([20.0, 30.0]), sigma=np.array([1.0, 2.0])),
        ],
        50.0,
    )
    assert (table.columns, one.columns) == ((1, 2), (0,))
    assert table.shares.tolist() == (counts / 50).tolist()  # negative counts stay: clipping them would bias sums
    assert table.sd.shape == table.shares.shape
    assert table.sd.ravel().tolist() == pytest.approx([0.1] * 6)
    assert one.sd.tolist() == pytest.approx([0.02, 0.04])
