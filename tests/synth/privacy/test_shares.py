"""What a share of the budget buys."""

import pytest

from synth.privacy.accounting import epsilon_of
from synth.privacy.events import GaussianEvent
from synth.privacy.shares import burn, burn_choice, measurement_mu, sigma_for


def test_shares_of_the_budget_add_up(ledger):
    mu = measurement_mu(ledger)
    assert epsilon_of([GaussianEvent(what="x", sigma=sigma_for(ledger, 1.0))], ledger.working_delta * 0.95) == pytest.approx(
        10.0
    )
    assert 4 / sigma_for(ledger, 0.2, 4) ** 2 == pytest.approx(0.2 * mu**2)


def test_a_share_that_is_burnt_costs_what_it_would_have_bought(ledger):
    burn(ledger, "tables", 0.2)
    (event,) = ledger.events
    assert (event.what, event.mu) == ("tables (not needed)", pytest.approx(1 / sigma_for(ledger, 0.2)))


def test_a_choice_that_is_burnt_costs_next_to_nothing(ledger):
    burn_choice(ledger)
    (event,) = ledger.events
    assert event.rho < 1e-12
