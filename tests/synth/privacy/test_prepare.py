"""What is charged depends on the schema alone; what is learnt is sensible; neighbours differ by the noisy sums only."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from synth.column import can_hold
from synth.errors import RefusedError
from synth.privacy.accounting import total_mu
from synth.privacy.budget import Budget
from synth.privacy.exact import VALUE_CLASSES, bucket_edges
from synth.privacy.ingest import open_frame
from synth.privacy.ledger import Ledger
from synth.privacy.prepare import guess_bounds, guess_kind, prepare
from synth.progress import Silent
from synth.schema import Column, Kind, Outside, Schema, undeclared


class Recorder(Silent):
    def __init__(self):
        self.said = []

    def phase(self, name, total=None):
        self.said.append((name, total))


def run(frame, schema, entropy, epsilon=10.0, delta=1e-6):
    book, recorder = Ledger(Budget(epsilon=epsilon, delta=delta)), Recorder()
    table, codec = prepare(open_frame(frame, schema, book, entropy=entropy), recorder)
    return book, table, codec, recorder


def mixed(n=3000):
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "whole": rng.integers(-3, 200, n),
            "money": np.round(rng.lognormal(3, 1, n), 2),
            "real": rng.normal(size=n),
            "day": (np.datetime64("2010-01-01") + rng.integers(0, 3000, n)).astype(str),
            "flag": rng.random(n) < 0.4,
            "town": rng.choice(["Ulm", "Aix", "Bath"], n),
        }
    )


def test_undeclared_columns_are_recognised(keystream):
    book, table, codec, recorder = run(mixed(), None, keystream(1), epsilon=20.0)
    kinds = [c.kind for c in codec.schema.columns]
    assert kinds == [Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.DATETIME, Kind.BOOLEAN, Kind.CATEGORY]
    assert codec.schema["money"].precision == 2
    assert codec.schema["day"].format == "%Y-%m-%d"
    assert codec.columns[5].categories == ("Aix", "Bath", "Ulm")
    low, high = codec.schema["whole"].bounds
    assert low <= -3 < 199 <= high < 600
    assert table.domain == codec.domain
    assert {m.names for m in table.measured} == {("whole",), ("money",), ("real",), ("day",), ("town",)}
    assert recorder.said[0][0] == "counting rows"
    assert all(total is None for _, total in recorder.said)
    assert book.spent() < 20.0


def charged(book):
    return [dataclasses.asdict(e) for e in book.events]


def neighbours(frame, row):
    wider = frame.astype(object)
    return wider, pd.concat([wider, pd.DataFrame([row], columns=frame.columns, dtype=object)], ignore_index=True)


EXTREME = {"age": 1e300, "pay": "ZZZ", "score": -np.inf, "member": "?", "town": "ZZZ", "size": None, "seen": "0001-01-01"}


@pytest.mark.parametrize("row", [EXTREME, dict.fromkeys(EXTREME)])
def test_neighbours_of_a_declared_table_are_charged_alike_and_differ_by_one_cell(row, frame, declared, keystream):
    found = [run(f, declared, keystream(2)) for f in neighbours(frame, row)]
    assert charged(found[0][0]) == charged(found[1][0])
    assert [c.to_dict() | {"weights": 0, "starts": 0} for c in found[0][2].columns] == [
        c.to_dict() | {"weights": 0, "starts": 0} for c in found[1][2].columns
    ]
    columns = zip(found[0][2].columns[:3], found[1][2].columns[:3], strict=True)
    for (left, right), before, after in zip(columns, found[0][1].measured, found[1][1].measured, strict=False):
        assert before.names == after.names == (left.column.name,)
        if left.starts == right.starts:  # bins may move with the one cell
            assert np.abs(after.counts - before.counts).sum() <= 3


def test_a_fully_declared_table_pays_only_for_bins(frame, declared, keystream):
    book, table, codec, _ = run(frame, declared, keystream(3))
    wide = {("single values", (n,)) for n in ("pay", "score", "seen")}  # more values than cells
    bins = {("histogram", (n,)) for n in ("age", "pay", "score", "seen")}
    assert {(e.what, e.target) for e in book.events} == bins | wide | {("round values", ("pay",))}
    assert table.rows.public
    assert codec.schema == declared


def test_closed_categories_alone_cost_nothing(frame, declared, keystream):
    schema = Schema(columns=(declared["town"], declared["size"]), public_rows=400)
    book, table, _, _ = run(frame[["town", "size"]], schema, keystream(9))
    assert book.events == ()
    assert table.measured == ()


SCHEMAS = {
    "all texts": (pd.DataFrame({"a": ["x", "y"] * 300, "b": ["u"] * 600}), "histograms (not needed)"),
    "all numbers": (pd.DataFrame({"a": list(range(600)), "b": [0.5] * 600}), "category domain (not needed)"),
    "all flags": (pd.DataFrame({"a": [True, False] * 300, "b": [True] * 600}), "bounds (not needed)"),
}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_phases_with_nothing_to_ask_burn_their_share(kind, keystream):
    frame, burnt = SCHEMAS[kind]
    book, *_ = run(frame, undeclared(("a", "b")), keystream(4))
    assert burnt in {e.what for e in book.events}
    reference, *_ = run(mixed()[["whole", "town"]], None, keystream(4))
    assert total_mu(book.events) == pytest.approx(total_mu(reference.events), rel=1e-2)
    assert book.rows.highest != 0


@pytest.mark.parametrize("row", [("ZZZ", "ZZZ"), (1e300, "1"), (None, None)])
def test_an_undeclared_table_and_its_neighbour_are_charged_the_same_totals(row, keystream):
    frame = mixed(2000)[["whole", "town"]]
    books = [run(f, None, keystream(5))[0] for f in neighbours(frame, row)]
    assert charged(books[0]) == charged(books[1])


def test_noisy_row_counts_of_neighbours_differ_by_one(keystream):
    counts = [run(f, None, keystream(6))[1].rows.estimate for f in neighbours(mixed(500)[["whole"]], [5])]
    assert counts[1] - counts[0] == 1


def test_too_few_rows_are_refused_without_telling_how_many(keystream):
    with pytest.raises(RefusedError, match="too few rows to learn from") as caught:
        run(mixed(7), None, keystream(7), epsilon=0.5)
    assert " 7 " not in str(caught.value)


def test_columns_that_cannot_be_null_have_no_missing_code(keystream):
    schema = Schema(
        columns=(
            Column(name="n", kind=Kind.INTEGER, bounds=(0, 9), nullable=False),
            Column(name="c", kind=Kind.CATEGORY, nullable=False),
        ),
        public_rows=1000,
    )
    rows = pd.DataFrame({"n": [1, 2] * 500, "c": ["a", "b"] * 500})
    _, table, codec, _ = run(rows, schema, keystream(8))
    assert not any(c.missing for c in codec.columns)
    assert [len(m.counts) for m in table.measured] == list(table.domain.sizes)


def classes(**counts):
    return np.array([counts.get(name, 0) for name in VALUE_CLASSES])


@pytest.mark.parametrize(
    ("counts", "kind", "precision"),
    [
        ({"integer": 1000, "missing": 500}, Kind.INTEGER, None),
        ({"integer": 995, "decimal_1": 5}, Kind.INTEGER, None),
        ({"integer": 500, "decimal_1": 100, "decimal_2": 400}, Kind.DECIMAL, 2),
        ({"float": 500, "decimal_2": 500}, Kind.FLOAT, None),
        ({"date": 1000}, Kind.DATETIME, None),
        ({"date": 500, "datetime": 500}, Kind.DATETIME, None),
        ({"boolean": 1000}, Kind.BOOLEAN, None),
        ({"integer": 500, "text": 500}, Kind.CATEGORY, None),
        ({"missing": 1000}, Kind.CATEGORY, None),
        ({"integer": 5}, Kind.CATEGORY, None),
    ],
)
def test_kinds_follow_the_great_majority_of_cells(counts, kind, precision):
    found = guess_kind(Column(name="x"), classes(**counts), 3.0)
    assert (found.kind, found.precision) == (kind, precision)


@pytest.mark.parametrize("looks", VALUE_CLASSES)
@pytest.mark.parametrize(
    "dtype", ["float64", "bool", "string", "decimal128(8, 2)", "date32[day]", "timedelta64[ns]", "time64[us]"]
)
def test_noise_never_finds_a_kind_that_the_type_cannot_hold(dtype, looks):
    """What cells of the type cannot look like is noise, and no reason to end a run that was paid for."""
    column = Column(name="x", dtype=dtype)
    found = guess_kind(column, classes(**{looks: 1000}), 3.0)
    assert found.kind in (Kind.CATEGORY, Kind.TEXT) or can_hold(column, found.kind)
    assert guess_kind(column, classes(integer=1000), 3.0).kind is (
        Kind.INTEGER if can_hold(column, Kind.INTEGER) else Kind.CATEGORY
    )


@pytest.mark.parametrize("outside", [None, *Outside])
@pytest.mark.parametrize("counts", [{"integer": 1000}, {"date": 1000}, {"boolean": 1000}, {"text": 1000}])
def test_a_declared_policy_never_contradicts_the_learnt_kind(outside, counts):
    found = guess_kind(Column(name="x", outside=outside), classes(**counts), 3.0)
    assert found.outside in (None, outside)


def test_bounds_are_the_outermost_occupied_buckets():
    for column, low, high, wanted in (
        (Column(name="x", kind=Kind.FLOAT), 2.0, 1000.0, (2.0, 1024.0)),
        (Column(name="x", kind=Kind.INTEGER), -3.0, 100.0, (-3.0, 127.0)),
        (Column(name="x", kind=Kind.INTEGER), 0.0, 0.0, (0.0, 0.0)),
        (Column(name="x", kind=Kind.INTEGER), 0.25, 0.25, (0.0, 0.0)),
        (Column(name="x", kind=Kind.INTEGER), 1.0, 1.5, (1.0, 1.0)),
        (Column(name="x", kind=Kind.INTEGER), -1.5, -1.5, (-1.0, -1.0)),
    ):
        edges = bucket_edges(column)
        counts = np.zeros(len(edges) - 1, dtype=np.int64)
        counts[np.searchsorted(edges, [low, high], side="right") - 1] = 1000
        assert guess_bounds(column, counts, 5.0) == wanted


def test_bounds_of_datetimes_are_dates_and_none_occupied_takes_the_fullest():
    column = Column(name="x", kind=Kind.DATETIME)
    counts = np.zeros(len(bucket_edges(column)) - 1, dtype=np.int64)
    counts[210] = 3
    low, high = guess_bounds(column, counts, 5.0)
    assert (low, high) == ("2010-01-01T00:00:00", "2010-12-31T00:00:00")
    dates = Column(name="x", kind=Kind.DATETIME, format="%Y-%m-%d")
    assert guess_bounds(dates, counts, 5.0) == ("2010-01-01", "2010-12-31")


@pytest.mark.parametrize(
    ("counts", "kind", "granularity"),
    [
        ({"clock": 99, "time": 1}, Kind.TIME, None),
        ({"clock": 100}, Kind.TIME, "minute"),
        ({"duration": 100}, Kind.DURATION, None),
        ({"prose": 100}, Kind.TEXT, None),
    ],
)
def test_times_durations_and_prose_are_told(counts, kind, granularity):
    found = guess_kind(Column(name="x"), np.array([counts.get(name, 0) for name in VALUE_CLASSES]), 0.1)
    assert (found.kind, found.granularity) == (kind, granularity)


def test_noise_alone_does_not_make_a_column_free_text():
    noisy = np.array([40.0 if name == "prose" else 0.0 for name in VALUE_CLASSES])
    assert guess_kind(Column(name="x"), noisy, 10.0).kind is Kind.CATEGORY
    assert guess_kind(Column(name="x"), noisy, 5.0).kind is Kind.TEXT


def test_free_text_is_refused_with_what_to_do(keystream):
    frame = pd.DataFrame({"a": [1, 2] * 200, "note": ["word " * 40] * 400})
    with pytest.raises(RefusedError, match=r"'note' is free text, .* drop it, or declare it"):
        run(frame, Schema(columns=(Column(name="a"), Column(name="note")), public_rows=400), keystream("prose"))


def test_learnt_bounds_stay_inside_the_type():
    buckets = np.zeros(len(bucket_edges(Column(name="x", kind=Kind.INTEGER))) - 1)
    buckets[[0, -1]] = 1000
    assert guess_bounds(Column(name="x", kind=Kind.INTEGER, dtype="uint8"), buckets, 1.0) == (0, 255)
    low, high = guess_bounds(Column(name="x", kind=Kind.DURATION), buckets, 1.0)
    assert Column(name="x", kind=Kind.DURATION, bounds=(low, high)).numeric_bounds() == (low, high)
