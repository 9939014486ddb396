"""How cells of a column are stored: the types of Parquet files and frames, as plain public facts.

A storage type is spelled as Arrow or pandas spell it: ``int32``, ``Int64``, ``float32``, ``boolean``, ``category``,
``timestamp[us, tz=Europe/Berlin]``, ``datetime64[ns]``, ``date32``, ``time64[us]``, ``duration[ms]``, ``decimal128(10, 2)``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from synth.errors import SchemaError


class Family(StrEnum):
    """Types that hold the same values."""

    INTEGER = "integer"
    FLOAT = "float"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    TEXT = "text"
    CATEGORY = "category"
    TIMESTAMP = "timestamp"
    DATE = "date"
    TIME = "time"
    DURATION = "duration"


class Flavour(StrEnum):
    """Whose type it is, where pandas has several for the same values."""

    FILE = "file"  # Arrow's, as in a Parquet file; a plain numpy type in pandas
    EXTENSION = "extension"  # Int64, Float32, boolean, string: with a missing value of their own
    ARROW = "arrow"  # int64[pyarrow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """One storage type.

    Attributes:
        text: As it is spelled in a schema.
        family: What it holds.
        flavour: Whose type it is.
        bits: Width of an integer, a float, a date, a time or a decimal.
        signed: Whether an integer may be negative.
        unit: Of times: s, ms, us or ns.
        zone: Time zone of a timestamp.
        digits: All digits, and those after the point, of a decimal.
        inner: Type of a category's values; ``None`` for texts.
        large: Whether texts have 64-bit offsets.
    """

    text: str
    family: Family
    flavour: Flavour = Flavour.FILE
    bits: int = 64
    signed: bool = True
    unit: str = "ns"
    zone: str | None = None
    digits: tuple[int, int] = (0, 0)
    inner: Storage | None = None
    large: bool = False

    def whole_bounds(self) -> tuple[int, int]:
        """Smallest and largest number of an integer type."""
        return (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1) if self.signed else (0, 2**self.bits - 1)


_FLOATS = {
    "float16": 16, "halffloat": 16, "float32": 32, "float": 32, "Float32": 32, "float64": 64, "double": 64, "Float64": 64,
}  # fmt: skip
_TEXTS = {"string": Flavour.EXTENSION, "large_string": Flavour.FILE, "text": Flavour.FILE}
_UNIT = r"\[(s|ms|us|ns)\]"


@lru_cache(maxsize=4096)
def parse_storage(text: str, where: str = "schema") -> Storage:
    """Read a storage type.

    Raises:
        SchemaError: Not one that is known.
    """
    found = _parse(text)
    if found is None:
        raise SchemaError(
            f"{where}: the dtype {text!r} is not known; use one such as int32, Int64, float32, boolean, string, category, "
            "date32, timestamp[us], time64[us], duration[us] or decimal128(10, 2)"
        )
    return found


def _parse(text: str) -> Storage | None:
    if text.endswith("[pyarrow]"):
        inner = _parse({"string": "text"}.get(text.removesuffix("[pyarrow]"), text.removesuffix("[pyarrow]")))
        if inner is None or inner.flavour is not Flavour.FILE or inner.family is Family.CATEGORY:
            return None
        facts = {f: getattr(inner, f) for f in inner.__slots__}
        return Storage(**{**facts, "text": text, "flavour": Flavour.ARROW})
    if match := re.fullmatch(r"(u?)int(8|16|32|64)|(U?)Int(8|16|32|64)", text):
        flavour = Flavour.EXTENSION if match[4] else Flavour.FILE
        signed = not (match[1] or match[3])
        return Storage(text=text, family=Family.INTEGER, flavour=flavour, bits=int(match[2] or match[4]), signed=signed)
    if text in _FLOATS:
        flavour = Flavour.EXTENSION if text[0] == "F" else Flavour.FILE
        return Storage(text=text, family=Family.FLOAT, flavour=flavour, bits=_FLOATS[text])
    if text in ("bool", "boolean"):
        flavour = Flavour.EXTENSION if text == "boolean" else Flavour.FILE
        return Storage(text=text, family=Family.BOOLEAN, flavour=flavour)
    if text in _TEXTS:
        return Storage(text=text, family=Family.TEXT, flavour=_TEXTS[text], large=text == "large_string")
    return _parse_times(text) or _parse_composed(text)


def _parse_times(text: str) -> Storage | None:
    if match := re.fullmatch(r"(?:datetime64|timestamp)\[(s|ms|us|ns)(?:, ?(?:tz=)?([\w/+:-]+))?\]", text):
        return Storage(text=text, family=Family.TIMESTAMP, unit=match[1], zone=match[2])
    if match := re.fullmatch(r"date(32|64)(?:\[(?:day|ms)\])?", text):
        return Storage(text=text, family=Family.DATE, bits=int(match[1]))
    if match := re.fullmatch(rf"time(32|64){_UNIT}", text):
        if (match[1] == "32") != (match[2] in ("s", "ms")):
            return None
        return Storage(text=text, family=Family.TIME, bits=int(match[1]), unit=match[2])
    if match := re.fullmatch(rf"(?:duration|timedelta64){_UNIT}", text):
        return Storage(text=text, family=Family.DURATION, unit=match[1])
    return None


def _parse_composed(text: str) -> Storage | None:
    if match := re.fullmatch(r"decimal(32|64|128|256)\((\d{1,2}), ?(\d{1,2})\)", text):
        width, whole, after = int(match[1]), int(match[2]), int(match[3])
        if not 0 < whole <= {32: 9, 64: 18, 128: 38, 256: 76}[width] or after > whole:
            return None
        return Storage(text=text, family=Family.DECIMAL, bits=width, digits=(whole, after))
    if match := re.fullmatch(r"category(?:\[(.+)\])?", text):
        inner = _parse(match[1]) if match[1] else None
        if match[1] and (inner is None or inner.family in (Family.CATEGORY, Family.TEXT)):
            return None
        return Storage(text=text, family=Family.CATEGORY, inner=inner)
    return None
