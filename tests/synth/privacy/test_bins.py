"""What numeric columns cost is fixed by the declared schema; heavy values come back exactly; nothing leaves the grid."""

import numpy as np
import pandas as pd
import pytest

from synth.encoding.axis import make_axis, split_axis
from synth.privacy import bins
from synth.privacy.accounting import total_mu
from synth.privacy.bins import CELLS_SHARE, ROUNDING_SHARE, SINGLES_SHARE, learn_bins, public_counts
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.ingest import open_frame
from synth.privacy.ledger import Ledger
from synth.privacy.rows import MemoryRows
from synth.privacy.shares import SELECTION_SHARE, measurement_mu
from synth.schema import Column, Kind, Schema

N = 4000
WIDE = Column(name="pay", kind=Kind.INTEGER, bounds=(0, 100_000), nullable=False)
REAL = Column(name="real", kind=Kind.FLOAT, bounds=(-1.0, 1.0))
FINE = Column(name="age", kind=Kind.INTEGER, bounds=(0, 120))
TOWN = Column(name="town", kind=Kind.CATEGORY)


def rows(n=N, seed=0):
    rng = np.random.default_rng(seed)
    pay = np.where(rng.random(n) < 0.5, 15_024, np.rint(rng.lognormal(8, 1, n) / 100) * 100)
    real = np.where(rng.random(n) < 0.3, 0.25, rng.uniform(-0.5, 0.9, n))
    town = rng.choice(["u", "v"], n)
    return pd.DataFrame({"pay": np.clip(pay, 0, 100_000), "real": real, "age": rng.integers(0, 90, n), "town": town})


def learn(frame, columns, declared, entropy, epsilon=5.0, extra=()):
    schema = Schema(columns=(*declared, *extra))
    book = Ledger(Budget(epsilon=epsilon, delta=1e-6))
    count = declared_rows(len(frame))
    book.set_rows(count)
    private = open_frame(frame[list(schema.names)], schema, book, entropy=entropy)
    return book, *learn_bins(private, schema, tuple(columns), count)


def test_values_that_many_rows_share_come_back_exactly(keystream):
    frame = rows()
    _, codecs, tables = learn(frame, (WIDE, REAL), (WIDE, REAL), keystream(1))
    for name, value in (("pay", 15_024), ("real", 0.25)):
        values = frame[name].to_numpy(dtype=float)
        codec = codecs[name]
        decoded = codec.decode(codec.encode(values), np.random.default_rng(0))
        assert ((values == value) == (decoded == value)).mean() > 0.99
        assert [t.counts.shape for t in tables if t.names == (name,)] == [(codec.size,)]


def test_round_values_come_back_round_and_others_do_not(keystream):
    frame, rng = rows(20_000), np.random.default_rng(1)
    frame["age"] = rng.integers(0, 100_000, len(frame))
    plain = Column(name="age", kind=Kind.INTEGER, bounds=(0, 100_000))
    _, codecs, _ = learn(frame, (WIDE, plain), (WIDE, plain), keystream(2))
    assert codecs["age"].rounding is None
    codec = codecs["pay"]
    decoded = codec.decode(codec.encode(frame["pay"].to_numpy(dtype=float)), rng)
    assert (decoded % 100 == 0).mean() > 0.9 * (frame["pay"] % 100 == 0).mean()


UNKNOWN = (Column(name="pay"), Column(name="real"), Column(name="age"))
CASES = {
    "wide": ((WIDE, FINE), (WIDE, FINE), SINGLES_SHARE + CELLS_SHARE + ROUNDING_SHARE, 1),
    "floats": ((REAL, FINE), (REAL, FINE), SINGLES_SHARE + CELLS_SHARE, 1),
    "fine": ((FINE,), (FINE,), CELLS_SHARE, 0),
    "undeclared, wide": ((WIDE, REAL, FINE), UNKNOWN, SINGLES_SHARE + CELLS_SHARE + ROUNDING_SHARE, 1),
    "undeclared, fine": ((FINE,), UNKNOWN[2:], SINGLES_SHARE + CELLS_SHARE + ROUNDING_SHARE, 1),
    "undeclared, texts": ((), UNKNOWN, SINGLES_SHARE + CELLS_SHARE + ROUNDING_SHARE, 1),
    "no numbers": ((), (TOWN,), 0.0, 0),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_spent_is_fixed_by_the_declared_facts(case, keystream):
    columns, declared, share, selections = CASES[case]
    book, *_ = learn(rows(500), columns, declared, keystream(3))
    mu = measurement_mu(book)
    assert sum(e.mu**2 for e in book.events) == pytest.approx(share * mu**2)
    delta = sum(getattr(e, "delta", 0.0) for e in book.events)
    assert delta == pytest.approx(selections * SELECTION_SHARE / 2 * book.working_delta)
    if book.events:
        assert total_mu(book.events) == pytest.approx(np.sqrt(share) * mu)


@pytest.mark.parametrize("value", [15_024, 7, 100_000, None])
def test_neighbours_are_charged_alike(value, keystream):
    frame = rows(1000).astype(object)
    more = pd.concat([frame, pd.DataFrame([[value, value, value, "u"]], columns=frame.columns, dtype=object)])
    books = [learn(f, (WIDE, REAL, FINE), (WIDE, REAL, FINE), keystream(4))[0] for f in (frame, more.reset_index(drop=True))]
    assert books[0].events == books[1].events


def test_a_column_whose_every_row_is_a_single_value_still_has_bins(keystream, monkeypatch):
    monkeypatch.setattr(bins, "MAX_SINGLES", 2)
    frame = pd.DataFrame({"pay": [0, 50_000, 100_000] * 500, "real": None, "age": 1, "town": "u"})
    _, codecs, tables = learn(frame, (WIDE, REAL), (WIDE, REAL), keystream(5))
    assert len(tables) == 2
    assert codecs["real"].decode(codecs["real"].encode(np.full(5, np.nan)), np.random.default_rng(0)).shape == (5,)
    alone = np.flatnonzero(codecs["pay"].axis.room() == 1)
    assert len(alone) >= 2


def test_public_rows_are_counted_as_private_ones():
    split = split_axis(make_axis(FINE, (0, 120)), np.array([40.0]))
    beside = MemoryRows(pd.DataFrame({"age": ["3", "3", "40", "", "200"]}))
    counts = public_counts(beside, FINE, split, ("",))
    assert (counts.sum(), counts[3], counts[120]) == (3.0, 2.0, 1.0)  # 40 is a single value


def test_public_rows_beside_cost_nothing_and_shape_what_the_noise_hides(keystream):
    schema, frame = Schema(columns=(FINE,)), rows()[["age"]]
    heaped = pd.DataFrame({"age": (np.random.default_rng(1).integers(0, 18, 4000) * 5).astype(str)})
    private = pd.DataFrame({"age": np.random.default_rng(2).integers(0, 18, N) * 5})
    spent, weights = [], []
    for table, beside in ((private, MemoryRows(heaped)), (private, None), (frame, MemoryRows(heaped))):
        book = Ledger(Budget(epsilon=0.3, delta=1e-6))
        count = declared_rows(N)
        book.set_rows(count)
        held = open_frame(table, schema, book, entropy=keystream(1))
        codecs, _ = learn_bins(held, schema, (FINE,), count, beside)
        spent.append(book.events)
        mass = np.asarray(codecs["age"].weights)
        weights.append(mass[: 18 * 5 : 5].sum() / mass.sum())
    assert spent[0] == spent[1] == spent[2]
    assert weights[0] > 0.9
    assert weights[2] < 0.5
