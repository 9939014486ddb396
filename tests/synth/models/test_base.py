import dataclasses
import inspect

import pytest

from synth.models.base import Fitted, Run, Synthesizer
from synth.progress import Silent
from synth.registry import SYNTHESIZERS, synthesizer_class


def test_a_run_is_public_and_fixed():
    run = Run(seed=3)
    assert isinstance(run.progress, Silent)
    assert {f.name for f in dataclasses.fields(Run)} == {"seed", "progress"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.seed = 4
    with pytest.raises(TypeError):
        Run(3)


def test_what_is_fitted_cannot_be_swapped():
    fitted = Fitted({}, {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        fitted.tensors = {"a": 1}


@pytest.mark.parametrize("name", SYNTHESIZERS)
@pytest.mark.parametrize("method", ["fit", "sample"])
def test_every_model_follows_the_protocol(name, method):
    contract = inspect.signature(getattr(Synthesizer, method))
    assert list(inspect.signature(getattr(synthesizer_class(name), method)).parameters) == list(contract.parameters)
