"""Answers are drawn once, each on a charge of its own, whoever goes on with the run."""

import numpy as np
import pytest

from synth.errors import AccountingError, InputError, RefusedError
from synth.privacy.account import read_account
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.chain import read_ledger
from synth.privacy.checkpoint import Checkpoint, read_checkpoint
from synth.privacy.events import GaussianEvent, SubsampledGaussianEvent
from synth.privacy.kept import KeptLedger
from synth.privacy.ledger import Ledger, set_total
from synth.privacy.past import Past
from synth.privacy.randomness import FreshBytes

BUDGET = Budget(epsilon=1.0, delta=1e-6)
EVENT = GaussianEvent(what="count", target=("a",), sigma=40.0)


def kept_run(path):
    return KeptLedger(BUDGET, path / "l", path / "c", {}, 3)


def going_on(path):
    return KeptLedger.going_on(path / "l", path / "c", read_checkpoint(path / "c"))


def drawn(value):
    return lambda: [np.array([value])]


def never():
    raise AssertionError("drawn again")


def test_an_answer_is_drawn_once_and_given_again(tmp_path):
    book = kept_run(tmp_path)
    book.set_rows(declared_rows(10_000))
    assert book.ask(EVENT, draw=drawn(5))[0] == 5
    book.announce(EVENT, about="rest")
    charges = read_ledger(tmp_path / "l")
    again = going_on(tmp_path)
    again.set_rows(declared_rows(10_000))
    assert again.events == ()
    assert again.ask(EVENT, draw=never)[0] == 5
    again.announce(EVENT, about="rest")
    assert again.events == (EVENT, EVENT)
    assert [r["record"] for r in read_ledger(tmp_path / "l")[len(charges) :]] == ["resumed"]
    assert again.ask(EVENT, draw=drawn(6))[0] == 6
    assert len(again.events) == 3


def broken_off(book, secret, reads):
    """Ask a question that ends after so many uses of the secret bytes."""
    book.watch(secret)

    def draw():
        for _ in range(reads):
            secret(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        book.ask(EVENT, draw=draw)


def test_a_question_broken_off_before_any_noise_gives_its_charge_back(tmp_path):
    book = kept_run(tmp_path)
    book.set_rows(declared_rows(10_000))
    book.ask(EVENT, draw=drawn(1))
    broken_off(book, FreshBytes(), 0)
    assert book.events == (EVENT,)
    again = going_on(tmp_path)
    again.set_rows(declared_rows(10_000))
    again.ask(EVENT, draw=never)
    assert again.ask(EVENT, draw=drawn(2))[0] == 2
    assert again.events == (EVENT, EVENT)
    assert [r["record"] for r in read_ledger(tmp_path / "l")].count("undrawn") == 1


def test_a_question_that_met_noise_keeps_its_charge(tmp_path):
    book = kept_run(tmp_path)
    broken_off(book, FreshBytes(), 1)
    assert book.events == (EVENT,)
    assert "undrawn" not in [r["record"] for r in read_ledger(tmp_path / "l")]


def test_who_lost_the_run_gives_nothing_back(tmp_path):
    book = kept_run(tmp_path)
    book.ask(EVENT, draw=drawn(1))
    secret = FreshBytes()
    book.watch(secret)

    def taken_over():
        going_on(tmp_path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        book.ask(EVENT, draw=taken_over)
    assert len(book.events) == 2
    assert "undrawn" not in [r["record"] for r in read_ledger(tmp_path / "l")]


def test_a_refused_question_takes_nothing_back(tmp_path):
    book = kept_run(tmp_path)
    book.watch(FreshBytes())
    with pytest.raises(RefusedError):
        book.ask(GaussianEvent(what="much", sigma=0.1), draw=never)
    assert [r["record"] for r in read_ledger(tmp_path / "l")] == ["run"]


def test_a_follower_writes_nothing(tmp_path):
    book = KeptLedger.following(BUDGET, Past(), Checkpoint(run="ab", settings={}, seed=1))
    assert book.ask(EVENT, draw=drawn(1))[0] == 1
    with pytest.raises(RefusedError), book.settled():
        raise RefusedError("enough")
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_was_lost_is_drawn_at_a_charge_of_its_own(tmp_path):
    book = kept_run(tmp_path)
    book.set_rows(declared_rows(10_000))
    book.ask(EVENT, draw=drawn(1))
    with pytest.raises(AssertionError):
        book.ask(EVENT, draw=never)  # dies between the charge and the checkpoint
    again = going_on(tmp_path)
    again.set_rows(declared_rows(10_000))
    again.ask(EVENT, draw=never)
    assert len(again.events) == 2
    assert again.ask(EVENT, draw=drawn(2))[0] == 2
    assert len(again.events) == 3
    third = going_on(tmp_path)
    assert third.ask(EVENT, draw=never)[0] == 1
    assert len(third.events) == 2  # the lost one counts where it was lost
    assert third.ask(EVENT, draw=never)[0] == 2
    assert len(third.events) == 3
    assert len([r for r in read_ledger(tmp_path / "l") if r["record"] == "event"]) == 3


def test_a_run_that_cannot_ask_again_says_why(tmp_path):
    book, whole = kept_run(tmp_path), GaussianEvent(what="all", sigma=6.0)
    book.ask(EVENT, draw=drawn(1))
    with pytest.raises(AssertionError):
        book.ask(whole, draw=never)  # dies between the charge and the checkpoint
    again = going_on(tmp_path)
    again.ask(EVENT, draw=never)
    with pytest.raises(RefusedError, match=r"an answer was lost .* \(all does not fit .*\); start anew"), again.settled():
        again.ask(whole, draw=never)
    assert not (tmp_path / "c").exists()


def test_whoever_was_taken_over_charges_no_more(tmp_path):
    first = kept_run(tmp_path)
    second = going_on(tmp_path)
    before = (tmp_path / "l").read_bytes()
    with pytest.raises(InputError, match="another process goes on"):
        first.ask(EVENT, draw=never)
    with pytest.raises(InputError, match="another process goes on"):
        first.close("done")
    assert (tmp_path / "l").read_bytes() == before
    second.ask(EVENT, draw=drawn(1))
    third = going_on(tmp_path)
    with pytest.raises(InputError, match="another process goes on"):
        second.ask(EVENT, draw=never)
    assert third.run == first.run


def test_the_row_count_cannot_change_in_between(tmp_path):
    kept_run(tmp_path).set_rows(declared_rows(10_000))
    with pytest.raises(AccountingError, match="row count"):
        going_on(tmp_path).set_rows(declared_rows(10_001))


def test_steps_that_were_counted_are_not_drawn_again(tmp_path):
    book = kept_run(tmp_path)
    book.set_rows(declared_rows(10_000))
    event = SubsampledGaussianEvent(what="DP-SGD", noise_multiplier=3.0, sample_rate=0.01, steps=40)
    book.announce(event)
    count = book.count_steps()
    for _ in range(7):
        count.take()
    again = going_on(tmp_path)
    again.set_rows(declared_rows(10_000))
    again.announce(event)
    assert again.count_steps().drawn == 8  # in blocks of two
    assert Ledger(BUDGET).count_steps().drawn == 0


def test_a_checkpoint_is_not_left_where_it_is_of_no_use(tmp_path):
    with pytest.raises(InputError), kept_run(tmp_path).settled():
        raise InputError("nothing was asked yet")
    assert not (tmp_path / "c").exists()
    with pytest.raises(RefusedError), kept_run(tmp_path).settled() as _:
        raise RefusedError("no")
    assert not (tmp_path / "c").exists()
    book = kept_run(tmp_path)
    book.ask(EVENT, draw=drawn(1))
    with pytest.raises(KeyboardInterrupt), book.settled():
        raise KeyboardInterrupt
    assert (tmp_path / "c").exists()
    with pytest.raises(InputError, match="go on with it by --resume"):
        kept_run(tmp_path)


def test_a_run_that_went_on_counts_as_its_grant(tmp_path):
    book = kept_run(tmp_path)
    book.ask(EVENT, draw=drawn(1))
    book.close("interrupted")
    assert read_account(read_ledger(tmp_path / "l")).runs[0].exact
    going_on(tmp_path).close("done")
    assert not read_account(read_ledger(tmp_path / "l")).runs[0].exact


def test_a_run_without_a_place_for_its_checkpoint_does_not_begin(tmp_path):
    set_total(tmp_path / "l", epsilon=0.1, delta=1e-5)
    before = (tmp_path / "l").read_bytes()
    with pytest.raises(RefusedError):
        kept_run(tmp_path)
    assert not (tmp_path / "c").exists()
    (tmp_path / "c").mkdir()
    with pytest.raises(InputError):
        kept_run(tmp_path)
    assert (tmp_path / "l").read_bytes() == before
