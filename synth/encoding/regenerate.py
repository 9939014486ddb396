"""Identifiers and personal data: made anew for each synthetic row from declared facts alone. No row was ever read for them.

Values therefore carry no information, cost no budget, and may by chance be those of a real person.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.errors import InputError, SchemaError
from synth.pattern import Parts, parse_pattern
from synth.schema import Column, Kind, Schema

TextArray = npt.NDArray[np.object_]

TRIES = 100  # of a Faker provider, for one more value that was not there yet
EXTRA_BYTES = 8  # of a draw below a large number: a bias below 2^-64


def regenerate(column: Column, n_rows: int, rng: np.random.Generator) -> TextArray:
    """Values of an identifier or of personal data for one table, shape (n,).

    Args:
        column: Declared facts.
        n_rows: How many.
        rng: Public randomness.

    Raises:
        InputError: The schema wants unique values and there are not enough of them.
    """
    return Regenerator(column, np.random.SeedSequence(rng.integers(0, 2**63, 4).tolist())).take(n_rows)


class Regenerator:
    """Fresh values of one column, block after block; unique over all blocks where the schema says so.

    The first values do not depend on how many are taken at once.
    """

    def __init__(self, column: Column, seed: np.random.SeedSequence) -> None:
        """Start at the first row."""
        self._column = column
        self._start = 0
        self._rng = np.random.Generator(np.random.Philox(seed))
        self._pattern = parse_pattern(column.pattern) if column.pattern is not None else None
        if self._pattern is not None and column.unique:
            self._step, self._offset = _permutation(self._pattern.count, self._rng)
        if column.faker is not None:
            self._make = provider(column, int(self._rng.integers(0, 2**62)))
        self._seen: set[str] = set()

    def take(self, n_rows: int) -> TextArray:
        """The next values, shape (n,)."""
        start, self._start = self._start, self._start + n_rows
        if self._column.faker is not None:
            return np.array([self._fake() for _ in range(n_rows)] or [], dtype=object)
        if self._pattern is None:
            return np.array([str(i + 1) for i in range(start, start + n_rows)], dtype=object)
        return self._pattern.render(self._places(self._pattern, start, n_rows))

    def _places(self, pattern: Parts, start: int, n_rows: int) -> npt.NDArray[np.object_]:
        count = pattern.count
        if self._column.unique:
            if start + n_rows > count:
                raise InputError(
                    f"column {self._column.name!r} is unique, but its pattern has only {count} different values; "
                    "sample fewer rows, or widen the pattern"
                )
            rows = np.array(range(start, start + n_rows), dtype=object)
            return (rows * self._step + self._offset) % count
        width = _draw_bytes(count)
        drawn = self._rng.bytes(width * n_rows) if n_rows else b""
        numbers = [int.from_bytes(drawn[i : i + width], "big") % count for i in range(0, width * n_rows, width)]
        return np.array(numbers, dtype=object)

    def _fake(self) -> str:
        text = spelled(self._make())
        if not self._column.unique:
            return text
        for _ in range(TRIES):
            if text not in self._seen:
                self._seen.add(text)
                return text
            text = spelled(self._make())
        raise InputError(
            f"column {self._column.name!r} is unique, but Faker's {self._column.faker!r} does not have that many different "
            "values; sample fewer rows, or take another provider or an identifier with a pattern"
        )


def _draw_bytes(count: int) -> int:
    """Bytes of a nearly even draw below ``count``: whole words of the generator, so that portions do not matter."""
    return (count.bit_length() + 63) // 64 * 8 + EXTRA_BYTES


def _permutation(count: int, rng: np.random.Generator) -> tuple[int, int]:
    """Step and offset of ``row -> (row * step + offset) mod count``, which hits every number once."""
    width = _draw_bytes(count)
    step, offset = (int.from_bytes(rng.bytes(width), "big") % count for _ in range(2))
    while math.gcd(step, count) != 1:
        step = (step + 1) % count
    return step, offset


def provider(column: Column, seed: int) -> Any:
    """The Faker provider of a column.

    Raises:
        SchemaError: No such provider or locale.
    """
    import faker

    try:
        fake = faker.Faker(column.locale or "en_US", use_weighting=False)
    except (AttributeError, ImportError, ValueError):
        raise SchemaError(f"column {column.name!r}: Faker has no locale {column.locale!r}; use one such as de_DE") from None
    fake.seed_instance(seed)
    make = getattr(fake, str(column.faker), None) if not str(column.faker).startswith("_") else None
    try:
        spelled(make())  # type: ignore[misc]
    except (TypeError, ValueError, AttributeError, ImportError):
        raise SchemaError(
            f"column {column.name!r}: Faker has no provider {column.faker!r} that makes one text; use one such as name, "
            "first_name, email, phone_number, street_address, city, company, iban"
        ) from None
    fake.seed_instance(seed)
    return make


def spelled(value: Any) -> str:
    """One line of text.

    Raises:
        TypeError: A list, a mapping or bytes.
    """
    if value is None or isinstance(value, list | tuple | dict | set | bytes) or callable(value):
        raise TypeError("not one text")
    return " ".join(str(value).split())


class NewKeys:
    """Keys of synthetic persons, one after the other: no two are equal, and none is a function of a real one.

    By the column's pattern or Faker provider where it is an identifier or personal data; otherwise running numbers, as
    integers from the lowest bound of an integer column, as texts with the column's name in front in any other case.
    """

    def __init__(self, column: Column, seed: np.random.SeedSequence) -> None:
        """Start at the first person."""
        self._column, self._start = column, 0
        again = column.kind is not None and column.kind.is_regenerated
        self._maker = Regenerator(replace(column, unique=True), seed) if again else None

    def take(self, n_persons: int) -> npt.NDArray[Any]:
        """The next keys, shape (n,)."""
        if self._maker is not None:
            return self._maker.take(n_persons)
        start, self._start = self._start, self._start + n_persons
        if self._column.kind is Kind.INTEGER:
            lowest = 1 if self._column.bounds is None else int(self._column.numeric_bounds()[0])
            return lowest + np.arange(start, start + n_persons)
        return np.array([f"{self._column.name}-{i + 1}" for i in range(start, start + n_persons)], dtype=object)


class Regeneration:
    """All regenerated columns of a sample."""

    def __init__(self, schema: Schema, seed: np.random.SeedSequence) -> None:
        """Start at the first row of a sample."""
        fresh = [c for c in schema.columns if c.kind is not None and c.kind.is_regenerated]
        seeds = seed.spawn(len(fresh))
        self._columns = {c.name: Regenerator(c, s) for c, s in zip(fresh, seeds, strict=True)}

    def take(self, n_rows: int) -> dict[str, TextArray]:
        """The next rows, by column."""
        return {name: maker.take(n_rows) for name, maker in self._columns.items()}


def check_providers(schema: Schema) -> None:
    """Find out before a fit that values can be made.

    Raises:
        SchemaError: See ``provider``.
    """
    for column in schema.columns:
        if column.faker is not None:
            provider(column, 0)
