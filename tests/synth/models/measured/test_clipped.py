"""What a release says about clipping."""

import numpy as np
import pytest
import torch

from synth.models.measured.clipped import clipping_note
from synth.privacy.clipping import Clipping
from synth.privacy.dpsgd import NoisyGradient, SgdPlan


class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1, bias=False)


def note(keystream, codes, norm=3.0, **how):
    plan = SgdPlan(steps=50, sample_rate=0.5, divisor=len(codes), max_grad_norm=norm, clipping=Clipping(**how))
    batch = np.array(codes, dtype=np.uint16).reshape(-1, 1)
    gradients = NoisyGradient(
        Line(), lambda m, c, _: m.line(c.float()).squeeze(1), plan, 1.0, lambda: (batch, None), keystream(1)
    )
    list(gradients.steps([]))
    return clipping_note(gradients, plan)


def test_a_share_in_between_is_told_without_a_verdict(keystream):
    told = note(keystream, [1, 9, 9, 9] * 500)
    assert told.startswith("clipping: norm 3 cut 75.")
    assert "of the gradients; a noisy count in each step said so and made their noise 0.02% larger" in told
    assert "That is" not in told


@pytest.mark.parametrize(("code", "word"), [(9, "tight"), (1, "loose")])
def test_a_norm_beyond_all_gradients_or_below_is_called_so(keystream, code, word):
    told = note(keystream, [code] * 2000)
    assert f"That is {word}" in told
    assert "max_grad_norm" in told


def test_other_rules_say_what_they_did(keystream):
    codes = [1, 9, 9, 9] * 500
    assert "gradients of single layers" in note(keystream, codes, kind="per_layer")
    assert "scaled to norm 3" in note(keystream, codes, kind="normalized")
    assert "not counted" in note(keystream, codes, count_weight=0.0)
    told = note(keystream, codes, kind="adaptive", quantile=0.25)
    assert "an adaptive norm, 3 at first and" in told
    assert "for a target of 75%" in told
