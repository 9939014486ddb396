import pytest
import torch
from torch import nn

from evaluation.bench.opacus_steps import ghost_step, hooks_step


@pytest.mark.parametrize("made", [hooks_step, ghost_step])
def test_a_step_is_clipped_averaged_and_noised(made):
    """Rows with gradients of norm 1 or more, all alike: without noise to speak of the mean gradient has norm 1."""
    module, seen = nn.Linear(3, 1, bias=False), []

    def losses(hooked):
        seen.append(hooked)
        return hooked(torch.tensor([[3.0, 0.0, 4.0]] * 8))[:, 0]

    step = made(module, losses, 8, 1e-6)
    before = module.weight.detach().clone()
    step()
    moved = next(p for p in seen[0].parameters()).detach() - before
    assert torch.equal(module.weight, before)  # a copy is trained
    assert moved.flatten().tolist() == pytest.approx([-0.6e-3, 0.0, -0.8e-3], rel=1e-3, abs=1e-7)
