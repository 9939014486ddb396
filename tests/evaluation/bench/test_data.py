import pandas as pd
import pytest

from evaluation.bench.data import check_data, load_data
from evaluation.bench.simulators import SIMULATORS
from synth.catalog import card, cards
from synth.errors import InputError


def test_a_quarter_is_held_out_and_always_the_same():
    pytest.importorskip("statsmodels")
    data, again = load_data("randhie"), load_data("randhie")
    assert len(data.train) + len(data.test) == 20_190
    assert len(data.test) / 20_190 == pytest.approx(0.25, abs=0.015)
    pd.testing.assert_frame_equal(data.train, again.train)
    assert data.schema == card("randhie").schema


def test_simulators_are_data_sets():
    data = load_data("parity")
    assert (len(data.train), len(data.test)) == (20_000, 10_000)
    assert tuple(data.train.columns) == data.schema.names


def test_the_small_set_and_published_parts(monkeypatch):
    rows = pd.DataFrame({"row": range(5000)})
    monkeypatch.setattr("evaluation.bench.data.dataset_path", lambda name, part="train": (name, part))
    monkeypatch.setattr("evaluation.bench.data.read_table", lambda at: rows if at == ("adult", "train") else rows[:10])
    small, whole = load_data("adult2000"), load_data("adult")
    assert len(small.train) == small.train["row"].nunique() == 2000
    pd.testing.assert_frame_equal(small.train, load_data("adult2000").train)
    assert len(whole.train) == 5000
    assert len(small.test) == len(whole.test) == 10
    assert small.schema == whole.schema == card("adult").schema


def test_names():
    for name in (*(c.name for c in cards()), *SIMULATORS, "adult2000"):
        check_data(name)
    with pytest.raises(InputError, match=r"no data set 'nope'; choose from adult, .*adult2000, parity"):
        load_data("nope")
