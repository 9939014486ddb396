import numpy as np
import pytest

from evaluation.audit.checks import CHECKS, Check, family_finding


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
    assert 0 < found.at_least < found.epsilon
    assert found.check == "tables"
    assert not CHECKS["unit"].contradicted(np.random.default_rng())


@pytest.mark.statistical
def test_a_synthesizer_is_judged_as_a_whole():
    calls = []
    found = family_finding("independent", np.random.default_rng(), fits=8, advance=lambda: calls.append(1))
    assert not found.contradicted
    assert len(calls) == 8
    assert found.canaries == 8 * 25
    assert found.detail.startswith("8 fits, 8 answers scored")
