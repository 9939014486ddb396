from dataclasses import replace

import pytest

from synth.errors import InputError
from synth.privacy.budget import Budget
from synth.privacy.chain import read_ledger
from synth.privacy.checkpoint import read_checkpoint, write_checkpoint
from synth.privacy.going import Going

BUDGET = Budget(epsilon=1.0, delta=1e-6)
SETTINGS = {"epsilon": 1.0, "options": {"steps": 3}, "schema": None}


def going(tmp_path, *, resume=False):
    return Going(tmp_path / "l", tmp_path / "c", resume=resume, keyed=False)


def test_a_run_goes_on_under_its_own_name(tmp_path):
    book = going(tmp_path).ledger(BUDGET, None, SETTINGS, 42)
    again = going(tmp_path, resume=True)
    kept = again.kept(SETTINGS)
    assert (kept.seed, kept.run) == (42, book.run)
    assert again.ledger(BUDGET, kept, SETTINGS, 42).run == book.run
    assert [r["record"] for r in read_ledger(tmp_path / "l")] == ["run", "resumed"]
    assert again.kept(SETTINGS | {"options": {"steps": 3}}).seed == 42


def test_a_run_that_was_stopped_before_it_asked_anything_begins_anew(tmp_path):
    going(tmp_path).ledger(BUDGET, None, SETTINGS, 42)
    write_checkpoint(tmp_path / "c", replace(read_checkpoint(tmp_path / "c"), run=""))
    again = going(tmp_path, resume=True)
    assert again.kept(SETTINGS) is None
    again.ledger(BUDGET, None, SETTINGS, 43)
    assert [r["record"] for r in read_ledger(tmp_path / "l")] == ["run", "run"]


@pytest.mark.parametrize(("changed", "named"), [({"epsilon": 2.0}, "epsilon"), ({"options": {"steps": 4}}, "options")])
def test_other_settings_are_refused_and_named(tmp_path, changed, named):
    going(tmp_path).ledger(BUDGET, None, SETTINGS, 42)
    with pytest.raises(InputError, match=f"begun with another {named}; repeat the command as it was"):
        going(tmp_path, resume=True).kept(SETTINGS | changed)


def test_another_program_and_settings_of_another_version_are_refused(tmp_path):
    going(tmp_path).ledger(BUDGET, None, SETTINGS, 42)
    kept = read_checkpoint(tmp_path / "c")
    write_checkpoint(tmp_path / "c", replace(kept, settings=kept.settings | {"program": "0"}))
    with pytest.raises(InputError, match="another program"):
        going(tmp_path, resume=True).kept(SETTINGS)
    write_checkpoint(tmp_path / "c", replace(kept, settings=kept.settings | {"more": 0}))
    with pytest.raises(InputError, match="another version"):
        going(tmp_path, resume=True).kept(SETTINGS)


def test_what_cannot_be_combined(tmp_path):
    with pytest.raises(InputError, match="name the checkpoint"):
        Going(tmp_path / "l", None, resume=True, keyed=False)
    with pytest.raises(InputError, match="needs a ledger"):
        Going(None, tmp_path / "c", resume=False, keyed=False)
    with pytest.raises(InputError, match="noise key is not interrupted and resumed"):
        Going(tmp_path / "l", tmp_path / "c", resume=True, keyed=True)


def test_without_a_checkpoint_there_is_a_plain_run(tmp_path):
    plain = Going(None, None, resume=False, keyed=False)
    assert plain.kept(SETTINGS) is None
    assert plain.ledger(BUDGET, None, SETTINGS, 1).events == ()
