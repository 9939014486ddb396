"""The plan of a randomisation: what must be declared, how epsilon is split, and that no cell says more than its share."""

import dataclasses
import math

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.errors import InputError, RefusedError
from synth.kinds import DAY_SECONDS
from synth.privacy.geometric import geometric_rate
from synth.privacy.local import Choice, Noise, bin_middle, column_facts, plan_local, written_column
from synth.schema import Column, Kind, Outside, Schema

AGE = Column(name="age", kind=Kind.INTEGER, bounds=(0, 120))
SEX = Column(name="sex", kind=Kind.CATEGORY, categories=("m", "f"), nullable=False)
DAY = Column(name="day", kind=Kind.DATETIME, bounds=("2000-01-01", "2020-12-31"))
KEY = Column(name="key", kind=Kind.IDENTIFIER)


def plan_of(*columns, epsilon=2.0, **options):
    return plan_local(Schema(columns=columns), epsilon, **options)


def only(column, epsilon=1.0, **options):
    return plan_of(column, epsilon=epsilon, **options).columns[0]


def log_chances(cells, exact, outcome):
    """Logarithm of the chance of an outcome (a tick, or None for missing) in exact chances and 60 digits."""
    middle = cells.grid.ticks // 2
    a = 1 - mpmath.mpf(geometric_rate(cells.scale))
    right = mpmath.mpf(1) if cells.flag is None else mpmath.mpf(cells.flag.kept) / 2**64
    flagged = right if (exact is None) == (outcome is None) else 1 - right
    if outcome is None:
        return mpmath.log(flagged)
    return (
        mpmath.log(flagged)
        + mpmath.log((1 - a) / (1 + a))
        + abs(outcome - (middle if exact is None else exact)) * mpmath.log(a)
    )


@given(st.integers(2, 9), st.floats(0.01, 8), st.booleans())
def test_a_number_with_noise_says_no_more_than_its_epsilon(ticks, epsilon, nullable):
    """For every pair of cells, a missing one among them, and every outcome. Beyond the values the ratio stays as it is."""
    cells = only(Column(name="x", kind=Kind.INTEGER, bounds=(0, ticks), nullable=nullable), epsilon).cells
    assert isinstance(cells, Noise)
    assert (cells.flag is not None) == nullable
    inputs = [*range(ticks + 1), *([None] if nullable else [])]
    outcomes = [*range(-2, ticks + 3), *([None] if nullable else [])]
    with mpmath.workdps(60):
        for outcome in outcomes:
            chances = [log_chances(cells, exact, outcome) for exact in inputs]
            assert max(chances) - min(chances) <= mpmath.mpf(epsilon)


def test_epsilon_is_split_by_weight_and_never_exceeded():
    plan = plan_of(AGE, SEX, KEY, DAY, weights={"sex": 2.0})
    shares = {c.column.name: c.epsilon for c in plan.columns}
    assert shares == pytest.approx({"age": 0.5, "sex": 1.0, "day": 0.5})
    assert math.fsum(e.epsilon for e in plan.events) <= 2.0
    assert [e.target for e in plan.events] == [("age",), ("sex",), ("day",)]


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=12), st.floats(0.5, 50))
def test_shares_never_add_up_to_more(weights, epsilon):
    columns = [dataclasses.replace(SEX, name=f"c{i}") for i in range(len(weights))]
    plan = plan_of(*columns, epsilon=epsilon, weights={c.name: w for c, w in zip(columns, weights, strict=True)})
    assert epsilon * (1 - 1e-9) < math.fsum(e.epsilon for e in plan.events) <= epsilon


def test_what_can_only_be_one_thing_costs_nothing():
    one = Column(name="one", kind=Kind.CATEGORY, categories=("x",), nullable=False)
    same = Column(name="same", kind=Kind.INTEGER, bounds=(7, 7), nullable=False)
    plan = plan_of(one, same, SEX)
    assert [c.epsilon for c in plan.columns] == [0, 0, pytest.approx(2.0)]
    assert len(plan.events) == 1
    assert plan_of(one, same).events == ()


def test_missing_and_other_are_values_among_others():
    cells = only(Column(name="x", kind=Kind.CATEGORY, categories=("a", "b"), outside=Outside.OTHER)).cells
    assert cells.labels == ("a", "b", "__OTHER__", None)
    assert cells.response.size == 4


@pytest.mark.parametrize("kind", [Kind.INTEGER, Kind.FLOAT])
def test_bins_cover_the_grid_evenly(kind):
    cells = only(Column(name="x", kind=kind, bounds=(0, 99)), bins=8).cells
    assert isinstance(cells, Choice)
    assert cells.response.size == 9
    assert cells.labels[-1] is None
    assert all(0 <= label <= 99 for label in cells.labels[:-1])
    ticks = cells.grid.ticks
    held = [sum(t * 8 // (ticks + 1) == b for t in range(ticks + 1)) for b in range(8)]
    assert max(held) - min(held) <= 1
    places = [round((bin_middle(b, 8, cells.grid) - cells.grid.low) / cells.grid.step) for b in range(8)]
    assert [p * 8 // (ticks + 1) for p in places] == list(range(8))


def test_numbers_of_one_or_two_values_are_told_as_they_are_labelled():
    assert only(Column(name="x", kind=Kind.INTEGER, bounds=(3, 4))).cells.labels == (3.0, 4.0, None)
    assert only(Column(name="x", kind=Kind.INTEGER, bounds=(3, 3))).cells.labels == (3.0, None)
    assert only(Column(name="x", kind=Kind.INTEGER, bounds=(3, 5)), bins=50).cells.labels == (3.0, 4.0, 5.0, None)
    assert only(Column(name="x", kind=Kind.FLOAT, bounds=(3, 3))).cells.labels == (3.0, None)


def test_fine_grids_are_made_coarser_and_times_stay_where_they_can_be_written():
    wide = only(Column(name="x", kind=Kind.DECIMAL, precision=2, bounds=(0, 1e6))).cells
    assert wide.grid.ticks <= 1 << 20
    assert wide.grid.step == pytest.approx(0.96)
    assert wide.within is None
    assert only(Column(name="t", kind=Kind.TIME)).cells.within == (0.0, DAY_SECONDS - 1)
    assert only(DAY).cells.within is not None


@pytest.mark.parametrize(
    ("column", "lacks"),
    [
        (Column(name="x"), "kind"),
        (Column(name="x", kind=Kind.TEXT), "free text"),
        (Column(name="x", kind=Kind.CATEGORY), "categories"),
        (Column(name="x", kind=Kind.INTEGER), "bounds"),
        (Column(name="x", kind=Kind.DECIMAL, bounds=(0, 1)), "precision"),
    ],
)
def test_what_is_not_declared_is_refused(column, lacks):
    with pytest.raises(InputError, match=f"'x' needs .*{lacks}.* in the schema"):
        plan_of(SEX, column)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"epsilon": 0.0}, "epsilon"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"epsilon": 101.0}, "epsilon"),
        ({"bins": 1}, "--bins"),
        ({"bins": 2000}, "--bins"),
        ({"weights": {"who": 1.0}}, "'who'"),
        ({"weights": {"key": 1.0}}, "'key'"),
        ({"weights": {"sex": 0.0}}, "above 0"),
        ({"weights": {"sex": float("inf")}}, "above 0"),
    ],
)
def test_impossible_figures_are_refused(options, match):
    with pytest.raises(InputError, match=match):
        plan_of(SEX, KEY, **options)


def test_persons_and_tables_of_keys_are_refused():
    with pytest.raises(InputError, match="entity"):
        plan_local(Schema(columns=(SEX, KEY), entity="key"), 1.0)
    with pytest.raises(InputError, match="no column"):
        plan_of(KEY)


def test_a_share_that_tells_nothing_is_refused():
    with pytest.raises(RefusedError, match=r"'age'.*tells nothing"):
        plan_of(AGE, SEX, epsilon=0.01, weights={"sex": 100.0})


def test_too_many_values_for_their_epsilon_are_told():
    many = Column(name="zip", kind=Kind.CATEGORY, categories=tuple(f"{i:03d}" for i in range(200)))
    (text,) = plan_of(SEX, many).warnings()
    assert "'zip' has 201 values" in text
    assert plan_of(SEX, AGE).warnings() == []


def test_columns_are_written_without_their_storage_and_with_their_grid():
    small = Column(name="x", kind=Kind.INTEGER, bounds=(0, 9), dtype="int8")
    assert written_column(small) == dataclasses.replace(small, dtype=None)
    assert written_column(DAY).granularity == "day"
    facts = [column_facts(only(c)) for c in (SEX, AGE, dataclasses.replace(AGE, nullable=False))]
    assert facts[0]["chance_kept"] + facts[0]["chance_of_each_other"] == pytest.approx(1)
    assert facts[1]["chance_of_a_right_flag"] == pytest.approx(1 / (1 + math.exp(-0.5)))
    assert facts[2]["chance_of_a_right_flag"] is None
