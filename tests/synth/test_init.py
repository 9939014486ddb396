"""The public surface, as a user meets it."""

import pytest

import synth


def test_names_are_the_real_things():
    from synth.api import fit
    from synth.release import Release, load
    from synth.schema import Column, Kind, Outside, Schema

    assert synth.fit is fit
    assert synth.load is load
    assert synth.Release is Release
    assert (synth.Column, synth.Kind, synth.Outside, synth.Schema) == (Column, Kind, Outside, Schema)


def test_errors_are_one_family():
    assert issubclass(synth.InputError, synth.SynthError)
    assert issubclass(synth.RefusedError, synth.SynthError)
    assert (synth.InputError.exit_code, synth.RefusedError.exit_code) == (2, 3)


def test_typing_errors_say_so():
    with pytest.raises(AttributeError, match="has no attribute 'fitt'"):
        synth.fitt  # noqa: B018
