"""What the data owner declares to be public about one column."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from synth.errors import SchemaError
from synth.kinds import DAY_SECONDS, GRANULARITIES, Kind, Outside, zone_of
from synth.pattern import is_unambiguous, parse_pattern
from synth.storage import Family, Storage, parse_storage

MAX_CATEGORIES = 100_000
LARGEST_INTEGER, LARGEST_NUMBER = 2**53, 1e300  # whole numbers beyond are not exact in float64
LONGEST_DURATION = 100_000 * 366 * DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Public facts about one column.

    Attributes:
        name: Header, as in the file.
        kind: ``None`` means unknown: learnt with budget.
        bounds: Smallest and largest possible value, inclusive; ISO dates for ``datetime``, ``"08:00"`` for ``time``, seconds
            for ``duration``. ``None``: learnt with budget (the whole day for ``time``).
        precision: Digits after the point, for ``decimal``.
        categories: Closed domain, in order for ``ordinal``. ``None`` for an open category: learnt with budget. For
            ``boolean``: how false and true are spelled.
        outside: What to do with a value outside the domain. Default: ``clip`` for numbers, ``null`` for a closed
            category, ``other`` for an open one.
        nullable: Whether a missing value is possible. ``False`` makes a missing or nulled value count as the lowest
            value or first category.
        format: ``strftime`` pattern of a ``datetime`` or a ``time``; ISO 8601 by default.
        granularity: Grid of a ``datetime``, a ``time`` or a ``duration``: day, hour, minute, second, millisecond, microsecond.
        timezone: Zone of a ``datetime``. Texts with an offset are moved onto its clock, others are taken to be on it.
        decimal_mark: ``","`` where numbers are written 1.234,56.
        dtype: How cells are stored, see ``synth.storage``; written back by a release.
        pattern: What an ``identifier`` looks like, see ``synth.pattern``; numbered from 1 by default.
        faker: Provider of the Faker library that makes values of a ``pii`` column, such as ``name`` or ``email``.
        locale: Of Faker, such as ``de_DE``.
        unique: Whether no two regenerated values may be equal. Always so for an ``identifier`` without a pattern.
        constant_per_entity: Whether all rows of a person hold the same value. Kept so in synthetic rows.
        description: Free text for people.
    """

    name: str
    kind: Kind | None = None
    bounds: tuple[float, float] | tuple[str, str] | None = None
    precision: int | None = None
    categories: tuple[str, ...] | None = None
    outside: Outside | None = None
    nullable: bool = True
    format: str | None = None
    granularity: str | None = None
    timezone: str | None = None
    decimal_mark: str | None = None
    dtype: str | None = None
    pattern: str | None = None
    faker: str | None = None
    locale: str | None = None
    unique: bool = False
    constant_per_entity: bool = False
    description: str = ""

    def __post_init__(self) -> None:
        where = f"column {self.name!r}"
        if not self.name:
            raise SchemaError("a column has an empty name; give every column a name")
        _check_kind(self, where)
        _check_regenerated(self, where)
        if self.kind is not None and self.kind.is_numeric and self.bounds is not None:
            low, high = self.numeric_bounds()
            if not low <= high:
                raise SchemaError(f"{where}: bounds must be [low, high] with low <= high")
        if self.categories is not None:
            _check_categories(self.categories, where)
        if self.dtype is not None:
            _check_dtype(self, where)

    @property
    def policy(self) -> Outside:
        """The policy in force for values outside the domain."""
        if self.outside is not None:
            return self.outside
        if self.kind in (Kind.CATEGORY, Kind.ORDINAL, Kind.BOOLEAN):
            named = self.categories is None and self.kind is Kind.CATEGORY and self.holds_texts
            return Outside.OTHER if named else Outside.NULL
        return Outside.CLIP

    @property
    def storage(self) -> Storage | None:
        """How cells are stored, where that is declared."""
        return None if self.dtype is None else parse_storage(self.dtype)

    @property
    def holds_texts(self) -> bool:
        """Whether any text can be stored, such as a name for "all other categories"."""
        storage = self.storage
        return storage is None or storage.family is Family.TEXT or (storage.family is Family.CATEGORY and storage.inner is None)

    @property
    def is_open(self) -> bool:
        """Whether the domain is an open category, to be learnt by partition selection."""
        return self.kind is Kind.CATEGORY and self.categories is None

    @property
    def needs_bounds(self) -> bool:
        """Whether bounds have to be learnt."""
        return self.kind is not None and self.kind.is_numeric and self.bounds is None and self.kind is not Kind.TIME

    @property
    def zone(self) -> tzinfo | None:
        """The clock of a datetime."""
        name = self.timezone
        if name is None and self.storage is not None:
            name = self.storage.zone
        return None if name is None else zone_of(name)

    def numeric_bounds(self) -> tuple[float, float]:
        """Bounds as numbers; seconds for temporal kinds: since 1970-01-01, since midnight, or in all.

        Raises:
            SchemaError: No bounds are declared, or they do not parse.
        """
        if self.bounds is None:
            if self.kind is Kind.TIME:
                return 0.0, DAY_SECONDS - (self.grid or 1.0)
            raise SchemaError(f"column {self.name!r} has no bounds")
        low, high = (_bound(value, self) for value in self.bounds)
        return low, high

    @property
    def grid(self) -> float:
        """Distance of neighbouring values: 1 for integers, 0.01 for two decimals, in seconds for times; 0 for floats."""
        if self.kind is Kind.INTEGER:
            return 1.0
        if self.kind is Kind.DECIMAL and self.precision is not None:
            return float(10.0**-self.precision)
        if self.kind is not None and self.kind.is_temporal:
            return GRANULARITIES[self.granularity or _default_granularity(self)]
        return 0.0


def _default_granularity(column: Column) -> str:
    """From the format, else the bounds, else the storage; seconds where nothing says more."""
    storage = column.storage
    if storage is not None and storage.family is Family.DATE:
        return "day"
    if column.format is not None and "%" in column.format:
        for codes, name in (("f", "microsecond"), ("SXcsTr", "second"), ("MR", "minute"), ("HI", "hour")):
            if any(f"%{c}" in column.format for c in codes):
                return name
        return "day"
    if column.kind is Kind.DATETIME and column.bounds is not None and all(len(str(b)) == 10 for b in column.bounds):
        return "day"
    return "second"


def _bound(value: float | str, column: Column) -> float:
    where = f"column {column.name!r}"
    if column.kind is Kind.DATETIME:
        try:
            stamp = datetime.fromisoformat(str(value))
        except ValueError:
            raise SchemaError(f"{where}: bounds of a datetime are ISO dates such as 1990-01-31") from None
        return (stamp.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()
    if column.kind is Kind.TIME:
        try:
            clock = datetime.fromisoformat(f"1970-01-01T{value}")
        except ValueError:
            raise SchemaError(f"{where}: bounds of a time are times of day such as 08:30") from None
        return (clock.replace(tzinfo=None) - datetime(1970, 1, 1)) / timedelta(seconds=1)
    largest = {Kind.INTEGER: LARGEST_INTEGER, Kind.DURATION: LONGEST_DURATION}.get(column.kind or Kind.FLOAT, LARGEST_NUMBER)
    if isinstance(value, str | bool) or not -largest <= value <= largest:
        raise SchemaError(f"{where}: bounds must be two numbers within {largest:.0e} of zero")
    return float(value)


def _is_format(pattern: str) -> bool:
    try:
        datetime.strptime(datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC).strftime(pattern), pattern)
    except ValueError:
        return False
    return "%" in pattern


_ALLOWED: dict[str, tuple[Kind, ...]] = {
    "bounds": (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.DATETIME, Kind.TIME, Kind.DURATION),
    "precision": (Kind.DECIMAL,),
    "categories": (Kind.CATEGORY, Kind.ORDINAL, Kind.BOOLEAN),
    "format": (Kind.DATETIME, Kind.TIME),
    "granularity": (Kind.DATETIME, Kind.TIME, Kind.DURATION),
    "timezone": (Kind.DATETIME,),
    "decimal_mark": (Kind.DECIMAL, Kind.FLOAT),
    "pattern": (Kind.IDENTIFIER,),
    "faker": (Kind.PII,),
    "locale": (Kind.PII,),
}


def _check_kind(column: Column, where: str) -> None:
    kind, outside = column.kind, column.outside
    for name, kinds in _ALLOWED.items():
        if getattr(column, name) is not None and kind not in kinds:
            wanted = " or ".join(kinds)
            raise SchemaError(f"{where}: {name!r} goes with kind {wanted}, not with {kind or 'an undeclared kind'}")
    if column.format is not None and not _is_format(column.format):
        raise SchemaError(f"{where}: format must be a strftime pattern such as %Y-%m-%d")
    if kind is Kind.ORDINAL and column.categories is None:
        raise SchemaError(f"{where}: an ordinal needs its categories, lowest first")
    if kind is Kind.BOOLEAN and column.categories is not None and len(column.categories) != 2:
        raise SchemaError(f"{where}: categories of a boolean are two texts, the one for false first")
    if kind is Kind.DECIMAL and column.precision is not None and not 0 <= column.precision <= 12:
        raise SchemaError(f"{where}: precision is a number of digits from 0 to 12")
    if column.granularity is not None and column.granularity not in GRANULARITIES:
        raise SchemaError(f"{where}: granularity is one of {', '.join(GRANULARITIES)}")
    if column.granularity == "day" and kind is Kind.TIME:
        raise SchemaError(f"{where}: a time of day is finer than a day")
    if column.timezone is not None and not _is_zone(column.timezone):
        raise SchemaError(f"{where}: timezone must be a name such as UTC or Europe/Berlin")
    if column.decimal_mark not in (None, ".", ","):
        raise SchemaError(f"{where}: decimal_mark is '.' or ','")
    if outside is Outside.OTHER and kind not in (Kind.CATEGORY, None):
        raise SchemaError(f"{where}: outside = 'other' goes with kind category; use 'clip' or 'null'")
    if outside is Outside.CLIP and kind in (Kind.CATEGORY, Kind.ORDINAL, Kind.BOOLEAN):
        raise SchemaError(f"{where}: outside = 'clip' goes with numbers and dates; use 'null' or 'other'")


def _is_zone(name: str) -> bool:
    try:
        zone_of(name)
    except (ValueError, OSError, LookupError):
        return False
    return True


def _check_regenerated(column: Column, where: str) -> None:
    if column.unique and (column.kind is None or not column.kind.is_regenerated):
        raise SchemaError(f"{where}: unique = true goes with kind identifier or pii, whose values are made anew")
    if column.kind is Kind.PII and column.faker is None:
        raise SchemaError(f"{where}: kind pii needs faker, the provider that makes its values, such as name, email or address")
    if column.pattern is not None:
        found = parse_pattern(column.pattern, where)
        if column.unique and not is_unambiguous(found):
            raise SchemaError(f"{where}: the pattern can give one text in two ways, so values may repeat; simplify it")


def _check_categories(categories: tuple[str, ...], where: str) -> None:
    if not categories:
        raise SchemaError(f"{where}: categories must not be empty; leave the key out for an open category")
    if len(set(categories)) != len(categories):
        raise SchemaError(f"{where}: categories hold a duplicate")
    if len(categories) > MAX_CATEGORIES:
        raise SchemaError(f"{where}: more than {MAX_CATEGORIES} categories; coarsen them or leave the category open")


_NUMBERS = (Family.INTEGER, Family.FLOAT, Family.DECIMAL, Family.TEXT, Family.CATEGORY)
_HOLDS: dict[Kind, tuple[Family, ...]] = {
    Kind.INTEGER: _NUMBERS,
    Kind.DECIMAL: _NUMBERS,
    Kind.FLOAT: _NUMBERS,
    Kind.BOOLEAN: (Family.BOOLEAN, Family.INTEGER, Family.FLOAT, Family.TEXT, Family.CATEGORY),
    Kind.DATETIME: (Family.TIMESTAMP, Family.DATE, Family.TEXT, Family.CATEGORY),
    Kind.TIME: (Family.TIME, Family.TEXT, Family.CATEGORY),
    Kind.DURATION: (Family.DURATION, Family.TEXT, Family.CATEGORY),
    Kind.PII: (Family.TEXT, Family.CATEGORY),
}


def can_hold(column: Column, kind: Kind) -> bool:
    """Whether cells of the column's type can be of a kind."""
    return column.storage is None or column.storage.family in _HOLDS.get(kind, tuple(Family))


def _check_dtype(column: Column, where: str) -> None:
    storage = parse_storage(str(column.dtype), where)
    if storage.zone is not None and not _is_zone(storage.zone):
        raise SchemaError(f"{where}: the time zone of the dtype is not known")
    if column.kind is None:
        return
    if storage.family not in _HOLDS.get(column.kind, tuple(Family)):
        raise SchemaError(
            f"{where}: cells of type {column.dtype} hold no {column.kind}; declare another kind, or convert the data"
        )
    if storage.family is Family.INTEGER and column.bounds is not None:
        low, high = column.numeric_bounds()
        first, last = storage.whole_bounds()
        if low < first or high > last:
            raise SchemaError(f"{where}: bounds reach beyond what {column.dtype} holds")
