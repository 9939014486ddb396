"""The doors to the rows: charged first, integers plus noise out, sealed against accidents."""

import copy
import json
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import chi2
from torch import nn

from synth.errors import AccountingError, RefusedError
from synth.privacy import vault
from synth.privacy.accounting import gaussian_mu
from synth.privacy.ballot import Ballot
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.chain import read_ledger
from synth.privacy.codes import Codes
from synth.privacy.dpsgd import SgdPlan
from synth.privacy.events import GaussianEvent, SelectionEvent, SubsampledGaussianEvent
from synth.privacy.frame import PrivateFrame
from synth.privacy.ledger import Ledger
from synth.privacy.shares import Measurement, burn_training, measurement_mu, sigma_for
from synth.privacy.signs import SignProduct
from synth.privacy.vault import PrivateTable
from synth.privacy.views import with_columns
from synth.schema import Column, Kind, Schema
from synth.table import Domain, EncodedTable

N = Column(name="n", kind=Kind.INTEGER, bounds=(0, 9))
C = Column(name="c", kind=Kind.CATEGORY)
SCHEMA = Schema(columns=(N, C))
ROWS = pd.DataFrame({"n": [1, 2, 2, None, 50, -3], "c": ["u", "u", "v", None, "w", "u"]})
CODES = np.array([[0, 1], [2, 1], [2, 0], [1, 0]], dtype=np.uint16)
DOMAIN = Domain(names=("a", "b"), sizes=(3, 2))


def table_of(ledger, entropy, codes=CODES, domain=DOMAIN):
    return PrivateTable(codes, domain, declared_rows(1000), ledger, (), entropy)


def test_marginals_are_contingency_tables_plus_noise(keystream):
    book = Ledger(Budget(epsilon=100.0, delta=1e-3))
    book.set_rows(declared_rows(4))
    (found,) = table_of(book, keystream(5)).noisy_marginals([("b", "a")], share=0.99)
    assert found.names == ("b", "a")
    assert np.abs(found.counts - [[0, 1, 1], [1, 0, 1]]).max() <= 1
    assert found.sigma == sigma_for(book, 0.99)
    assert book.events == (GaussianEvent(what="table", target=("b", "a"), sigma=float(found.sigma)),)


def test_marginals_are_charged_before_noise_and_a_refusal_draws_none(tmp_path, keystream, script):
    path, stream, seen = tmp_path / "l", keystream(6), []
    book = Ledger(Budget(epsilon=1.0, delta=1e-6), path)
    book.set_rows(declared_rows(1000))

    def entropy(n):
        seen.append(sum(r["record"] == "event" for r in read_ledger(path)))
        return stream(n)

    table_of(book, entropy).noisy_marginals([("a",), ("b",)], share=0.5)
    assert seen == [2, 2]
    with pytest.raises(RefusedError):
        table_of(book, script()).noisy_marginals([("a",)], share=0.7)


@pytest.mark.parametrize("row", [[0, 0], [2, 1], [1, 1]])
def test_one_more_row_moves_one_cell_of_a_marginal(row, keystream, ledger):
    found = []
    for codes in (CODES, np.vstack([[row], CODES]).astype(np.uint16)):
        book = Ledger(ledger.budget)
        book.set_rows(ledger.rows)
        found.append(table_of(book, keystream(7), codes).noisy_marginals([("a", "b"), ("b",)], share=0.5))
    for before, after in zip(*found, strict=True):
        assert np.abs(after.counts - before.counts).sum() == 1
        assert before.sigma == after.sigma


def test_the_rest_spends_everything_and_then_there_is_none(ledger, keystream):
    table = table_of(ledger, keystream(8))
    table.noisy_marginals([("a",)], share=0.3)
    table.noisy_marginals_with_rest([("a",), ("b",)])
    assert 0.9999 * ledger.budget.epsilon < ledger.spent() <= ledger.budget.epsilon
    with pytest.raises(RefusedError):
        table.noisy_marginals_with_rest([("a",)])


def test_the_rest_of_an_overdrawn_budget_is_refused(ledger, script):
    ledger.charge(GaussianEvent(what="x", sigma=1 / (gaussian_mu(10.0, ledger.working_delta) * (1 - 1e-11))))
    with pytest.raises(RefusedError, match="nothing is left"):
        table_of(ledger, script()).noisy_marginals_with_rest([("a",)])


class OneHot(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, codes):
        return self.linear(codes.float())


def square(module, codes, normals):
    assert codes.dtype == torch.int64
    assert normals((len(codes), 1)).shape == (len(codes), 1)
    return (module(codes) ** 2).sum(1)


def test_gradients_are_charged_as_a_whole_before_the_first_step(tmp_path, keystream):
    path = tmp_path / "l"
    book = Ledger(Budget(epsilon=3.0, delta=1e-6), path)
    book.set_rows(declared_rows(100_000))
    seen, stream = [], keystream(9)

    def entropy(n):
        seen.append([r["record"] for r in read_ledger(path)])
        return stream(n)

    module = OneHot()
    gradient = table_of(book, entropy).noisy_gradients(module, square, SgdPlan(steps=3, sample_rate=0.5, divisor=500.0))
    assert seen == []
    event = book.events[-1]
    assert isinstance(event, SubsampledGaussianEvent)
    assert (event.steps, event.sample_rate) == (3, 0.5)
    for _ in range(3):
        gradient.step()
        assert torch.isfinite(module.linear.weight.grad).all()
    assert all(s == ["run", "rows", "event"] for s in seen)
    assert 2.9 < book.spent() <= 3.0
    with pytest.raises(AccountingError):
        gradient.step()


def test_drowned_training_is_refused_without_a_charge(script):
    ledger = Ledger(Budget(epsilon=0.5, delta=1e-6))
    ledger.set_rows(declared_rows(1000))
    with pytest.raises(RefusedError, match="too small to train"):
        table_of(ledger, script()).noisy_gradients(OneHot(), square, SgdPlan(steps=2, sample_rate=0.5, divisor=1e-3))
    assert ledger.events == ()


def test_stored_codes_of_another_domain_are_refused(ledger):
    domain = Domain(names=("a",), sizes=(3,))
    with pytest.raises(AccountingError, match="one column per name"):
        PrivateTable(Codes.of(np.zeros((2, 1), dtype=int), (2,)), domain, declared_rows(2), ledger)


@pytest.mark.parametrize(
    "codes", [np.array([1, 2]), np.array([[1, 2, 0]]), np.array([[3, 0]]), np.array([[0, 2]]), np.array([[-1, 0]])]
)
def test_codes_outside_the_domain_are_refused(codes, ledger):
    with pytest.raises(AccountingError):
        PrivateTable(codes, DOMAIN, declared_rows(10), ledger)


SEALED = {"frame": lambda b: PrivateFrame(ROWS, SCHEMA, b, None), "table": lambda b: table_of(b, None)}


@pytest.mark.parametrize("kind", SEALED)
@pytest.mark.parametrize(
    "look", [pickle.dumps, copy.copy, copy.deepcopy, len, iter, list, vars, json.dumps, lambda x: x[0], lambda x: x.__dict__]
)
def test_rows_cannot_be_copied_measured_or_iterated(kind, look, ledger):
    with pytest.raises((TypeError, AttributeError)) as caught:
        look(SEALED[kind](ledger))
    assert "50" not in str(caught.value)


@pytest.mark.parametrize("kind", SEALED)
def test_rows_do_not_print(kind, ledger):
    sealed = SEALED[kind](ledger)
    name = type(sealed).__name__
    assert repr(sealed) == str(sealed) == f"{sealed}" == f"<{name}: private rows>"
    assert bool(sealed)
    private = [slot for cls in type(sealed).__mro__ for slot in getattr(cls, "__slots__", ()) if slot.startswith("__")]
    public = {a for a in dir(sealed) if not a.startswith("_")}
    assert sorted(private) in (["__entropy", "__rows", "__units"], ["__codes", "__entropy", "__units"])
    held = [getattr(sealed, a) for a in public if not callable(getattr(sealed, a))]
    assert not any(isinstance(v, np.ndarray | pd.DataFrame | pd.Series) for v in held)


def test_no_state_is_handed_out(ledger):
    table = PrivateTable(np.zeros((2, 1), dtype=np.int64), Domain(names=("a",), sizes=(1,)), declared_rows(2), ledger)
    with pytest.raises(TypeError, match="pickled or copied"):
        table.__getstate__()


GUESSES = [(("a",), np.array([1.0, 1.0, 2.0])), (("a", "b"), np.zeros((3, 2))), (("b",), np.array([0.0, 4.0]))]


def choose(table, guesses=GUESSES, weights=(1.0, 0.5, 1.0), biases=(0.0, 0.0, 0.0), epsilon=1.0):
    return table.choose_table(guesses, weights=list(weights), biases=list(biases), epsilon=epsilon)


def test_a_choice_is_charged_before_entropy_is_asked_for(tmp_path, keystream):
    path, stream, seen = tmp_path / "l", keystream(1), []

    def entropy(n):
        seen.append([r["record"] for r in read_ledger(path)])
        return stream(n)

    book = Ledger(Budget(epsilon=50.0, delta=1e-5), path)
    assert choose(table_of(book, entropy)) in range(3)
    assert seen == [["run", "event"]]
    assert book.events == (SelectionEvent(what="choice of a table", epsilon=1.0),)


def test_a_refused_choice_leaves_no_trace(script):
    book = Ledger(Budget(epsilon=0.5, delta=1e-6))
    with pytest.raises(RefusedError):
        choose(table_of(book, script()), epsilon=5.0)
    with pytest.raises(AccountingError):
        choose(table_of(book, script()), weights=(1.0, float("nan"), 1.0))
    with pytest.raises(AccountingError):
        choose(table_of(book, script()), epsilon=float("nan"))
    assert book.events == ()


def asked_of(monkeypatch, codes, **options):
    """Scores and sensitivity that reach the mechanism."""
    seen = {}
    monkeypatch.setattr(vault, "exponential_choice", lambda scores, **rest: seen.update(rest, scores=scores) or 0)
    book = Ledger(Budget(epsilon=50.0, delta=1e-5))
    choose(table_of(book, None, codes=codes), **options)
    return seen


def test_scores_are_weighted_gaps_and_the_largest_weight_is_the_sensitivity(monkeypatch):
    seen = asked_of(monkeypatch, CODES, weights=(1.0, 0.25, 2.0), biases=(0.0, 1.0, -0.5))
    assert seen["scores"] == [0 + 0 + 0 + 0, 0.25 * 4 + 1, 2 * (2 + 2) - 0.5]
    assert (seen["sensitivity"], seen["epsilon"]) == (2, 1.0)


@pytest.mark.parametrize("row", [[0, 0], [2, 1], [1, 1]])
def test_one_more_row_moves_no_score_by_more_than_the_sensitivity(row, monkeypatch):
    rng = np.random.default_rng(sum(row))
    for _ in range(20):
        guesses = [(names, rng.uniform(0, 4, guess.shape)) for names, guess in GUESSES]
        options = {"guesses": guesses, "weights": rng.uniform(0.1, 3, 3), "biases": rng.normal(size=3)}
        one, two = (asked_of(monkeypatch, np.vstack([CODES, *more]), **options) for more in ([], [[row]]))
        assert one["sensitivity"] == two["sensitivity"] == max(options["weights"])
        moved = [abs(a - b) for a, b in zip(one["scores"], two["scores"], strict=True)]
        assert max(moved) <= one["sensitivity"]


def test_folding_merges_codes_and_costs_nothing(keystream):
    book = Ledger(Budget(epsilon=100.0, delta=1e-3))
    folded = table_of(book, keystream(3)).coarsen([np.array([0, 1, 0]), np.array([1, 0])])
    assert folded.domain == Domain(names=("a", "b"), sizes=(2, 2))
    assert (folded.rows, folded.ledger, folded.measured) == (declared_rows(1000), book, ())
    assert book.events == ()
    share = (1 / (0.12 * measurement_mu(book))) ** 2
    (table,) = folded.noisy_marginals([("a", "b")], share=share)
    assert table.counts.tolist() == [[2, 1], [0, 1]]


def test_the_rest_after_choices_is_never_more_than_there_is(keystream):
    book = Ledger(Budget(epsilon=2.0, delta=1e-5))
    table = table_of(book, keystream(3))
    choose(table, epsilon=0.2)
    with pytest.raises(RefusedError):  # the exact curve of counts no longer applies; plan with ``rho_left`` instead
        table.noisy_marginals_with_rest([("a",)])
    assert len(book.events) == 1


SIGNS_A, SIGNS_B = np.array([1, -1, 0], dtype=np.int8), np.array([-1, 1], dtype=np.int8)
PRODUCTS = [SignProduct((0,), (SIGNS_A,)), SignProduct((1,), (SIGNS_B,)), SignProduct((0, 1), (SIGNS_A, SIGNS_B))]
QUERIES = [(PRODUCTS[1], 0), (PRODUCTS[0], 1)]
SIGNED_DOORS = {
    "products": (lambda table, share: table.noisy_products(PRODUCTS, share=share), 3),
    "tables": (lambda table, share: table.noisy_signed_tables(QUERIES, share=share), 2),
}


@pytest.mark.parametrize("door", SIGNED_DOORS)
def test_signed_sums_are_charged_before_noise_and_cost_their_share(door, tmp_path, keystream):
    ask, queries = SIGNED_DOORS[door]
    path, stream, seen = tmp_path / "l", keystream(6), []
    book = Ledger(Budget(epsilon=1.0, delta=1e-6), path)
    book.set_rows(declared_rows(1000))

    def entropy(n):
        seen.append([r["record"] for r in read_ledger(path)])
        return stream(n)

    _, sigma = ask(table_of(book, entropy), 0.3)
    assert set(map(tuple, seen)) == {("run", "rows", "event")}
    (event,) = book.events
    assert event.l2_sensitivity == pytest.approx(np.sqrt(queries), rel=1e-15)
    assert event.sigma == sigma
    assert event.mu**2 == pytest.approx(0.3 * measurement_mu(book) ** 2)


@pytest.mark.parametrize("door", SIGNED_DOORS)
def test_refused_signed_sums_leave_nothing(door, tmp_path, script):
    ask, _ = SIGNED_DOORS[door]
    book = Ledger(Budget(epsilon=1.0, delta=1e-6), tmp_path / "l")
    book.set_rows(declared_rows(1000))
    with pytest.raises(RefusedError):
        ask(table_of(book, script()), 1.5)
    assert book.events == ()
    assert [r["record"] for r in read_ledger(tmp_path / "l")] == ["run", "rows"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda t: t.noisy_products([], share=0.1),
        lambda t: t.noisy_products([SignProduct((0, 0), (SIGNS_A, SIGNS_A))], share=0.1),
        lambda t: t.noisy_products([SignProduct((0,), (2 * SIGNS_A,))], share=0.1),
        lambda t: t.noisy_products([SignProduct((0,), (SIGNS_A.astype(float),))], share=0.1),
        lambda t: t.noisy_signed_tables([], share=0.1),
        lambda t: t.noisy_signed_tables([(SignProduct((1,), (SIGNS_A,)), 0)], share=0.1),
        lambda t: t.noisy_signed_tables([(PRODUCTS[0], 2)], share=0.1),
        lambda t: t.noisy_signed_tables([(PRODUCTS[0], -1)], share=0.1),
        lambda t: t.noisy_marginals([("a",), ("b",)], share=0.1, weights=[1.0]),
        lambda t: t.noisy_marginals([("a",), ("b",)], share=0.1, weights=[1.0, 0.0]),
        lambda t: t.noisy_marginals([("a",), ("b",)], share=0.1, weights=[2.0, -1.0]),
        lambda t: t.noisy_marginals([("a",), ("b",)], share=0.1, weights=[1.0, float("nan")]),
        lambda t: t.noisy_marginals_with_rest([("a",), ("b",)], weights=[1.0, float("inf")]),
    ],
)
def test_unsound_questions_are_refused_before_any_charge(ask, ledger, script):
    with pytest.raises(AccountingError):
        ask(table_of(ledger, script()))
    assert ledger.events == ()


@pytest.mark.parametrize("share", [0.0, -0.5, float("nan")])
@pytest.mark.parametrize("door", SIGNED_DOORS)
def test_no_share_buys_nothing(door, share, ledger, script):
    with pytest.raises((AccountingError, ValueError, ZeroDivisionError)):
        SIGNED_DOORS[door][0](table_of(ledger, script()), share)
    assert ledger.events == ()


def test_signed_sums_are_right_under_small_noise(keystream):
    book = Ledger(Budget(epsilon=100.0, delta=1e-3))
    book.set_rows(declared_rows(4))
    table = table_of(book, keystream(5))
    sums, sigma = table.noisy_products(PRODUCTS, share=0.49)
    assert sums.dtype == np.float64
    assert np.abs(sums - [0, 0, 2]).max() <= 4 * sigma
    tables, sigma = table.noisy_signed_tables(QUERIES, share=0.49)
    for found, wanted in zip(tables, ([1, -1, 0], [-1, 1]), strict=True):
        assert np.abs(found - wanted).max() <= 4 * sigma


@pytest.mark.statistical
@pytest.mark.parametrize("door", SIGNED_DOORS)
def test_noise_of_signed_sums_has_the_stated_size(door, keystream):
    """No rows, so all that comes back is noise; its sum of squares is chi-squared (false alarm 1e-6)."""
    book = Ledger(Budget(epsilon=0.01, delta=1e-6))
    book.set_rows(declared_rows(1000))
    empty = table_of(book, keystream(11), codes=np.zeros((0, 2), dtype=np.uint16))
    if door == "products":
        found, sigma = empty.noisy_products(PRODUCTS * 200, share=0.5)
    else:
        tables, sigma = empty.noisy_signed_tables(QUERIES * 200, share=0.5)
        found = np.concatenate(tables)
    squares = ((found / sigma) ** 2).sum()
    assert chi2.isf(1 - 5e-7, found.size) < squares < chi2.isf(5e-7, found.size)


@pytest.mark.parametrize("row", [[0, 0], [2, 1], [1, 1]])
def test_one_more_row_moves_signed_sums_within_the_charged_sensitivity(row, keystream, ledger):
    found = []
    for codes in (CODES, np.vstack([[row], CODES]).astype(np.uint16)):
        book = Ledger(ledger.budget)
        book.set_rows(ledger.rows)
        table = table_of(book, keystream(7), codes)
        sums, _ = table.noisy_products(PRODUCTS, share=0.3)
        tables, _ = table.noisy_signed_tables(QUERIES, share=0.3)
        found.append((sums, np.concatenate(tables), [e.l2_sensitivity for e in book.events]))
    (sums, cells, told), (more_sums, more_cells, _) = found
    assert np.linalg.norm(more_sums - sums) <= told[0]
    assert np.linalg.norm(more_cells - cells) <= told[1]


@pytest.mark.parametrize("weights", [[1.0, 1.0], [3.0, 1.0], [1e-3, 40.0], None])
def test_weights_divide_the_share_and_conserve_it(weights, ledger, keystream):
    found = table_of(ledger, keystream(3)).noisy_marginals([("a", "b"), ("b",)], share=0.4, weights=weights)
    parts = np.array([e.mu**2 for e in ledger.events])
    assert parts.sum() == pytest.approx(0.4 * measurement_mu(ledger) ** 2)
    wanted = np.array(weights or [1.0, 1.0])
    assert (parts / parts.sum()).tolist() == pytest.approx((wanted / wanted.sum()).tolist())
    assert [float(m.sigma) for m in found] == [e.sigma for e in ledger.events]


def test_weights_of_the_rest_spend_it_all(ledger, keystream):
    table_of(ledger, keystream(3)).noisy_marginals_with_rest([("a", "b"), ("b",)], [5.0, 1.0])
    first, second = (e.mu**2 for e in ledger.events)
    assert first == pytest.approx(5 * second)
    assert 0.9999 * ledger.budget.epsilon < ledger.spent() <= ledger.budget.epsilon


def test_the_rest_counts_signed_sums_as_what_they_cost(ledger, keystream):
    """Their sensitivity is sqrt(m), so their sigma alone would say too little."""
    table = table_of(ledger, keystream(3))
    table.noisy_products(PRODUCTS, share=0.4)
    table.noisy_signed_tables(QUERIES, share=0.2)
    table.noisy_marginals_with_rest([("a",)])
    assert 0.9999 * ledger.budget.epsilon < ledger.spent() <= ledger.budget.epsilon


@pytest.mark.parametrize("maps", [[[0, 2, 0], [0, 1]], [[0, 1], [0, 1]], [[0, 1, 2]], [[0, 1, -1], [0, 1]]])
def test_folding_with_gaps_is_refused(maps, ledger, script):
    with pytest.raises(AccountingError):
        table_of(ledger, script()).coarsen([np.array(m) for m in maps])


def test_folded_and_whole_rows_draw_on_one_ledger(ledger, keystream):
    table = table_of(ledger, keystream(3))
    folded = table.coarsen([np.array([0, 0, 0]), np.array([0, 1])])
    assert folded.ledger is table.ledger
    folded.noisy_marginals([("a", "b")], share=0.6)
    with pytest.raises(RefusedError):
        table.noisy_marginals([("a",)], share=0.6)
    assert len(ledger.events) == 1


def test_some_of_the_columns_are_the_same_rows(keystream):
    codes = np.array([[0, 1, 2], [2, 1, 0], [2, 0, 1]])
    domain = Domain(names=("a", "b", "c"), sizes=(3, 2, 3), target="a", in_order=(3, 0, 0))
    book = Ledger(Budget(epsilon=100.0, delta=1e-3))
    book.set_rows(declared_rows(4))
    known = (
        Measurement(names=("a",), counts=np.zeros(3), sigma=np.ones(3)),
        Measurement(names=("b",), counts=np.zeros(2), sigma=np.ones(2)),
    )
    whole = PrivateTable(codes, domain, declared_rows(4), book, known, keystream(1))
    whole.public = EncodedTable(domain, codes.astype(np.int32))
    some = with_columns(whole, ["c", "a"])
    assert some.domain == Domain(names=("a", "c"), sizes=(3, 3), target="a", in_order=(3, 0))
    assert some.ledger is book
    assert book.events == ()
    assert some.measured == known[:1]
    assert some.public.codes.tolist() == codes[:, [0, 2]].tolist()
    (found,) = some.noisy_marginals([("a", "c")], share=0.99, aim="a purpose")
    assert np.abs(found.counts - [[0, 0, 1], [0, 0, 0], [1, 1, 0]]).max() <= 1
    assert book.events[0].what == "a purpose"
    assert with_columns(whole, ["b"]).domain.target is None


VOTES = Ballot(
    teachers=7, column=1, classes=np.array([0, 1]), columns=(0,), start=(np.zeros((3, 2), dtype=np.int64),),
    step=np.eye(3), questions=np.arange(400)[:, None] % 3,
)  # fmt: skip


def test_votes_are_charged_before_parts_and_noise_are_drawn(tmp_path, keystream):
    path, stream, seen = tmp_path / "l", keystream(6), []
    book = Ledger(Budget(epsilon=1.0, delta=1e-6), path)
    book.set_rows(declared_rows(1000))

    def entropy(n):
        seen.append([r["record"] for r in read_ledger(path)])
        return stream(n)

    votes, sigma = table_of(book, entropy).noisy_votes(VOTES)
    assert votes.shape == (400, 1)
    assert len(seen) >= 2
    assert set(map(tuple, seen)) == {("run", "rows", "event")}
    assert book.events == (
        GaussianEvent(what="votes of teachers", target=("b",), sigma=sigma, l2_sensitivity=VOTES.sensitivity),
    )
    assert 0.9999 < book.spent() <= 1.0


def test_refused_votes_draw_nothing(ledger, script):
    with pytest.raises(AccountingError):
        table_of(ledger, script()).noisy_votes(replace(VOTES, column=2))
    assert ledger.events == ()
    burn_training(ledger)
    with pytest.raises(RefusedError, match="nothing is left"):
        table_of(ledger, script()).noisy_votes(VOTES)
    assert len(ledger.events) == 1


def test_votes_take_all_that_is_left(ledger, keystream):
    table = table_of(ledger, keystream(8))
    table.noisy_marginals([("a",)], share=0.3)
    table.noisy_votes(VOTES)
    assert 0.9999 * ledger.budget.epsilon < ledger.spent() <= ledger.budget.epsilon
    with pytest.raises(RefusedError):
        table.noisy_votes(VOTES)


@pytest.mark.statistical
def test_each_vote_has_noise_of_its_own_and_of_the_size_that_was_charged(keystream):
    """Chi-squared, and correlation of neighbours; false alarm 2e-7."""
    book = Ledger(Budget(epsilon=1.0, delta=1e-6))
    book.set_rows(declared_rows(1000))
    seen, sigma = table_of(book, keystream(3)).noisy_votes(VOTES)
    noise = (seen[:, 0] - 3.5) / sigma  # seven teachers who know next to nothing
    assert chi2.ppf(5e-8, 400) < (noise**2).sum() < chi2.isf(5e-8, 400)
    assert abs(noise[1:] @ noise[:-1]) / np.sqrt(399) < 5.4
