import numpy as np
import pandas as pd
import pytest

from evaluation.bench.simulators import SIMULATORS, houses, parity
from evaluation.fidelity.validity import validity_table
from evaluation.inputs import prepare
from evaluation.utility.task import define_task
from evaluation.utility.tstr import train_and_test
from synth.schema import Kind
from synth.schema_toml import schema_to_toml

SHAPES = {"parity": (20_000, 10_000, 7), "parity_off": (20_000, 10_000, 7), "copula": (20_000, 10_000, 13),
          "heavy": (20_000, 10_000, 13), "wide60": (20_000, 10_000, 60), "houses": (17_000, 4_000, 19)}  # fmt: skip


@pytest.fixture(scope="module")
def drawn():
    return {name: simulate(0) for name, simulate in SIMULATORS.items()}


@pytest.mark.parametrize("name", SHAPES)
def test_sizes_and_declared_facts_hold(drawn, name):
    train, test, schema = drawn[name]
    assert (len(train), len(test), len(schema.columns)) == SHAPES[name]
    assert schema.name == name
    assert schema.target is not None
    assert tuple(train.columns) == tuple(test.columns) == schema.names
    for part in (train, test):
        assert (validity_table(part, schema)["Valid share"] == 1).all()
    assert "[[columns]]" in schema_to_toml(schema)


def test_a_function_of_the_seed(drawn):
    again, _, schema = parity(0)
    pd.testing.assert_frame_equal(again, drawn["parity"][0])
    other, _, same = parity(1)
    assert not other.equals(again)
    assert schema == same


def test_bounds_do_not_follow_the_rows():
    assert houses(0)[2] == houses(1)[2]


@pytest.mark.parametrize(("name", "cut", "odd"), [("parity", 0.0, 0.5), ("parity_off", -0.5244, None)])
def test_the_parity_is_the_label(drawn, name, cut, odd):
    train = drawn[name][0]
    truth = (train[["x1", "x2", "x3"]] > cut).sum(axis=1) % 2 == 1
    said = train["label"] == "yes"
    assert (truth != said).mean() == pytest.approx(0.02, abs=0.005)
    if odd:
        assert said.mean() == pytest.approx(odd, abs=0.02)
        for x in train.columns[:6]:
            assert said[train[x] > 0].mean() == pytest.approx(0.5, abs=0.03)


def test_money_is_mostly_zero_and_heaped(drawn):
    train, _, schema = drawn["heavy"]
    money = [c for c in train if c.startswith("money")]
    zeros = (train[money] == 0).mean()
    assert zeros.min() == pytest.approx(0.3, abs=0.03)
    assert zeros.max() == pytest.approx(0.9, abs=0.03)
    paid = train["money1"][train["money1"] > 0]
    assert (paid % 100 == 0).mean() > 0.55
    assert paid.quantile(0.999) > 30 * paid.median()
    assert schema["money1"].bounds == (0, 10_000_000)


def test_kinds_are_mixed(drawn):
    assert {c.kind for c in drawn["wide60"][2].columns} == {Kind.DECIMAL, Kind.INTEGER, Kind.CATEGORY}
    assert {c.kind for c in drawn["houses"][2].columns} >= {Kind.DATETIME, Kind.INTEGER, Kind.DECIMAL, Kind.CATEGORY}
    assert len(drawn["houses"][2]["zipcode"].categories) == 70


CEILINGS = {"parity": ("auc", 0.95, 0.99), "copula": ("auc", 0.87, 0.95), "heavy": ("auc", 0.85, 0.95),
            "houses": ("r2", 0.84, 0.89)}  # fmt: skip


@pytest.mark.parametrize("name", CEILINGS)
def test_real_rows_teach_trees_what_was_put_in(drawn, name):
    train, test, schema = drawn[name]
    tables = prepare(train, test, train, schema)
    task = define_task(tables.real, schema, schema.target)
    metric, low, high = CEILINGS[name]
    found = train_and_test(tables.real, tables.holdout, schema, task)[metric].value
    assert low < found < high


def test_columns_of_a_cluster_hang_together(drawn):
    train = drawn["wide60"][0]
    inside = np.abs(train[["c1_level", "c1_count", "c1_paid"]].corr().to_numpy()[np.triu_indices(3, 1)]).max()
    across = abs(train["c1_level"].corr(train["c2_level"]))
    assert inside > 0.1
    assert across < 0.05
