"""Local differential privacy: how each column's cells are randomised, as declared facts and a budget alone say. Public.

A row's cells are randomised one by one, each for its share of epsilon, so that a row as a whole is epsilon-locally private by
composition: whatever two rows say, the probabilities of any randomised row differ by a factor of at most ``exp(epsilon)``.

*Categories* (a missing cell is one, and so are bins of numbers): generalized randomized response.

*Numbers and dates*: a value is clamped into its bounds, put on the declared grid (``ticks + 1`` values), and Laplace noise of
scale ``ticks / epsilon`` steps is added; values are at most ``ticks`` steps apart. Where cells may be missing, a flag says so:
a randomized response of ``flag_epsilon``. A missing cell that is flagged as there tells the middle of the bounds, with the same
noise. The middle is at most ``ceil(ticks / 2)`` steps from any value, so a value and a missing cell differ by a factor of at
most ``exp(flag_epsilon + epsilon ceil(ticks / 2) / ticks)``: with ``flag_epsilon = epsilon floor(ticks / 2) / ticks`` that is
``exp(epsilon)``, and the flag costs nothing beyond the noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from synth.encoding.axis import make_axis
from synth.encoding.category import OTHER, closed_codec
from synth.errors import InputError, RefusedError
from synth.kinds import DAY_SECONDS, GRANULARITIES
from synth.privacy.events import LocalEvent
from synth.privacy.response import LEAST_EPSILON, Response, response_of
from synth.schema import Column, Kind, Schema

Label = str | float | None

FLOAT_TICKS = 1024  # steps of a number without a grid
MOST_TICKS = 1 << 20  # finer grids are made coarser, which is nothing beside the noise
MOST_BINS = 1000
YEARS = (-62_104_060_800.0, 253_370_764_799.0)  # years 2 to 9998, in seconds since 1970: what dates can be written
SHRUNK = 1 - 1e-12  # shares are rounded down, so that they never add up to more than the whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Values of a numeric column, ``low + step * (0 .. ticks)``.

    Attributes:
        low: Smallest value.
        step: Distance of neighbours.
        ticks: Number of steps.
    """

    low: float
    step: float
    ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A cell becomes one of some labels by randomized response.

    Attributes:
        labels: What each code is written as; ``None`` is missing.
        response: Chances.
        grid: Of a numeric column, which is cut into bins of about equal width.
    """

    labels: tuple[Label, ...]
    response: Response
    grid: Grid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """A cell becomes a value with Laplace noise.

    Attributes:
        grid: Values without noise.
        scale: Of the noise, in steps.
        flag: Chances of the flag that says "missing"; ``None`` where no cell may be.
        within: What can be written, in the column's unit; ``None`` for any number.
    """

    grid: Grid
    scale: float
    flag: Response | None
    within: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalColumn:
    """How one column is randomised.

    Attributes:
        column: As declared.
        epsilon: Its share; 0 where there is one possible value, which says nothing.
        cells: The mechanism.
    """

    column: Column
    epsilon: float
    cells: Choice | Noise

    @property
    def event(self) -> LocalEvent:
        """What is charged."""
        what = "randomized response" if isinstance(self.cells, Choice) else "Laplace noise on each cell"
        return LocalEvent(what=what, target=(self.column.name,), epsilon=self.epsilon)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPlan:
    """How a table is randomised.

    Attributes:
        columns: In schema order.
        missing: Texts that mean "missing".
        epsilon: Of a whole row.
    """

    columns: tuple[LocalColumn, ...]
    missing: tuple[str, ...]
    epsilon: float

    @property
    def events(self) -> tuple[LocalEvent, ...]:
        """What is charged: nothing for columns that say nothing."""
        return tuple(c.event for c in self.columns if c.epsilon > 0)

    def warnings(self) -> list[str]:
        """Columns with more values than their epsilon carries (Wang et al. 2017, arXiv:1705.04421, Section 4)."""
        found = []
        for c in self.columns:
            if isinstance(c.cells, Choice) and c.cells.response.size > 3 * math.exp(c.epsilon) + 2:
                kept = float(c.cells.response.chances[0])
                found.append(
                    f"column {c.column.name!r} has {c.cells.response.size} values, many for its epsilon of {c.epsilon:.3g}: a "
                    f"cell is kept with a chance of {kept:.2g}; merge values, leave columns out, or give it more with --weight"
                )
        return found


def plan_local(
    schema: Schema, epsilon: float, *, weights: Mapping[str, float] | None = None, bins: int | None = None
) -> LocalPlan:
    """Split epsilon over the columns and choose each one's mechanism.

    Args:
        schema: Everything must be declared. Columns that are made anew are left out.
        epsilon: Of a whole row.
        weights: Parts of epsilon by column; 1 where a column is not named.
        bins: Randomise numbers and dates as so many bins of their bounds; by default they get Laplace noise.

    Raises:
        InputError: A fact is not declared, or a figure is impossible.
        RefusedError: A column's share is too small to tell anything.
    """
    if not (math.isfinite(epsilon) and 0 < epsilon <= 100):
        raise InputError(f"epsilon must be a number above 0 and at most 100, not {epsilon}; 4 is a common choice for one row")
    if bins is not None and not 2 <= bins <= MOST_BINS:
        raise InputError(f"--bins lies between 2 and {MOST_BINS}, not {bins}")
    if schema.entity is not None:
        raise InputError(
            "randomising cells protects single rows, and the schema names an entity with several; take `entity` out if that "
            "is meant: somebody with k rows is then protected k times less"
        )
    columns = schema.read_columns
    if not columns:
        raise InputError("the schema has no column to randomise: identifiers and personal data are left out")
    parts = dict(weights or {})
    stranger = next((name for name in parts if name not in {c.name for c in columns}), None)
    if stranger is not None:
        raise InputError(f"--weight names {stranger!r}, which is no column that is randomised")
    if not all(math.isfinite(w) and w > 0 for w in parts.values()):
        raise InputError("a weight is a number above 0")
    for column in columns:
        _require_declared(column)
    telling = [c for c in columns if _size(c, bins) > 1]
    whole = math.fsum(parts.get(c.name, 1.0) for c in telling)
    told = {c.name: epsilon * (parts.get(c.name, 1.0) / whole) * SHRUNK for c in telling}
    least = min(told, key=lambda name: told[name]) if told else None
    if least is not None and told[least] < LEAST_EPSILON:
        raise RefusedError(f"column {least!r} would get an epsilon of {told[least]:.2g}, which tells nothing; raise --epsilon")
    planned = tuple(_planned(c, told.get(c.name, 0.0), bins) for c in columns)
    return LocalPlan(columns=planned, missing=schema.missing, epsilon=epsilon)


def _require_declared(column: Column) -> None:
    lacks = None
    if column.kind is None or column.kind is Kind.TEXT:
        lacks = "a kind other than free text"
    elif column.is_open:
        lacks = "categories"
    elif column.needs_bounds:
        lacks = "bounds"
    elif column.kind is Kind.DECIMAL and column.precision is None:
        lacks = "precision"
    if lacks is not None:
        raise InputError(f"column {column.name!r} needs {lacks} in the schema: nothing is learnt where cells are randomised")


def _grid(column: Column) -> Grid | None:
    """The values of a number or date; ``None`` for a category."""
    if column.kind is None or not column.kind.is_numeric:
        return None
    axis = make_axis(column, column.numeric_bounds())
    if axis.high <= axis.low:
        return Grid(low=axis.low, step=axis.step or 1.0, ticks=0)
    if not axis.step:
        return Grid(low=axis.low, step=(axis.high - axis.low) / FLOAT_TICKS, ticks=FLOAT_TICKS)
    ticks = round((axis.high - axis.low) / axis.step)
    coarser = -(-ticks // MOST_TICKS)
    return Grid(low=axis.low, step=axis.step * coarser, ticks=-(-ticks // coarser))


def _bins(grid: Grid, bins: int | None) -> int | None:
    """Into how many bins a number is cut; ``None`` for noise. One or two values are always told as such."""
    if grid.ticks > 1 and bins is None:
        return None
    return min(bins or 2, grid.ticks + 1)


def _size(column: Column, bins: int | None) -> int:
    """Number of things that a cell can tell, as far as that is one or more."""
    grid = _grid(column)
    if grid is None:
        return closed_codec(column).size
    return (_bins(grid, bins) or 2) + column.nullable


def _planned(column: Column, epsilon: float, bins: int | None) -> LocalColumn:
    grid = _grid(column)
    if grid is None:
        codec = closed_codec(column)
        labels: list[Label] = [*codec.categories, *([OTHER] if codec.other else []), *([None] if codec.missing else [])]
        choice = Choice(labels=tuple(labels), response=response_of(codec.size, epsilon))
        return LocalColumn(column=column, epsilon=epsilon, cells=choice)
    parts = _bins(grid, bins)
    if parts is None:
        return LocalColumn(column=column, epsilon=epsilon, cells=_noise(column, grid, epsilon))
    middles = [bin_middle(b, parts, grid) for b in range(parts)]
    labels = [*middles, *([None] if column.nullable else [])]
    choice = Choice(labels=tuple(labels), response=response_of(len(labels), epsilon), grid=grid)
    return LocalColumn(column=column, epsilon=epsilon, cells=choice)


def bin_middle(place: int, parts: int, grid: Grid) -> float:
    """Value in the middle of one of ``parts`` bins; tick t is in bin ``t * parts // (ticks + 1)``."""
    values = grid.ticks + 1
    first, after = -(-place * values // parts), -(-(place + 1) * values // parts)
    return grid.low + grid.step * ((first + after - 1) // 2)


def _noise(column: Column, grid: Grid, epsilon: float) -> Noise:
    scale = math.nextafter(grid.ticks / epsilon, math.inf)
    flag = response_of(2, epsilon * (grid.ticks // 2) / grid.ticks * SHRUNK) if column.nullable else None
    within = {Kind.DATETIME: YEARS, Kind.TIME: (0.0, DAY_SECONDS - column.grid)}.get(column.kind or Kind.FLOAT)
    return Noise(grid=grid, scale=scale, flag=flag, within=within)


def written_column(column: Column) -> Column:
    """The column as it is written: noise goes beyond the types of the source, but not beyond its granularity."""
    granularity = column.granularity
    if column.kind is not None and column.kind.is_temporal:
        granularity = next(name for name, seconds in GRANULARITIES.items() if seconds == column.grid)
    return replace(column, dtype=None, granularity=granularity)


def column_facts(local: LocalColumn) -> dict[str, Any]:
    """A column of the record, in plain types."""
    cells, facts = local.cells, {"name": local.column.name, "epsilon": local.epsilon}
    if isinstance(cells, Choice):
        kept, other = cells.response.chances
        return facts | {
            "mechanism": "randomized response", "labels": list(cells.labels), "chance_kept": float(kept),
            "chance_of_each_other": float(other), "binned": cells.grid is not None,
        }  # fmt: skip
    grid, flag = cells.grid, cells.flag
    return facts | {
        "mechanism": "Laplace noise on the grid", "low": grid.low, "step": grid.step, "ticks": grid.ticks,
        "scale_in_steps": cells.scale, "chance_of_a_right_flag": None if flag is None else float(flag.chances[0]),
        "clamped": cells.within is not None,
    }  # fmt: skip
