"""The doors to raw cells: charged first, integers plus noise out; one row moves them by what was charged."""

import math

import numpy as np
import pandas as pd
import pytest

from synth.encoding.axis import make_axis, split_axis
from synth.encoding.category import closed_codec
from synth.encoding.codec import Codec
from synth.encoding.hierarchy import level_sizes
from synth.encoding.rounding import units_of
from synth.errors import AccountingError, RefusedError
from synth.privacy import frame
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.chain import read_ledger
from synth.privacy.exact import VALUE_CLASSES, bucket_edges
from synth.privacy.frame import PrivateFrame, exact_digests
from synth.privacy.ledger import Ledger
from synth.schema import Column, Kind, Schema

N = Column(name="n", kind=Kind.INTEGER, bounds=(0, 9))
WIDE = Column(name="n", kind=Kind.INTEGER, bounds=(-5000, 5000))
C = Column(name="c", kind=Kind.CATEGORY)
SCHEMA = Schema(columns=(N, C))
ROWS = pd.DataFrame({"n": [1, 2, 2, None, 50, -3], "c": ["u", "u", "v", None, "w", "u"]})


def levels(frame, sigma):
    split = split_axis(make_axis(N, (0, 9)), np.empty(0))
    found, gone, spread = frame.noisy_levels(N, split, mu=math.sqrt(len(level_sizes(split.cells))) / sigma)
    assert spread == pytest.approx(sigma)
    return np.array([*np.concatenate(found), gone])


def beside_singles(frame, sigma):
    split = split_axis(make_axis(WIDE, (-5000, 5000)), np.array([2.0, 50.0]))
    found, gone, _ = frame.noisy_levels(WIDE, split, mu=math.sqrt(len(level_sizes(split.cells))) / sigma)
    return np.array([*np.concatenate(found), gone])


def roundness(frame, sigma):
    axis = make_axis(WIDE, (-5000, 5000))
    group = np.arange(axis.cells) * 3 // axis.cells
    return frame.noisy_roundness(WIDE, axis, np.where(group == 2, -1, group), units_of(WIDE, axis), sigma=sigma)


def singles(frame, sigma):
    return [v for v in frame.named_numbers(WIDE, make_axis(WIDE, (-5000, 5000)), sigma=sigma, delta=1e-9).items()]


def shared(frame, sigma):
    known = PrivateFrame(ROWS.iloc[:3], SCHEMA, Ledger(Budget(epsilon=1.0, delta=1e-5)))._PrivateFrame__rows
    digests = np.unique(np.concatenate(list(exact_digests(known, (N, C), SCHEMA.missing))))
    return [frame.noisy_shared_rows(digests, (N, C), sigma=sigma)]


ASKS = {
    "shared rows": shared,
    "beside singles": beside_singles,
    "roundness": roundness,
    "singles": singles,
    "row count": lambda f, s: [f.noisy_row_count(sigma=s)],
    "classes": lambda f, s: f.noisy_value_classes("n", sigma=s),
    "magnitudes": lambda f, s: f.noisy_magnitudes(N, sigma=s),
    "levels": lambda f, s: levels(f, s),
    "values": lambda f, s: [v for v in f.named_values(C, sigma=s, delta=1e-9).items()],
}


def frame_of(rows, ledger, entropy):
    return PrivateFrame(rows, SCHEMA, ledger, entropy)


@pytest.mark.parametrize("ask", ASKS)
def test_every_answer_of_the_frame_is_charged_before_entropy_is_asked_for(ask, tmp_path, keystream):
    path, stream, seen = tmp_path / "l", keystream(1), []

    def entropy(n):
        seen.append([r["record"] for r in read_ledger(path)])
        return stream(n)

    ASKS[ask](frame_of(ROWS, Ledger(Budget(epsilon=50.0, delta=1e-5), path), entropy), 3.0)
    assert seen
    assert all(records == ["run", "event"] for records in seen)


@pytest.mark.parametrize("ask", ASKS)
def test_refusals_of_the_frame_ask_for_no_entropy_and_tell_no_value(ask, script):
    with pytest.raises((RefusedError, AccountingError)) as caught:
        ASKS[ask](frame_of(ROWS, Ledger(Budget(epsilon=0.1, delta=1e-6)), script()), 0.05)
    assert "50" not in str(caught.value).replace("0.050", "")


@pytest.mark.parametrize("extra", [(3, "u"), (2, "u"), (None, None), (1e300, "u"), (-7, "v"), (9, "w"), ("x", "w")])
@pytest.mark.parametrize("ask", ["row count", "classes", "magnitudes", "levels", "beside singles", "roundness", "shared rows"])
def test_under_equal_noise_one_more_row_moves_one_count_by_one(ask, extra, keystream):
    answers, charged = [], []
    for rows in (
        ROWS.astype(object),
        pd.concat([pd.DataFrame([extra], columns=["n", "c"], dtype=object), ROWS.astype(object)]),
    ):
        book = Ledger(Budget(epsilon=50.0, delta=1e-5))
        answers.append(np.asarray(ASKS[ask](frame_of(rows.reset_index(drop=True), book, keystream(2)), 3.0)))
        (event,) = book.events
        assert event.sigma == pytest.approx(3.0)
        charged.append(event)
    moved = np.abs(answers[1] - answers[0])
    assert charged[0] == charged[1]
    assert (moved**2).sum() <= charged[0].l2_sensitivity ** 2 * (1 + 1e-12)
    if ask in ("row count", "classes", "magnitudes"):
        assert moved.sum() == (0 if ask == "magnitudes" and extra[0] in (None, "x") else 1)
    if ask == "roundness":
        assert moved.sum() <= 1
    if ask == "shared rows":
        assert moved.sum() == (extra == (2, "u"))


def test_answers_are_the_exact_counts_plus_noise(ledger, keystream):
    frame, quiet = frame_of(ROWS, Ledger(Budget(epsilon=100.0, delta=1e-3)), keystream(3)), 0.12
    assert frame.noisy_row_count(sigma=quiet) == 6
    classes = dict(zip(VALUE_CLASSES, frame.noisy_value_classes("n", sigma=0.2), strict=True))
    assert (classes["missing"], classes["integer"]) == (1, 5)
    frame = frame_of(ROWS, Ledger(Budget(epsilon=100.0, delta=1e-3)), keystream(3))
    counts = levels(frame, 0.3)
    assert np.abs(counts[:10] - [1, 1, 2, 0, 0, 0, 0, 0, 0, 1]).max() <= 1
    assert abs(counts[-1] - 1) <= 1
    frame = frame_of(ROWS, Ledger(Budget(epsilon=100.0, delta=1e-3)), keystream(3))
    buckets = frame.noisy_magnitudes(N, sigma=0.15)
    assert buckets.shape == (len(bucket_edges(N)) - 1,)
    assert buckets.sum() == 5


def test_named_values_are_those_of_many_rows(keystream):
    rows = pd.DataFrame({"n": 1, "c": ["often"] * 900 + ["also"] * 500 + ["SECRET"]})
    book = Ledger(Budget(epsilon=5.0, delta=1e-5))
    named = frame_of(rows, book, keystream(4)).named_values(C, sigma=8.0, delta=1e-6)
    assert list(named) == ["also", "often"]
    assert (book.events[0].delta, book.events[0].target) == (1e-6, ("c",))


def test_burning_charges_what_asking_would(ledger, script):
    asked, burnt = ledger, Ledger(ledger.budget)
    burnt.set_rows(declared_rows(1000))
    frame = frame_of(ROWS, burnt, script())
    frame.burn("bounds", sigma=9.0)
    frame.burn_selection("category domain", sigma=9.0, delta=1e-8)
    other = PrivateFrame(ROWS, SCHEMA, asked, lambda n: b"\x11" * n)
    other.noisy_magnitudes(N, sigma=9.0)
    other.named_values(C, sigma=9.0, delta=1e-8)
    assert burnt.spent() == asked.spent() > 0
    assert [e.mu for e in burnt.events] == [e.mu for e in asked.events]


def test_encoding_costs_nothing_and_wide_domains_get_wide_codes(ledger, script):
    wide = Column(name="c", kind=Kind.CATEGORY, categories=tuple(f"v{i}" for i in range(66_000)))
    for column, kind in ((Column(name="c", kind=Kind.CATEGORY, categories=("u",)), np.uint8), (wide, np.int32)):
        frame = PrivateFrame(ROWS[["c"]], Schema(columns=(column,)), ledger, script())
        table = frame.encode(Codec(Schema(columns=(column,)), (closed_codec(column),)), declared_rows(6), [])
        ((found,),) = table._PrivateTable__codes.blocks([0])
        assert found.dtype == kind
        assert table.domain.sizes == (len(column.categories) + 1,)
    assert ledger.events == ()


@pytest.mark.parametrize("kind", [None, Kind.CATEGORY])
def test_codes_know_what_was_declared_of_the_target_whatever_was_learnt(kind, ledger, script):
    """The codec holds a kind that noisy answers found."""
    found = Column(name="c", kind=Kind.CATEGORY, categories=("u",))
    declared = Schema(columns=(Column(name="c", kind=kind),), target="c")
    frame = PrivateFrame(ROWS[["c"]], declared, ledger, script())
    table = frame.encode(Codec(Schema(columns=(found,), target="c"), (closed_codec(found),)), declared_rows(6), [])
    assert table.number is (kind is None)
    assert table.coarsen([np.zeros(2, dtype=np.int64)]).number is table.number


def test_named_numbers_are_those_of_many_rows_on_the_grid(keystream):
    rows = pd.DataFrame(
        {"n": ["700"] * 900 + ["-0"] * 300 + [0] * 300 + [9e9] * 500 + [699.6] * 10 + [4321, None, "x"], "c": "u"}
    )
    book = Ledger(Budget(epsilon=5.0, delta=1e-5))
    named = frame_of(rows, book, keystream(4)).named_numbers(WIDE, make_axis(WIDE, (-5000, 5000)), sigma=8.0, delta=1e-6)
    assert list(named) == [0.0, 700.0, 5000.0]
    assert np.abs(np.array(list(named.values())) - [600, 910, 500]).max() < 8 * 6
    assert (book.events[0].delta, book.events[0].target, book.events[0].what) == (1e-6, ("n",), "single values")


def test_numbers_are_told_apart_in_parts_where_they_may_be_many(keystream, monkeypatch):
    monkeypatch.setattr(frame, "DISTINCT", 100)
    rows = pd.DataFrame({"n": [-7, 12, 700] * 300 + list(range(900, 1000)), "c": "u"})
    book = Ledger(Budget(epsilon=5.0, delta=1e-5))
    named = frame_of(rows, book, keystream(4)).named_numbers(WIDE, make_axis(WIDE, (-5000, 5000)), sigma=8.0, delta=1e-6)
    assert list(named) == [-7.0, 12.0, 700.0]
    assert len(book.events) == 1


def test_rows_at_single_values_are_not_counted_again(keystream):
    rows = pd.DataFrame({"n": [2] * 500 + [50] * 500 + [51] * 40 + [None] * 30, "c": "u"})
    counts = beside_singles(frame_of(rows, Ledger(Budget(epsilon=100.0, delta=1e-3)), keystream(5)), 0.2)
    fine = counts[: make_axis(WIDE, (-5000, 5000)).cells]
    assert abs(fine.max() - 40) <= 1
    assert np.abs(np.sort(fine)[:-1]).max() <= 2
    assert abs(counts[-1] - 30) <= 1


def test_roundness_counts_the_largest_unit_that_divides(keystream):
    rows = pd.DataFrame({"n": [-4000] * 50 + [-3450] * 30 + [-3001] * 20 + [4500] * 70, "c": "u"})
    counts = roundness(frame_of(rows, Ledger(Budget(epsilon=100.0, delta=1e-3)), keystream(6)), 0.2)
    units = units_of(WIDE, make_axis(WIDE, (-5000, 5000)))
    assert units.steps == (1, 5, 10, 50, 100, 500, 1000)
    wanted = np.zeros((2, units.classes))
    wanted[0, [6, 3, 0]] = 50, 30, 20
    assert np.abs(counts - wanted).max() <= 1  # the third group is left out
