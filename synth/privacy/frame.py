"""The doors to raw cells, while their domain is learnt. Every method that returns something about them charges first."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.encoding.axis import Axis, Split, apply_policy, cell_index
from synth.encoding.codec import Codec, ColumnCodec, category_cells, encode_column
from synth.encoding.hierarchy import level_counts, level_sizes
from synth.encoding.numeric import NumericCodec
from synth.encoding.rounding import Units
from synth.privacy import exact
from synth.privacy.budget import RowCount
from synth.privacy.checkpoint import Array, array_to_texts, texts_to_array
from synth.privacy.codes import Codes
from synth.privacy.events import Event, GaussianEvent, PartitionSelectionEvent
from synth.privacy.ledger import Ledger
from synth.privacy.mechanisms import exact_agreed, named_values, noisy_size, selection_threshold, spread
from synth.privacy.randomness import Entropy, Value, os_entropy
from synth.privacy.reshaped import ReshapedRows
from synth.privacy.rows import MemoryRows, Rows
from synth.privacy.sealed import Sealed
from synth.privacy.shares import Measurement
from synth.privacy.units import PrivacyUnits, Weights
from synth.privacy.vault import PrivateTable
from synth.schema import Column, Schema
from synth.table import CodeArray

DISTINCT = 1 << 22  # numbers that are told apart at a time
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


class PrivateFrame(Sealed):
    """Raw cells behind a ledger.

    Attributes:
        whole: The schema of the table.
        schema: The part of it that is learnt.
        ledger: Of this run.
        persons: The schema of the table as it was given, where entities are the units.
        spread: Standard deviation of an answer's noise, in the one that it is asked with; above 1 where sites add up.
    """

    __slots__ = ("__entropy", "__rows", "__units", "ledger", "persons", "schema", "spread", "whole")

    def __init__(
        self,
        rows: pd.DataFrame | Rows,
        schema: Schema,
        ledger: Ledger,
        entropy: Entropy = os_entropy,
        units: PrivacyUnits | None = None,
        persons: Schema | None = None,
    ) -> None:
        """Take rows in, which have the schema's columns. Every answer is a sum over their chunks.

        Columns of a frame that are made anew are not kept. Every row is a unit where no ``units`` are given.
        """
        self.whole = schema
        self.schema = schema.only_modelled()
        read = [c.name for c in schema.read_columns]
        self.__rows: Rows = MemoryRows(rows[read]) if isinstance(rows, pd.DataFrame) else rows
        if schema.constraints:
            self.__rows = ReshapedRows(self.__rows, schema)
        self.__entropy = entropy
        self.__units = units if units is not None else PrivacyUnits(sum(self.__rows.exact_sizes()))
        self.ledger = ledger
        self.persons = persons
        self.spread = spread(entropy)

    def noisy_row_count(self, *, sigma: float) -> int:
        """Number of units (rows, or entities), with noise; may be negative."""

        def draw() -> list[IntArray]:
            return [np.array([noisy_size(self.__units.exact_count(), sigma=sigma, entropy=self.__entropy)])]

        (rows,) = self.ledger.ask(GaussianEvent(what="row count", sigma=sigma), draw=draw)
        return int(rows[0])

    def _weights(self) -> Iterator[Weights]:
        """What rows count, chunk by chunk."""
        return self.__units.exact_parts(self.__rows.exact_sizes())

    def noisy_value_classes(self, name: str, *, sigma: float) -> FloatArray:
        """How many cells look like each of ``exact.VALUE_CLASSES``."""

        def draw() -> list[FloatArray]:
            chunks, missing = zip(self.__rows.cells(name), self._weights(), strict=True), self.schema.missing
            exact_counts = exact.exact_sum(exact.exact_value_classes(part, missing, weights) for part, weights in chunks)
            return [self.__units.noisy(exact_counts, sigma=sigma, entropy=self.__entropy)]

        (counts,) = self.ledger.ask(GaussianEvent(what="kind of column", target=(name,), sigma=sigma), draw=draw)
        return counts

    def noisy_magnitudes(self, column: Column, *, sigma: float) -> FloatArray:
        """How many values fall in each of the fixed buckets of ``exact.bucket_edges``."""

        def draw() -> list[FloatArray]:
            edges, chunks = exact.bucket_edges(column), self.__rows.numbers(column, self.schema.missing)
            weighed = zip(chunks, self._weights(), strict=True)
            exact_counts = exact.exact_sum(exact.exact_histogram(values, edges, weights) for values, weights in weighed)
            return [self.__units.noisy(exact_counts, sigma=sigma, entropy=self.__entropy)]

        event = GaussianEvent(what="bounds", target=(column.name,), sigma=sigma)
        (counts,) = self.ledger.ask(event, draw=draw, about=repr(column))
        return counts

    def _values(self, column: Column, axis: Axis) -> Iterator[tuple[FloatArray, Weights]]:
        for values, weights in zip(self.__rows.numbers(column, self.schema.missing), self._weights(), strict=True):
            yield apply_policy(values, axis, column.policy), weights

    def named_numbers(self, column: Column, axis: Axis, *, sigma: float, delta: float) -> dict[float, float]:
        """Single numbers that enough units share, in increasing order, with noisy counts (partition selection)."""
        event, threshold = self._selection("single values", (column.name,), sigma, delta)

        def draw() -> list[Array]:
            named: dict[float, float] = {}
            parts = exact_agreed(math.ceil(max(sum(self.__rows.exact_sizes()), 1) / DISTINCT), self.__entropy)
            for part in range(parts):
                chunks = self._values(column, axis)
                values, exact_counts = exact.exact_number_counts(chunks, axis.low, axis.step, (part, parts))
                named |= self._named(values, exact_counts, sigma, threshold)
            return [np.array(sorted(named), dtype=np.float64), np.array([named[v] for v in sorted(named)], dtype=np.float64)]

        found, counts = self.ledger.ask(event, draw=draw, about=repr((column, axis)))
        return dict(zip(found.tolist(), counts.tolist(), strict=True))

    def _selection(self, what: str, target: tuple[str, ...], sigma: float, delta: float) -> tuple[Event, int]:
        """The event, on which the threshold stands in units, and the threshold on the grid of the weights."""
        cap, scale = self.__units.cap, self.__units.scale
        threshold = selection_threshold(sigma, delta, cap=cap, scale=scale)
        told = threshold if scale == 1 else threshold / scale
        return PartitionSelectionEvent(what=what, target=target, sigma=sigma, threshold=told, delta=delta), threshold

    def _named(self, values: list[Value], exact_counts: IntArray, sigma: float, threshold: int) -> dict[Value, float]:
        scale = self.__units.scale
        named = named_values(values, exact_counts, sigma=sigma * scale, threshold=threshold, entropy=self.__entropy)
        return {value: count / scale for value, count in named.items()}

    def noisy_levels(self, column: Column, split: Split, *, mu: float) -> tuple[list[FloatArray], float, float]:
        """Histograms of several resolutions on a public axis, for a Gaussian-DP parameter ``mu`` in all.

        Args:
            column: Facts in force.
            split: Cells of the histogram; rows at single values are not counted.
            mu: To spend.

        Returns:
            Noisy counts per level of ``encoding.hierarchy``, finest first; the noisy count of missing cells; and the
            standard deviation of each of these counts.
        """
        sizes = level_sizes(split.cells)
        sensitivity = math.sqrt(len(sizes))  # a unit counts 1 at most: per level, or as missing, or parts of it on either
        sigma = sensitivity / mu
        event = GaussianEvent(what="histogram", target=(column.name,), sigma=sigma, l2_sensitivity=sensitivity)
        owner = np.append(split.owner, split.cells)  # an index of -1 means missing

        def draw() -> list[FloatArray]:
            places = ((owner[cell_index(values, split.axis)], weights) for values, weights in self._values(column, split.axis))
            exact_fine = exact.exact_sum(
                exact.exact_counts(p[p >= 0], split.cells + 1, exact.among(weights, p >= 0)) for p, weights in places
            )
            exact_counts = np.concatenate([*level_counts(exact_fine[:-1]), exact_fine[-1:]])
            return [self.__units.noisy(exact_counts, sigma=sigma, entropy=self.__entropy)]

        (noisy,) = self.ledger.ask(event, draw=draw, about=repr((column, split.axis, split.owner.tolist())))
        return np.split(noisy[:-1], np.cumsum(sizes)[:-1]), float(noisy[-1]), sigma * self.spread

    def noisy_roundness(self, column: Column, axis: Axis, group: IntArray, units: Units, *, sigma: float) -> FloatArray:
        """How many values are multiples of what, per group of cells.

        Args:
            column: Facts in force.
            axis: Cells of values.
            group: Group of each cell; -1 for cells whose rows are not counted.
            units: Classes of values.
            sigma: Of the noise.

        Returns:
            Noisy counts, shape (groups, classes).
        """
        event = GaussianEvent(what="round values", target=(column.name,), sigma=sigma)
        about = repr((column, axis, group.tolist(), units))
        shape, group = (int(group.max()) + 1, units.classes), np.append(group, -1)

        def exact_part(values: FloatArray, weights: Weights) -> IntArray:
            place = group[cell_index(values, axis)]
            classes = units.of(np.rint(values[place >= 0] / axis.step))
            return exact.exact_table([place[place >= 0], classes], shape, exact.among(weights, place >= 0))

        def draw() -> list[FloatArray]:
            exact_counts = exact.exact_sum(exact_part(values, weights) for values, weights in self._values(column, axis))
            return [self.__units.noisy(exact_counts, sigma=sigma, entropy=self.__entropy)]

        (counts,) = self.ledger.ask(event, draw=draw, about=about)
        return counts

    def named_values(self, column: Column, *, sigma: float, delta: float) -> dict[str, float]:
        """Values of an open category that enough units share, with noisy counts (partition selection)."""
        event, threshold = self._selection("category domain", (column.name,), sigma, delta)

        def draw() -> list[Array]:
            chunks = zip(self.__rows.cells(column.name), self._weights(), strict=True)
            values, exact_counts = exact.exact_value_counts(
                (*category_cells(part, column, self.schema.missing), weights) for part, weights in chunks
            )
            named = self._named(values, exact_counts, sigma, threshold)
            return [texts_to_array(list(named)), np.array(list(named.values()), dtype=np.float64)]

        found, counts = self.ledger.ask(event, draw=draw, about=repr(column))
        return dict(zip(array_to_texts(found), counts.tolist(), strict=True))

    def noisy_shared_rows(self, known: npt.NDArray[np.uint64], columns: Sequence[Column], *, sigma: float) -> float:
        """Number of rows whose digest is one of ``known``, sorted: rows that equal a public one. A unit counts 1 at most."""
        event = GaussianEvent(what="rows shared with the public table", sigma=sigma)
        about = repr(columns).encode() + known.tobytes()

        def draw() -> list[FloatArray]:
            parts = zip(exact_digests(self.__rows, columns, self.schema.missing), self._weights(), strict=True)
            exact_shared = exact.exact_sum(exact.exact_counts(np.isin(d, known).astype(int), 2, w)[1:] for d, w in parts)
            return [self.__units.noisy(exact_shared, sigma=sigma, entropy=self.__entropy)]

        (shared,) = self.ledger.ask(event, draw=draw, about=hashlib.sha256(about).hexdigest())
        return float(shared[0])

    def burn(self, what: str, *, sigma: float) -> None:
        """Charge for a phase that found nothing to ask, so that later phases do not get a data-dependent rest."""
        self.ledger.announce(GaussianEvent(what=f"{what} (not needed)", sigma=sigma))

    def burn_selection(self, what: str, *, sigma: float, delta: float) -> None:
        """The same for partition selection."""
        event, _ = self._selection(f"{what} (not needed)", (), sigma, delta)
        self.ledger.announce(event)

    def encode(self, codec: Codec, rows: RowCount, measured: Sequence[Measurement]) -> PrivateTable:
        """Turn cells into codes. Releases nothing, costs nothing."""
        sizes = self.__rows.exact_sizes()
        codes = Codes(codec.domain.sizes, sum(sizes), self.__rows.scratch)
        for j, column in enumerate(codec.columns):
            start = 0
            for part in self._encoded(column):
                codes.write(j, start, part)
                start += len(part)
        table = PrivateTable(codes, codec.domain, rows, self.ledger, measured, self.__entropy, self.__units)
        table.number = self.schema.may_aim_at_number
        return table

    def _encoded(self, codec: ColumnCodec) -> Iterator[CodeArray]:
        if isinstance(codec, NumericCodec):
            for values in self.__rows.numbers(codec.column, self.schema.missing):
                yield codec.encode(values).astype(np.int32)
        else:
            for part in self.__rows.cells(codec.column.name):
                yield encode_column(part, codec, self.schema.missing)


def exact_digests(rows: Rows, columns: Sequence[Column], missing: tuple[str, ...]) -> Iterator[npt.NDArray[np.uint64]]:
    """A 64-bit digest of each row's values, chunk by chunk; each row on its own. Private unless the rows are not."""

    def parts(column: Column) -> Iterator[npt.NDArray[np.uint64]]:
        if column.kind is not None and column.kind.is_numeric:
            for values in rows.numbers(column, missing):
                yield pd.util.hash_array(np.where(np.isnan(values), np.nan, values + 0.0))  # -0 and 0 are one value
        else:
            for series in rows.cells(column.name):
                found, place = category_cells(series, column, missing)
                texts = ["" if text is None else f"={text}" for text in [*found, None]]  # a place of -1 means missing
                yield pd.util.hash_array(np.array(texts, dtype=object))[place]

    for chunk in zip(*map(parts, columns), strict=True):
        whole = np.zeros(len(chunk[0]), dtype=np.uint64)
        for part in chunk:
            whole = (whole ^ part) * exact.HASH
        yield whole
