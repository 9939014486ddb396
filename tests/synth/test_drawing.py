"""Blocks do not depend on each other; a changed model is told in one sentence."""

from dataclasses import replace

import numpy as np
import pytest

from synth.api import fit
from synth.blocks import BLOCK
from synth.drawing import Drawing
from synth.errors import ArtifactError
from synth.models.base import Fitted
from synth.table import EncodedTable

ROOT = np.random.SeedSequence(3)


@pytest.fixture(scope="module")
def release(frame, declared):
    return fit(frame, epsilon=3.0, schema=declared, model="independent", seed=0)


def drawing(release, **changes):
    release = replace(release, **changes)
    return Drawing.of(release.model, release.options, release.fitted, release.codec, ROOT)


def test_a_block_is_the_same_whatever_was_drawn_before(release):
    one, other = drawing(release), drawing(release)
    one.frame(0, 5)
    assert one.frame(1, 100).equals(other.frame(1, 100))
    assert one.frame(1, 7).equals(other.frame(1, 100).iloc[:7])
    assert len(one.drawn(0)[0]) == BLOCK
    assert not one.frame(0, 100).equals(one.frame(1, 100))


def test_a_changed_model_cannot_be_drawn_from(release):
    with pytest.raises(ArtifactError, match="do not fit together"):
        drawing(release, model="hybrid", options={}, fitted=Fitted({"groups": np.zeros(1)}, {}))
    with pytest.raises(ArtifactError, match="do not fit together"):
        drawing(release, fitted=Fitted({}, {})).drawn(0)
    far = EncodedTable(release.codec.domain, np.full((9, len(release.codec.columns)), 9999, dtype=np.int32))
    with pytest.raises(ArtifactError, match="do not fit together"):
        replace(drawing(release), draw=lambda rows, rng: far).frame(0, 3)
