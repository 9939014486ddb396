"""Nothing sealed can be looked at; what holds rows is tested in ``test_vault``."""

import copy

import pytest

from synth.privacy.sealed import Sealed


def test_a_sealed_object_shows_nothing():
    sealed = Sealed()
    assert repr(sealed) == "<Sealed: private rows>"
    assert bool(sealed)
    for look in (len, iter, copy.copy, lambda s: s.__getstate__()):
        with pytest.raises(TypeError):
            look(sealed)
