"""The accountant's figure, held against accountants that others wrote."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from synth.errors import AccountingError
from synth.privacy.accounting import epsilon_of, selection_delta, total_mu
from synth.privacy.events import Event, SubsampledGaussianEvent
from synth.privacy.pure import pure_epsilons
from synth.privacy.renyi import chosen, orders_of, renyi_epsilon, rho_of
from synth.privacy.repeated import cross_check_repeated, repeats


def cross_check(events: Sequence[Event], delta: float, *, tolerance: float = 0.03) -> dict[str, float]:
    """Compare the PLD figure with Opacus' PRV and RDP accountants.

    Args:
        events: What ran.
        delta: Total delta.
        tolerance: Largest relative gap to PRV beyond its own error bound.

    Returns:
        ``{"pld": , "prv": , "rdp": }``; for counts alone ``{"closed form": }``, which needs no check; with choices by the
        exponential mechanism ``{"rdp": , "rdp (opacus)": }``; with Laplace noise ``{"pld": , "rdp": }``; with the best of
        several tries ``{"privacy profile": , "rdp": }``.

    Raises:
        AccountingError: PLD and PRV disagree, or RDP (a looser upper bound) is below PLD.
    """
    ours, mu, sgd = epsilon_of(events, delta), total_mu(events), _trained(events)
    if repeats(events):
        return cross_check_repeated(events, delta)
    if pure_epsilons(events) and not chosen(events):
        return _below_renyi(events, delta, ours)
    if chosen(events):
        return _renyi_twice(events, delta, ours)
    if not sgd:  # one Gaussian, whose curve is known in closed form
        return {"closed form": ours}
    from opacus.accountants import PRVAccountant, RDPAccountant

    history = [(e.noise_multiplier, e.sample_rate, e.steps) for e in sgd]
    if mu > 0:
        history.append((1 / mu, 1.0, 1))
    left, found, error = delta - selection_delta(events), {"pld": ours}, 0.01
    with np.errstate(all="ignore"), warnings.catch_warnings():  # the first is of this thread alone
        warnings.simplefilter("ignore")
        for name, accountant in (("prv", PRVAccountant()), ("rdp", RDPAccountant())):
            accountant.history = history
            options = {"eps_error": error} if name == "prv" else {}
            try:
                found[name] = float(accountant.get_epsilon(left, **options))
            except (ValueError, RuntimeError, OverflowError) as failure:
                text = f"the {name.upper()} accountant failed on this run ({type(failure).__name__}); no guarantee is given"
                raise AccountingError(text) from None
    gap = abs(found["prv"] - ours)
    if not gap <= 2 * error + tolerance * ours or not found["rdp"] >= ours * (1 - 1e-3) - 1e-3:
        raise AccountingError("two privacy accountants disagree on this run, so no guarantee is given; please report it")
    return found


def _trained(events: Sequence[Event]) -> list[SubsampledGaussianEvent]:
    return [e for e in events if isinstance(e, SubsampledGaussianEvent)]


def _below_renyi(events: Sequence[Event], delta: float, ours: float) -> dict[str, float]:
    """Laplace noise, which Opacus does not know: the looser reading in Renyi terms must not be smaller."""
    renyi = renyi_epsilon(events, delta - selection_delta(events))
    if not renyi >= ours * (1 - 1e-3) - 1e-3:
        raise AccountingError("two privacy accountants disagree on this run, so no guarantee is given; please report it")
    return {"pld": ours, "rdp": renyi}


def _renyi_twice(events: Sequence[Event], delta: float, ours: float) -> dict[str, float]:
    from opacus.accountants.analysis import rdp

    orders = list(orders_of(events))
    curve = rho_of(events) * np.asarray(orders)
    for e in _trained(events):
        curve = curve + rdp.compute_rdp(q=e.sample_rate, noise_multiplier=e.noise_multiplier, steps=e.steps, orders=orders)
    with np.errstate(all="ignore"), warnings.catch_warnings():  # the first is of this thread alone
        warnings.simplefilter("ignore")
        theirs = float(rdp.get_privacy_spent(orders=orders, rdp=curve, delta=delta - selection_delta(events))[0])
    if not abs(theirs - ours) <= 0.01 * ours + 1e-3:
        raise AccountingError("two privacy accountants disagree on this run, so no guarantee is given; please report it")
    return {"rdp": ours, "rdp (opacus)": theirs}
