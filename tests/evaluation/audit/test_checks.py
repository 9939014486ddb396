import numpy as np
import pytest

from evaluation.audit.checks import CHECKS, Check, family_finding
from evaluation.audit.families import SIDES


def test_every_check_says_what_it_attacks():
    for name, check in CHECKS.items():
        assert check.name == name
        assert len(check.attacks) > 10
        assert (check.look is None) != (check.verify is None)


def test_a_check_without_anything_to_run_is_an_error():
    with pytest.raises(ValueError, match="something to run"):
        Check(name="x", attacks="y").finding(np.random.default_rng())


@pytest.mark.statistical
def test_a_finding_holds_the_bounds_and_the_verdict():
    found = CHECKS["tables"].finding(np.random.default_rng())
    assert not found.contradicted
    assert found.at_least > found.epsilon / 2  # a bound at 95 % may exceed a true claim
    assert found.check == "tables"
    assert not CHECKS["unit"].contradicted(np.random.default_rng())


@pytest.mark.statistical
def test_a_synthesizer_is_judged_as_a_whole():
    calls = []
    found = family_finding("independent", np.random.default_rng(), fits=8, advance=lambda: calls.append(1))
    assert not found.contradicted
    assert len(calls) == 8
    assert found.canaries == 8 * SIDES["independent"] ** 2
    assert found.detail.startswith("8 fits, 8 answers scored")


@pytest.mark.slow
@pytest.mark.statistical
def test_correct_code_raises_no_alarm():
    """40 audits of the cheap checks at the level of the gate: an alarm has a chance below 40 x 8 x 1e-6."""
    rng = np.random.default_rng()
    names = ("gradients", "tables", "pairs", "products", "signed tables", "categories", "single numbers", "sampling")
    assert not [name for _ in range(40) for name in names if CHECKS[name].contradicted(rng)]


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("name", ["one run, epsilon 1", "one run, epsilon 5"])
def test_the_rigorous_bound_of_one_run_is_of_use(name):
    """Above 0.4 of the claim; 0.5 to 0.7 were seen."""
    found = CHECKS[name].finding(np.random.default_rng())
    assert not found.contradicted
    assert found.at_least_one_run > 0.4 * found.epsilon
