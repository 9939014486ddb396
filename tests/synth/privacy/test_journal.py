import numpy as np
import pytest
import torch

from synth.errors import AccountingError
from synth.privacy.checkpoint import Answer, Checkpoint, read_checkpoint
from synth.privacy.events import GaussianEvent
from synth.privacy.journal import BLOCKS, Journal, KeptStepCount, StepCount

A, B, C = (GaussianEvent(what=name, sigma=50.0) for name in "abc")
EMPTY = Checkpoint(run="r", settings={}, seed=1)


def answer(start, *events, arrays=None):
    return Answer(start=start, events=events, about="", arrays=(np.arange(3),) if arrays is None else arrays)


def test_answers_come_back_in_order_and_then_no_more(tmp_path):
    first = Journal(tmp_path / "c", EMPTY)
    assert first.is_empty()
    first.keep(answer(0, A))
    first.keep(answer(2, B, arrays=(np.ones(2),)))  # the charge in between was lost
    again = Journal(tmp_path / "c", read_checkpoint(tmp_path / "c"), [A, C, B, C])
    assert not again.is_empty()
    assert again.before() == ()
    np.testing.assert_array_equal(again.next((A,), "")[0], np.arange(3))
    assert again.before() == (A, C)  # the lost charge counts from where it was lost
    np.testing.assert_array_equal(again.next((B,), "")[0], np.ones(2))
    assert again.before() == (A, C, B, C)
    assert again.next((C,), "") is None
    again.discard()
    again.discard()
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(("events", "about"), [((B,), ""), ((A, A), ""), ((A,), "other")])
def test_another_question_is_not_answered(tmp_path, events, about):
    journal = Journal(tmp_path / "c", Checkpoint(run="r", settings={}, seed=1, answers=(answer(0, A),)), [A])
    with pytest.raises(AccountingError, match="asks another question"):
        journal.next(events, about)


@pytest.mark.parametrize("charged", [[], [B], [B, A]])
def test_answers_that_were_never_charged_are_refused(tmp_path, charged):
    with pytest.raises(AccountingError, match="does not know"):
        Journal(tmp_path / "c", Checkpoint(run="r", settings={}, seed=1, answers=(answer(0, A),)), charged)


def test_an_announcement_without_its_charge_counts_for_nothing(tmp_path):
    kept = Checkpoint(run="r", settings={}, seed=1, answers=(answer(0, A), answer(1, B, arrays=())))
    assert Journal(tmp_path / "c", kept, [A, B]).next((A,), "") is not None
    journal = Journal(tmp_path / "c", kept, [A])
    journal.next((A,), "")
    assert journal.next((B,), "") is None


def test_training_is_set_back_in_place(tmp_path):
    journal = Journal(tmp_path / "c", EMPTY)
    weights = [torch.nn.Parameter(torch.ones(2, 2)), torch.zeros(())]
    journal.restore(weights)
    assert weights[0].detach().sum() == 4
    journal.keep_state(weights)
    with torch.no_grad():
        weights[0].zero_()
    Journal(tmp_path / "c", read_checkpoint(tmp_path / "c")).restore(weights)
    assert weights[0].detach().sum() == 4
    with pytest.raises(AccountingError, match="another network"):
        journal.restore([torch.zeros(3)])


def test_steps_are_counted_before_they_are_drawn_and_kept_at_the_end_of_a_block(tmp_path):
    written, journal = [], Journal(tmp_path / "c", EMPTY)
    count = KeptStepCount(BLOCKS * 2 + 1, 0, written.append, journal)
    for step in range(BLOCKS * 2 + 1):
        count.take()
        assert written[-1] >= step + 1
        count.keep([torch.full((1,), float(step))])
    assert len(written) <= BLOCKS
    assert written[-1] == BLOCKS * 2 + 1
    assert read_checkpoint(tmp_path / "c").state[0] == BLOCKS * 2


def test_counting_goes_on_after_what_was_counted(tmp_path):
    written = []
    count = KeptStepCount(100, 35, written.append, Journal(tmp_path / "c", EMPTY))
    assert count.drawn == 35
    count.take()
    assert written == [40]
    state = [torch.ones(1)]
    count.restore(state)
    count.keep(state)
    assert not (tmp_path / "c").exists()  # in the middle of a block


def test_without_a_checkpoint_nothing_is_counted():
    count = StepCount()
    count.take()
    count.restore([])
    count.keep([])
    assert count.drawn == 0
