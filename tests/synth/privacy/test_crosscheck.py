"""No guarantee where accountants disagree."""

import pytest

from synth.errors import AccountingError
from synth.privacy import crosscheck
from synth.privacy.accounting import epsilon_of
from synth.privacy.crosscheck import cross_check
from synth.privacy.events import GaussianEvent, LaplaceEvent, PartitionSelectionEvent, SelectionEvent, SubsampledGaussianEvent


def counts(*sigmas):
    return [GaussianEvent(what="count", sigma=s) for s in sigmas]


def sgd(noise=1.0, rate=0.0314, steps=1000):
    return SubsampledGaussianEvent(what="DP-SGD", noise_multiplier=noise, sample_rate=rate, steps=steps)


def choice(epsilon=0.2):
    return SelectionEvent(what="choice", epsilon=epsilon)


def selection(delta=1e-8, sigma=10.0):
    return PartitionSelectionEvent(what="domain", target=("a",), sigma=sigma, threshold=60, delta=delta)


def test_cross_check_of_counts_alone_is_the_closed_form():
    assert set(cross_check(counts(5, 5), 1e-6).values()) == {epsilon_of(counts(5, 5), 1e-6)}


@pytest.mark.parametrize(("name", "value"), [("PRV", 1.0), ("PRV", 3.0), ("PRV", float("nan")), ("RDP", 1.0)])
def test_cross_check_gives_no_guarantee_when_an_accountant_disagrees(name, value, monkeypatch):
    import opacus.accountants as accountants

    event = sgd(noise=2.0, rate=0.06, steps=200)
    assert 1.5 < cross_check([event], 1e-6)["pld"] < 2.5
    monkeypatch.setattr(getattr(accountants, f"{name}Accountant"), "get_epsilon", lambda self, delta, **_: value)
    with pytest.raises(AccountingError, match="disagree"):
        cross_check([event], 1e-6)


def test_a_failing_accountant_refuses(monkeypatch):
    from opacus.accountants import PRVAccountant

    def fail(*_, **__):
        raise ValueError("no")

    monkeypatch.setattr(PRVAccountant, "get_epsilon", fail)
    event = SubsampledGaussianEvent(what="s", noise_multiplier=2.0, sample_rate=0.1, steps=3)
    with pytest.raises(AccountingError, match="PRV accountant failed"):
        cross_check([event], 1e-6)


@pytest.mark.parametrize("extra", [[], [sgd(noise=2.0, rate=0.05, steps=20)]])
def test_cross_check_of_choices_is_opacus_reading_of_the_same_curve(extra, monkeypatch):
    from opacus.accountants.analysis import rdp

    events = [*counts(10), selection(), choice(), *extra]
    found = cross_check(events, 1e-6)
    assert found["rdp"] == epsilon_of(events, 1e-6)
    assert found["rdp (opacus)"] == pytest.approx(found["rdp"], rel=1e-3)
    monkeypatch.setattr(rdp, "get_privacy_spent", lambda **_: (float("nan"), 2.0))
    with pytest.raises(AccountingError, match="disagree"):
        cross_check(events, 1e-6)


@pytest.mark.parametrize("extra", [[], [sgd(noise=2.0, rate=0.05, steps=20)]])
def test_with_laplace_noise_the_renyi_reading_must_not_be_smaller(extra, monkeypatch):
    events = [*counts(10), selection(), *[LaplaceEvent(what="table", scale=20.0)] * 10, *extra]
    found = cross_check(events, 1e-6)
    assert found["pld"] == epsilon_of(events, 1e-6) < found["rdp"] < 1.3 * found["pld"]
    monkeypatch.setattr(crosscheck, "renyi_epsilon", lambda *_: float("nan"))
    with pytest.raises(AccountingError, match="disagree"):
        cross_check(events, 1e-6)
