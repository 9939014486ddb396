"""What clipping did in a training, in a sentence for the reader of a release: from noisy counts that were paid for."""

from __future__ import annotations

from synth.privacy.clipping import ADAPTIVE, NORMALIZED, PER_LAYER, joint_norm
from synth.privacy.dpsgd import NoisyGradient, SgdPlan

TIGHT, LOOSE = 0.95, 0.05  # shares cut beyond which a norm is called so


def clipping_note(gradients: NoisyGradient, plan: SgdPlan) -> str:
    """The rule, the share of gradients that it cut, what knowing that cost, and whether the norm looks too tight or too loose.

    Args:
        gradients: Of a finished training.
        plan: Of the same.
    """
    how, found = plan.clipping, gradients.clipped()
    if how.kind == NORMALIZED:
        return f"clipping: every gradient was scaled to norm {plan.max_grad_norm:g}, so none was left uncut"
    if found is None:
        return f"clipping: norm {plan.max_grad_norm:g}, not counted"
    dearer = joint_norm(1.0, how.weight) - 1
    share = f"{min(max(found.share, 0), 1):.1%} (noise {found.sd:.1%}) of the gradients"
    cost = f"a noisy count in each step said so and made their noise {dearer:.2%} larger"
    if how.kind == ADAPTIVE:
        return (
            f"clipping: an adaptive norm, {plan.max_grad_norm:g} at first and {found.norm:.3g} at last, cut {share} for a "
            f"target of {1 - how.quantile:.0%}; {cost}"
        )
    what = f"{share} of single layers" if how.kind == PER_LAYER else share
    return f"clipping: norm {plan.max_grad_norm:g} cut {what}; {cost}{_verdict(found.share)}"


def _verdict(share: float) -> str:
    if share > TIGHT:
        return (
            ". That is tight: large gradients count no more than small ones; "
            "a larger max_grad_norm or clipping=adaptive may teach more"
        )
    if share < LOOSE:
        return (
            ". That is loose: noise is made for a norm that few reach; a smaller max_grad_norm or clipping=adaptive gets less"
        )
    return ""
