"""The schema: what the data owner declares to be public about a table.

A fact written here costs nothing, because it is not learnt from the rows. A fact left out is learnt with budget.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from synth.errors import SchemaError

DEFAULT_MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")
MAX_CATEGORIES = 100_000
LARGEST_INTEGER, LARGEST_NUMBER = 2**53, 1e300  # whole numbers beyond are not exact in float64
FIRST_YEAR, LAST_YEAR = 1678, 2261  # what nanosecond timestamps hold


class Kind(StrEnum):
    """What a column holds."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    BOOLEAN = "boolean"
    CATEGORY = "category"
    ORDINAL = "ordinal"
    DATETIME = "datetime"

    @property
    def is_numeric(self) -> bool:
        """Whether values live on a number line (datetimes do)."""
        return self in (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.DATETIME)


class Outside(StrEnum):
    """What happens to a value outside its declared domain. It is never an error: an error would reveal the value."""

    CLIP = "clip"
    NULL = "null"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Public facts about one column.

    Attributes:
        name: Header, as in the file.
        kind: ``None`` means unknown: learnt with budget.
        bounds: Smallest and largest possible value, inclusive; ISO dates for ``datetime``. ``None``: learnt with budget.
        precision: Digits after the point, for ``decimal``.
        categories: Closed domain, in order for ``ordinal``. ``None`` for an open category: learnt with budget.
        outside: What to do with a value outside the domain. Default: ``clip`` for numbers, ``null`` for a closed
            category, ``other`` for an open one.
        nullable: Whether a missing value is possible. ``False`` makes a missing or nulled value count as the lowest
            value or first category.
        format: ``strftime`` pattern of a ``datetime``; ISO 8601 by default.
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
    description: str = ""

    def __post_init__(self) -> None:
        where = f"column {self.name!r}"
        if not self.name:
            raise SchemaError("a column has an empty name; give every column a name")
        _check_kind(self, where)
        if self.kind is not None and self.kind.is_numeric and self.bounds is not None:
            low, high = self.numeric_bounds()
            if not low <= high:
                raise SchemaError(f"{where}: bounds must be [low, high] with low <= high")
        if self.categories is not None:
            _check_categories(self.categories, where)

    @property
    def policy(self) -> Outside:
        """The policy in force for values outside the domain."""
        if self.outside is not None:
            return self.outside
        if self.kind in (Kind.CATEGORY, Kind.ORDINAL, Kind.BOOLEAN):
            return Outside.OTHER if self.categories is None and self.kind is Kind.CATEGORY else Outside.NULL
        return Outside.CLIP

    @property
    def is_open(self) -> bool:
        """Whether the domain is an open category, to be learnt by partition selection."""
        return self.kind is Kind.CATEGORY and self.categories is None

    @property
    def needs_bounds(self) -> bool:
        """Whether bounds have to be learnt."""
        return self.kind is not None and self.kind.is_numeric and self.bounds is None

    def numeric_bounds(self) -> tuple[float, float]:
        """Bounds as numbers; seconds since 1970-01-01 UTC for a ``datetime``.

        Raises:
            SchemaError: No bounds are declared, or they do not parse.
        """
        if self.bounds is None:
            raise SchemaError(f"column {self.name!r} has no bounds")
        low, high = (_bound(value, self) for value in self.bounds)
        return low, high


def _bound(value: float | str, column: Column) -> float:
    if column.kind is Kind.DATETIME:
        try:
            stamp = datetime.fromisoformat(str(value))
        except ValueError:
            raise SchemaError(f"column {column.name!r}: bounds of a datetime are ISO dates such as 1990-01-31") from None
        if not FIRST_YEAR <= stamp.year <= LAST_YEAR:
            raise SchemaError(f"column {column.name!r}: bounds must lie in the years {FIRST_YEAR} to {LAST_YEAR}")
        return (stamp.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()
    largest = LARGEST_INTEGER if column.kind is Kind.INTEGER else LARGEST_NUMBER
    if isinstance(value, str | bool) or not -largest <= value <= largest:
        raise SchemaError(f"column {column.name!r}: bounds must be two numbers within {largest:.0e} of zero")
    return float(value)


def _is_format(pattern: str) -> bool:
    try:
        datetime.strptime(datetime(2001, 2, 3, 4, 5, 6).strftime(pattern), pattern)
    except ValueError:
        return False
    return "%" in pattern


def _check_kind(column: Column, where: str) -> None:
    kind, outside = column.kind, column.outside
    allowed: dict[str, tuple[Kind, ...]] = {
        "bounds": (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.DATETIME),
        "precision": (Kind.DECIMAL,),
        "categories": (Kind.CATEGORY, Kind.ORDINAL),
        "format": (Kind.DATETIME,),
    }
    for name, kinds in allowed.items():
        if getattr(column, name) is not None and kind not in kinds:
            wanted = " or ".join(kinds)
            raise SchemaError(f"{where}: {name!r} goes with kind {wanted}, not with {kind or 'an undeclared kind'}")
    if column.format is not None and not _is_format(column.format):
        raise SchemaError(f"{where}: format must be a strftime pattern such as %Y-%m-%d")
    if kind is Kind.ORDINAL and column.categories is None:
        raise SchemaError(f"{where}: an ordinal needs its categories, lowest first")
    if kind is Kind.DECIMAL and column.precision is not None and not 0 <= column.precision <= 12:
        raise SchemaError(f"{where}: precision is a number of digits from 0 to 12")
    if outside is Outside.OTHER and kind not in (Kind.CATEGORY, None):
        raise SchemaError(f"{where}: outside = 'other' goes with kind category; use 'clip' or 'null'")
    if outside is Outside.CLIP and kind in (Kind.CATEGORY, Kind.ORDINAL, Kind.BOOLEAN):
        raise SchemaError(f"{where}: outside = 'clip' goes with numbers and dates; use 'null' or 'other'")


def _check_categories(categories: tuple[str, ...], where: str) -> None:
    if not categories:
        raise SchemaError(f"{where}: categories must not be empty; leave the key out for an open category")
    if len(set(categories)) != len(categories):
        raise SchemaError(f"{where}: categories hold a duplicate")
    if len(categories) > MAX_CATEGORIES:
        raise SchemaError(f"{where}: more than {MAX_CATEGORIES} categories; coarsen them or leave the category open")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """Public facts about a table.

    Attributes:
        columns: In output order.
        target: Column that people will predict, if any.
        entity: Column that names the person; reserved, refused by ``fit`` until person-level privacy lands.
        max_rows_per_entity: Cap on the rows of one person; reserved with ``entity``.
        public_rows: Row count, where the owner may publish it. ``None``: counted with budget.
        missing: Texts that mean "missing" in text files.
        name: Name of the table.
    """

    columns: tuple[Column, ...]
    target: str | None = None
    entity: str | None = None
    max_rows_per_entity: int | None = None
    public_rows: int | None = None
    missing: tuple[str, ...] = DEFAULT_MISSING
    name: str = "table"
    _index: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if not names:
            raise SchemaError("the schema has no columns; add [[columns]] tables, or run `synth schema draft`")
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise SchemaError(f"the schema lists column {twice[0]!r} twice")
        for role in ("target", "entity"):
            value = getattr(self, role)
            if value is not None and value not in names:
                raise SchemaError(f"the schema's {role} {value!r} is not one of its columns")
        if self.public_rows is not None and self.public_rows < 1:
            raise SchemaError("public_rows must be a positive whole number")
        if self.max_rows_per_entity is not None and self.max_rows_per_entity < 1:
            raise SchemaError("max_rows_per_entity must be a positive whole number")
        self._index.update({name: i for i, name in enumerate(names)})

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in output order."""
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        return self.columns[self._index[name]]

    def index(self, name: str) -> int:
        """Position of a column."""
        return self._index[name]

    def with_columns(self, columns: tuple[Column, ...]) -> Schema:
        """The same table with other column facts."""
        return replace(self, columns=columns)


def undeclared(names: tuple[str, ...]) -> Schema:
    """A schema that declares nothing but the header."""
    return Schema(columns=tuple(Column(name=name) for name in names))


def column_from_dict(facts: dict[str, Any], where: str) -> Column:
    """Build a column from parsed TOML or JSON.

    Raises:
        SchemaError: Unknown key, wrong type or contradiction.
    """
    facts = dict(facts)
    known = {"name", "kind", "bounds", "precision", "categories", "outside", "nullable", "format", "description"}
    unknown = sorted(set(facts) - known)
    if unknown:
        raise SchemaError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
    name = facts.get("name")
    if not isinstance(name, str):
        raise SchemaError(f"{where}: every column needs a name in quotes")
    where = f"{where}, column {name!r}"
    for key, enum in (("kind", Kind), ("outside", Outside)):
        if facts.get(key) is not None:
            try:
                facts[key] = enum(facts[key])
            except ValueError:
                options = ", ".join(member.value for member in enum)
                raise SchemaError(f"{where}: {key} must be one of {options}") from None
    if facts.get("bounds") is not None:
        facts["bounds"] = _pair(facts["bounds"], where)
    if facts.get("categories") is not None:
        facts["categories"] = _texts(facts["categories"], f"{where}: categories")
    if "nullable" in facts and not isinstance(facts["nullable"], bool):
        raise SchemaError(f"{where}: nullable must be true or false")
    if facts.get("precision") is not None and (isinstance(facts["precision"], bool) or not isinstance(facts["precision"], int)):
        raise SchemaError(f"{where}: precision must be a whole number")
    for key in ("format", "description"):
        if facts.get(key) is not None and not isinstance(facts[key], str):
            raise SchemaError(f"{where}: {key} must be text")
    return Column(**facts)


def _pair(value: Any, where: str) -> tuple[Any, Any]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise SchemaError(f"{where}: bounds must be a pair [low, high]")
    low, high = (v.isoformat() if hasattr(v, "isoformat") else v for v in value)
    if not all(isinstance(v, int | float | str) and not isinstance(v, bool) for v in (low, high)):
        raise SchemaError(f"{where}: bounds must be numbers or ISO dates")
    return low, high


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
        raise SchemaError(f"{where} must be a list of texts in quotes")
    return tuple(value)


def schema_from_dict(facts: dict[str, Any], where: str = "schema") -> Schema:
    """Build a schema from parsed TOML or JSON; see ``Schema`` for the keys.

    Raises:
        SchemaError: Unknown key, wrong type or contradiction.
    """
    known = {"columns", "target", "entity", "max_rows_per_entity", "public_rows", "missing", "name"}
    unknown = sorted(set(facts) - known)
    if unknown:
        raise SchemaError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
    columns = facts.get("columns")
    if not isinstance(columns, list) or not all(isinstance(c, dict) for c in columns):
        raise SchemaError(f"{where}: columns must be a list of [[columns]] tables")
    rest: dict[str, Any] = {k: v for k, v in facts.items() if k != "columns" and v is not None}
    for key in ("target", "entity", "name"):
        if key in rest and not isinstance(rest[key], str):
            raise SchemaError(f"{where}: {key} must be text")
    for key in ("public_rows", "max_rows_per_entity"):
        if key in rest and (isinstance(rest[key], bool) or not isinstance(rest[key], int)):
            raise SchemaError(f"{where}: {key} must be a whole number")
    if "missing" in rest:
        rest["missing"] = _texts(rest["missing"], f"{where}: missing")
    return Schema(columns=tuple(column_from_dict(c, where) for c in columns), **rest)


def schema_to_dict(schema: Schema) -> dict[str, Any]:
    """The inverse of ``schema_from_dict``: plain types, absent facts left out."""
    columns = []
    for c in schema.columns:
        facts: dict[str, Any] = {"name": c.name}
        for key in ("kind", "outside"):
            value = getattr(c, key)
            if value is not None:
                facts[key] = value.value
        for key in ("bounds", "categories"):
            value = getattr(c, key)
            if value is not None:
                facts[key] = list(value)
        for key in ("precision", "format"):
            if getattr(c, key) is not None:
                facts[key] = getattr(c, key)
        facts["nullable"] = c.nullable
        if c.description:
            facts["description"] = c.description
        columns.append(facts)
    top: dict[str, Any] = {"name": schema.name}
    for key in ("target", "entity", "max_rows_per_entity", "public_rows"):
        if getattr(schema, key) is not None:
            top[key] = getattr(schema, key)
    if schema.missing != DEFAULT_MISSING:
        top["missing"] = list(schema.missing)
    top["columns"] = columns
    return top
