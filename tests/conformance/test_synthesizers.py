"""What every entry of the registry has to keep: the budget, the domain, the seed, and the file."""

import dataclasses
import math
import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from synth.conditions import Condition
from synth.errors import InputError
from synth.models.base import Fitted, Run
from synth.models.measured.mixture import MixturePlan
from synth.privacy.accounting import epsilon_of
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.events import GaussianEvent, SubsampledGaussianEvent, event_to_dict
from synth.privacy.ingest import open_frame
from synth.privacy.ledger import Ledger
from synth.privacy.prepare import prepare
from synth.privacy.vault import PrivateTable
from synth.progress import Silent
from synth.receipt import Receipt
from synth.registry import SYNTHESIZERS, make_synthesizer, synthesizer_class
from synth.release import Release, load
from synth.schema import Column, Kind, Outside, Schema
from synth.table import Domain

N = 1200
SMALL = {"steps": 3, "generator_steps": 2, "hidden": 16, "batch_size": 600, "generator_batch": 64,
         "rounds": 2, "iterations": 50}  # fmt: skip
TRAINED = ("hybrid", "dpvae", "dpgan")
EPSILON = {name: 12.0 if name in TRAINED else 6.0 for name in SYNTHESIZERS}  # DP-SGD is worth its budget from about 10 on
MEASURED = ("hybrid", "marginal", "dpvae", "dpgan", "pate", "perturbed")
NAMES = tuple(SYNTHESIZERS)

EVERY_KIND = Schema(
    columns=(
        Column(name="age", kind=Kind.INTEGER, bounds=(0, 120), nullable=False),
        Column(name="visits", kind=Kind.INTEGER, bounds=(0, 9), outside=Outside.NULL),
        Column(name="pay", kind=Kind.DECIMAL, precision=2, bounds=(0, 5000.5), nullable=False),
        Column(name="debt", kind=Kind.DECIMAL, precision=1, bounds=(-50, 50)),
        Column(name="score", kind=Kind.FLOAT, bounds=(-1.0, 1.0), nullable=False),
        Column(name="ratio", kind=Kind.FLOAT, bounds=(0.0, 1e6)),
        Column(name="member", kind=Kind.BOOLEAN, nullable=False),
        Column(name="smoker", kind=Kind.BOOLEAN),
        Column(name="town", kind=Kind.CATEGORY, categories=("Ulm", "Aix"), nullable=False),
        Column(name="region", kind=Kind.CATEGORY, categories=("N", "S"), outside=Outside.OTHER),
        Column(name="word", kind=Kind.CATEGORY, nullable=False),
        Column(name="size", kind=Kind.ORDINAL, categories=("S", "M", "L"), nullable=False),
        Column(name="grade", kind=Kind.ORDINAL, categories=("a", "b")),
        Column(name="seen", kind=Kind.DATETIME, bounds=("2000-01-01", "2020-12-31"), nullable=False),
        Column(name="left", kind=Kind.DATETIME, bounds=("2000-01-01", "2020-12-31"), format="%Y-%m-%d"),
        Column(name="only", kind=Kind.CATEGORY, categories=("one",), nullable=False),
        Column(name="same", kind=Kind.FLOAT, bounds=(3.25, 3.25), nullable=False),
        Column(name="fixed", kind=Kind.INTEGER, bounds=(7, 7), nullable=False),
    ),
    target="member",
    public_rows=N,
)


def rows_of_every_kind(n=N, seed=3):
    rng = np.random.default_rng(seed)

    def gaps(values, share=0.1):
        return pd.Series(values, dtype=object).where(rng.random(n) > share, None)

    return pd.DataFrame(
        {
            "age": rng.integers(0, 150, n),  # some beyond the bounds
            "visits": gaps(rng.integers(0, 12, n)),
            "pay": np.round(rng.lognormal(4, 1, n), 2),
            "debt": gaps(np.round(rng.normal(0, 20, n), 1)),
            "score": rng.uniform(-1, 1, n),
            "ratio": gaps(rng.lognormal(2, 3, n)),
            "member": rng.random(n) < 0.3,
            "smoker": gaps(rng.choice(["yes", "no"], n)),
            "town": rng.choice(["Ulm", "Aix", "Rome"], n, p=[0.6, 0.3, 0.1]),
            "region": gaps(rng.choice(["N", "S", "W"], n)),
            "word": rng.choice(["x", "y", "z"], n),
            "size": rng.choice(["S", "M", "L"], n),
            "grade": gaps(rng.choice(["a", "b"], n)),
            "seen": (np.datetime64("2001-01-01") + rng.integers(0, 5000, n)).astype(str),
            "left": gaps((np.datetime64("2001-01-01") + rng.integers(0, 5000, n)).astype(str)),
            "only": "one",
            "same": 3.25,
            "fixed": 7,
        }
    )


def small(name):
    """Options that make a model quick, where it has such fields."""
    known = {f.name for f in dataclasses.fields(synthesizer_class(name))}
    return {key: value for key, value in SMALL.items() if key in known}


def stub_receipt(book, model):
    """A receipt without the cross-checks, which are not the synthesizers' business and take seconds."""
    return Receipt(
        calibration_delta=1e-6,
        rung=1000,
        epsilon=book.budget.epsilon, delta=book.delta, adjacency="add or remove one row", unit="row", epsilon_spent=0.0,
        replace_one_epsilon=None, group_epsilon={}, events=[event_to_dict(e) for e in book.events], accountants={},
        rows=book.rows.estimate, rows_public=book.rows.public, learnt={}, model=model, noise_grade="", versions={},
        created="2026-01-01", limits=[],
    )  # fmt: skip


def fitted(name, frame, schema, *, epsilon=None, delta=1e-5, seed=0, options=None):
    """A release, and the ledger it was paid from."""
    book = Ledger(Budget(epsilon=EPSILON[name] if epsilon is None else epsilon, delta=delta))
    model = make_synthesizer(name, small(name) if options is None else options)
    table, codec = prepare(open_frame(frame, schema, book), Silent())
    with pytest.MonkeyPatch.context() as patch:
        if options is None:  # what is no option, but takes the seconds
            patch.setattr("synth.models.measured.warm.PRETRAINING", (8_000, 60, 512, 0.03))
            patch.setattr("synth.models.measured.stage.POOL", 8192)
            plan = MixturePlan(components=100, rank=8, steps=80)
            patch.setattr(MixturePlan, "for_budget", staticmethod(lambda signal: plan))
        found = model.fit(table, Run(seed=seed))
    options = dataclasses.asdict(model)
    return Release(model=name, options=options, codec=codec, fitted=found, receipt=stub_receipt(book, name)), book


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def run(name):
    return fitted(name, rows_of_every_kind(), EVERY_KIND)


@pytest.fixture(scope="module")
def release(run):
    return run[0]


@pytest.fixture(scope="module")
def book(run):
    return run[1]


def test_it_is_a_frozen_dataclass_without_state(name):
    cls = synthesizer_class(name)
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen
    model = cls()
    assert not hasattr(model, "__dict__")
    assert hash(model) == hash(cls())


def test_unknown_options_raise(name):
    with pytest.raises(InputError, match="no option 'nope'"):
        make_synthesizer(name, {"nope": 1})


def test_it_spends_at_most_what_is_granted_and_most_of_it(book):
    spent = epsilon_of(book.events, book.working_delta)
    assert 0.95 * book.budget.epsilon <= spent <= book.budget.epsilon


def test_undeclared_tables_spend_within_the_budget_as_well(name):
    frame = rows_of_every_kind()[["age", "pay", "word", "member", "seen"]]
    release, book = fitted(name, frame, None, delta=None)
    assert not book.rows.public
    assert 0.95 * book.budget.epsilon <= epsilon_of(book.events, book.working_delta) <= book.budget.epsilon
    assert book.working_delta < book.delta <= 1e-5
    assert list(release.sample(10, seed=0).columns) == list(frame.columns)


def test_rows_stay_in_the_declared_domain(release):
    rows = release.sample(3000, seed=1)
    assert list(rows.columns) == list(EVERY_KIND.names)
    bounds = {"age": (0, 120), "visits": (0, 9), "pay": (0, 5000.5), "debt": (-50, 50), "score": (-1, 1), "ratio": (0, 1e6)}
    for column, (low, high) in bounds.items():
        assert rows[column].dropna().between(low, high).all(), column
    for column, digits in (("pay", 2), ("debt", 1)):
        known = rows[column].dropna()
        assert np.allclose(known, known.round(digits), atol=1e-9)
    assert set(rows["town"]) <= {"Ulm", "Aix"}
    assert set(rows["region"].dropna()) <= {"N", "S", "__OTHER__"}
    assert set(rows["word"]) <= {"x", "y", "z", "__OTHER__"}
    assert set(rows["size"]) <= {"S", "M", "L"}
    assert set(rows["grade"].dropna()) <= {"a", "b"}
    assert rows["seen"].between(pd.Timestamp("2000-01-01"), pd.Timestamp("2020-12-31 23:59:59")).all()
    assert pd.to_datetime(rows["left"].dropna(), format="%Y-%m-%d").between("2000-01-01", "2020-12-31").all()
    assert (rows["only"] == "one").all()
    assert (rows["same"] == 3.25).all()
    assert (rows["fixed"] == 7).all()


def test_dtypes_and_nullability(release):
    rows = release.sample(3000, seed=1)
    dtypes = {"age": "int64", "visits": "Int64", "pay": "float64", "debt": "float64", "score": "float64", "ratio": "float64",
              "member": "bool", "smoker": "boolean", "town": "object", "fixed": "int64"}  # fmt: skip
    for column, dtype in dtypes.items():
        assert str(rows[column].dtype) == dtype, column
    assert str(rows["seen"].dtype).startswith("datetime64")
    for column in EVERY_KIND.columns:
        if not column.nullable:
            assert rows[column.name].notna().all(), column.name
    for column in ("visits", "debt", "ratio", "smoker", "region", "grade", "left"):  # a tenth or more of the rows lacks them
        assert 0.01 < rows[column].isna().mean() < 0.5, column


def test_seeds_repeat_and_differ(release):
    first = release.sample(200, seed=1)
    pd.testing.assert_frame_equal(first, release.sample(200, seed=1))
    assert not first.equals(release.sample(200, seed=2))
    assert not release.sample(200).equals(release.sample(200))


def test_rows_do_not_depend_on_how_many_are_asked_for(release):
    few, many = release.sample(5, seed=1), release.sample(20_000, seed=1)
    pd.testing.assert_frame_equal(few, many.iloc[:5])
    assert len(many) == 20_000
    second = many.iloc[16_384:].reset_index(drop=True)
    assert not second.iloc[:500].equals(many.iloc[:500])  # the next block is another stream


def test_no_rows_and_one_row(release):
    empty, one = release.sample(0, seed=1), release.sample(1, seed=1)
    assert (len(empty), len(one)) == (0, 1)
    assert empty.dtypes.equals(one.dtypes)


def test_saving_and_loading_change_nothing(release, tmp_path):
    release.save(tmp_path / "m.synth")
    again = load(tmp_path / "m.synth")
    assert again.options == release.options
    assert again.receipt == release.receipt
    assert again.schema == release.schema
    pd.testing.assert_frame_equal(again.sample(500, seed=4), release.sample(500, seed=4))
    again.save(tmp_path / "n.synth")
    assert (tmp_path / "m.synth").read_bytes() == (tmp_path / "n.synth").read_bytes()
    with zipfile.ZipFile(tmp_path / "m.synth") as file:
        assert file.testzip() is None


def test_weights_are_finite_and_none_is_an_encoder(release):
    assert release.fitted.tensors
    for key, values in release.fitted.tensors.items():
        assert np.isfinite(np.asarray(values, dtype=np.float64)).all(), key
        assert not key.startswith("encoder")


def test_weights_are_few(release):
    """What is released is a model, not a store of rows: weights do not grow with the row count."""
    assert all(N not in np.shape(values) for values in release.fitted.tensors.values())


def test_options_are_on_record(release, name):
    model = synthesizer_class(name)()
    assert set(release.options) == {f.name for f in dataclasses.fields(model)}
    for key, value in small(name).items():
        assert release.options[key] == value


def asked(book, name):
    """What a run asked. Tables chosen under noise differ from run to run; AIM's noise levels do too, their total does not."""
    if name == "aim":
        return round(epsilon_of(book.events, book.working_delta), 5)
    if name in MEASURED:  # how the tables' share is divided follows the noisy groups; what the share is does not
        whole = math.fsum(e.mu**2 for e in book.events if isinstance(e, GaussianEvent))
        steps = [(e.steps, e.sample_rate) for e in book.events if isinstance(e, SubsampledGaussianEvent)]
        return [(e.what, getattr(e, "target", ())) for e in book.events], round(whole, 6), steps
    return [dataclasses.replace(e, target=()) if name == "mst" and hasattr(e, "target") else e for e in book.events]


def test_a_seed_is_public_and_the_noise_is_not(name):
    frame = rows_of_every_kind()[["age", "town", "word"]]
    schema = Schema(columns=tuple(EVERY_KIND[c] for c in ("age", "town", "word")), public_rows=N)
    (a, first), (b, second), (_, third) = (fitted(name, frame, schema, seed=s) for s in (5, 5, 6))
    assert asked(first, name) == asked(second, name) == asked(third, name)
    assert not all(np.array_equal(a.fitted.tensors[k], b.fitted.tensors[k]) for k in a.fitted.tensors)


def test_neighbours_are_treated_alike(name):
    """One row more changes neither what is asked nor how the noise is calibrated, the row count being declared."""
    frame = rows_of_every_kind()[["age", "town", "member"]]
    schema = Schema(columns=tuple(EVERY_KIND[c] for c in ("age", "town", "member")), public_rows=N)
    _, first = fitted(name, frame, schema)
    _, second = fitted(name, pd.concat([frame, frame.iloc[[0]].assign(age=10**9)]), schema)
    assert asked(first, name) == asked(second, name)


TABLES = {
    "one category per column": [("a", ("x",)), ("b", ("y",))],
    "two columns": [("a", ("x", "y")), ("b", ("u", "v", "w"))],
    "one column": [("a", ("x", "y"))],
    "a single code in all": [("a", ("x",))],
}


@pytest.mark.parametrize("case", TABLES)
def test_small_tables(name, case):
    rng = np.random.default_rng(0)
    columns = tuple(Column(name=c, kind=Kind.CATEGORY, categories=v, nullable=False) for c, v in TABLES[case])
    frame = pd.DataFrame({c: rng.choice(v, N) for c, v in TABLES[case]})
    release, book = fitted(name, frame, Schema(columns=columns, public_rows=N))
    rows = release.sample(300, seed=0)
    for c, v in TABLES[case]:
        assert set(rows[c]) <= set(v)
    assert epsilon_of(book.events, book.working_delta) <= book.budget.epsilon


def test_a_table_with_a_target_and_one_without(name):
    frame = rows_of_every_kind()[["town", "size", "member"]]
    columns = tuple(EVERY_KIND[c] for c in ("town", "size", "member"))
    for target in ("town", None):
        release, _ = fitted(name, frame, Schema(columns=columns, target=target, public_rows=N))
        assert release.schema.target == target
        assert list(release.sample(5, seed=0).columns) == ["town", "size", "member"]


def test_an_all_missing_column(name):
    frame = pd.DataFrame({"gone": [None] * N, "town": ["Ulm", "Aix"] * (N // 2)})
    columns = (Column(name="gone", kind=Kind.INTEGER, bounds=(0, 9)), EVERY_KIND["town"])
    release, _ = fitted(name, frame, Schema(columns=columns, public_rows=N))
    assert release.sample(200, seed=0)["gone"].isna().mean() > 0.5


def test_an_empty_table_behind_a_declared_count(name):
    """Nobody may be able to tell by a crash: no rows at all still fit, as noise."""
    domain = Domain(names=("a", "b"), sizes=(3, 2))
    book = Ledger(Budget(epsilon=EPSILON[name], delta=1e-5))
    book.set_rows(declared_rows(N))
    model = make_synthesizer(name, small(name))
    found = model.fit(PrivateTable(np.zeros((0, 2), dtype=np.int32), domain, book.rows, book), Run(seed=0))
    assert isinstance(found, Fitted)
    codes = model.sample(found, domain, 50, np.random.default_rng(0)).codes
    assert codes.shape == (50, 2)
    assert (codes >= 0).all()
    assert (codes < [3, 2]).all()


def test_dp_sgd_of_the_deep_models_is_charged_once(book, name):
    sgd = [e for e in book.events if isinstance(e, SubsampledGaussianEvent)]
    assert len(sgd) == (1 if name in TRAINED else 0)
    for event in sgd:
        assert event.steps == SMALL["steps"]
        assert event.sample_rate == pytest.approx(SMALL["batch_size"] / N)


def dependent_rows(n=20_000):
    """Two columns of four values: equal in nine rows of ten."""
    rng = np.random.default_rng(11)
    a = rng.integers(0, 4, n)
    b = np.where(rng.random(n) < 0.9, a, rng.integers(0, 4, n))
    return pd.DataFrame({"a": [f"v{i}" for i in a], "b": [f"v{i}" for i in b], "c": rng.choice(["p", "q"], n)})


@pytest.mark.statistical
def test_the_dependence_of_two_columns_is_kept(name):
    """Total variation between real and synthetic pairs.

    Independent columns are 0.675 away from the real pair (0.9 + 0.1/4 = 0.925 of the rows lie on the diagonal, where
    independence puts 0.25). A deep model at epsilon 8 keeps well over half of that dependence; sampling noise of 20,000
    rows is below 0.02, so a false alarm needs a failure to train, not chance.
    """
    frame = dependent_rows()
    values = tuple(f"v{i}" for i in range(4))
    schema = Schema(
        columns=(
            Column(name="a", kind=Kind.CATEGORY, categories=values, nullable=False),
            Column(name="b", kind=Kind.CATEGORY, categories=values, nullable=False),
            Column(name="c", kind=Kind.CATEGORY, categories=("p", "q"), nullable=False),
        ),
        public_rows=len(frame),
    )
    release, _ = fitted(name, frame, schema, epsilon=8.0, delta=1e-6, options={})
    rows = release.sample(20_000, seed=0)
    real, made = (
        pd.crosstab(t["a"], t["b"], normalize=True).reindex(index=values, columns=values, fill_value=0) for t in (frame, rows)
    )
    distance = float((real - made).abs().to_numpy().sum()) / 2
    if name == "independent":
        assert distance == pytest.approx(0.675, abs=0.03)
    else:
        assert distance < 0.3
    for column in "abc":
        one = frame[column].value_counts(normalize=True) - rows[column].value_counts(normalize=True)
        assert one.abs().sum() / 2 < 0.03
    assert math.isfinite(distance)


@pytest.mark.parametrize("name", sorted(SYNTHESIZERS))
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_senseless_options_are_refused_before_any_row_is_read(name, value):
    cls = synthesizer_class(name)
    for option in dataclasses.fields(cls):
        with pytest.raises(InputError, match=option.name):
            make_synthesizer(name, {option.name: value})


def table_of_counts(rows, names):
    """Counts of classes, numbers cut at fixed places."""
    cells = [pd.cut(rows[n].astype(float), [-np.inf, 20, 60, 200, np.inf]) if n == "pay" else rows[n] for n in names]
    return (
        pd.Series(1, index=pd.MultiIndex.from_arrays([c.astype(str) for c in cells]))
        .groupby(level=list(range(len(names))))
        .sum()
    )


@pytest.mark.statistical
def test_conditionals_match_those_of_unconditional_rows(release, name):
    """Two-sample chi-square over tables of two columns; false alarm 1e-6 over all models and tables.

    Rows of a block are resampled, so that up to half of the unconditional ones are repeats: they count for half.
    """
    where = ("age in 20..75", "member=True", "debt>-10.5", "region!=S")
    plain = release.sample(80_000, seed=11)
    plain = plain[plain["age"].between(20, 75) & plain["member"] & (plain["debt"] > -10.5) & (plain["region"] != "S")]
    plain = plain[plain["region"].notna()]
    drawn = release.sample_from_conditions([Condition(num_rows=20_000, where=where)], seed=12)
    assert drawn["age"].between(20, 75).all()
    assert drawn["member"].all()
    assert (drawn["debt"] > -10.5).all()
    assert (drawn["region"] != "S").all()
    assert drawn["region"].notna().all()
    assert drawn.dtypes.equals(plain.dtypes)
    assert 1000 < drawn.attrs["effective_rows"] <= 20_000
    tables = [("town", "size"), ("smoker", "word"), ("region", "pay"), ("visits",)]
    for names in tables:
        a, b = (table_of_counts(rows, names) for rows in (plain, drawn))
        a, b = a.align(b, fill_value=0)
        a, b = a / 2, b * drawn.attrs["effective_rows"] / len(drawn)
        few = a + b < 10
        a, b = (np.append(t[~few], t[few].sum()) for t in (a, b))
        ratio = np.sqrt(b.sum() / a.sum())
        statistic = ((ratio * a - b / ratio) ** 2 / np.maximum(a + b, 1)).sum()
        assert statistic < chi2.ppf(1 - 1e-6 / len(tables) / len(NAMES), len(a)), names


def test_the_rest_of_given_rows_is_drawn(release):
    known = release.sample(40, seed=5)[["age", "member", "town"]]
    known.loc[3, "town"] = None
    rows = release.sample_remaining_columns(known, seed=6)
    assert rows.equals(release.sample_remaining_columns(known, seed=6))
    assert list(rows.columns) == list(EVERY_KIND.names)
    assert rows["age"].tolist() == known["age"].tolist()
    assert rows["member"].tolist() == known["member"].tolist()
    assert set(rows["town"]) <= {"Ulm", "Aix"}
    assert (rows["town"] == known["town"]).sum() >= 39


def test_balanced_classes(release):
    rows = release.sample_from_conditions(release.balanced("grade", 101), seed=0)
    assert sorted(rows["grade"].value_counts()) == [50, 51]


def test_a_condition_without_support_is_refused(release):
    with pytest.raises(InputError, match="no row can meet"):
        release.sample_from_conditions([Condition(num_rows=5, where=("age>120",))])
