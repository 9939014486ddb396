"""The doors to raw cells, while their domain is learnt. Every method that returns something about them charges first."""

from __future__ import annotations

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
from synth.privacy.codes import Codes
from synth.privacy.events import GaussianEvent, PartitionSelectionEvent
from synth.privacy.ledger import Ledger
from synth.privacy.mechanisms import named_values, noisy_counts, selection_threshold
from synth.privacy.randomness import Entropy, os_entropy
from synth.privacy.reshaped import ReshapedRows
from synth.privacy.rows import MemoryRows, Rows
from synth.privacy.sealed import Sealed
from synth.privacy.vault import Measurement, PrivateTable
from synth.schema import Column, Schema
from synth.table import CodeArray

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


class PrivateFrame(Sealed):
    """Raw cells behind a ledger.

    Attributes:
        whole: The schema of the table.
        schema: The part of it that is learnt.
        ledger: Of this run.
    """

    __slots__ = ("__entropy", "__rows", "ledger", "schema", "whole")

    def __init__(self, rows: pd.DataFrame | Rows, schema: Schema, ledger: Ledger, entropy: Entropy = os_entropy) -> None:
        """Take rows in, which have the schema's columns. Every answer is a sum over their chunks.

        Columns of a frame that are made anew are not kept.
        """
        self.whole = schema
        self.schema = schema.only_modelled()
        read = [c.name for c in schema.read_columns]
        self.__rows: Rows = MemoryRows(rows[read]) if isinstance(rows, pd.DataFrame) else rows
        if schema.constraints:
            self.__rows = ReshapedRows(self.__rows, schema)
        self.__entropy = entropy
        self.ledger = ledger

    def noisy_row_count(self, *, sigma: float) -> int:
        """Number of rows, with noise; may be negative."""
        self.ledger.charge(GaussianEvent(what="row count", sigma=sigma))
        exact_rows = np.array([sum(self.__rows.exact_sizes())], dtype=np.int64)
        return int(noisy_counts(exact_rows, sigma=sigma, entropy=self.__entropy)[0])

    def noisy_value_classes(self, name: str, *, sigma: float) -> IntArray:
        """How many cells look like each of ``exact.VALUE_CLASSES``."""
        self.ledger.charge(GaussianEvent(what="kind of column", target=(name,), sigma=sigma))
        cells = self.__rows.cells(name)
        exact_counts = exact.exact_sum(exact.exact_value_classes(part, self.schema.missing) for part in cells)
        return noisy_counts(exact_counts, sigma=sigma, entropy=self.__entropy)

    def noisy_magnitudes(self, column: Column, *, sigma: float) -> IntArray:
        """How many values fall in each of the fixed buckets of ``exact.bucket_edges``."""
        self.ledger.charge(GaussianEvent(what="bounds", target=(column.name,), sigma=sigma))
        edges, chunks = exact.bucket_edges(column), self.__rows.numbers(column, self.schema.missing)
        exact_counts = exact.exact_sum(exact.exact_histogram(values, edges) for values in chunks)
        return noisy_counts(exact_counts, sigma=sigma, entropy=self.__entropy)

    def _values(self, column: Column, axis: Axis) -> Iterator[FloatArray]:
        for values in self.__rows.numbers(column, self.schema.missing):
            yield apply_policy(values, axis, column.policy)

    def named_numbers(self, column: Column, axis: Axis, *, sigma: float, delta: float) -> dict[float, int]:
        """Single numbers that enough rows share, in increasing order, with noisy counts (partition selection)."""
        threshold = selection_threshold(sigma, delta)
        self.ledger.charge(
            PartitionSelectionEvent(what="single values", target=(column.name,), sigma=sigma, threshold=threshold, delta=delta)
        )
        values, exact_counts = exact.exact_number_counts(self._values(column, axis), axis.low, axis.step)
        return named_values(values, exact_counts, sigma=sigma, threshold=threshold, entropy=self.__entropy)

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
        sensitivity = math.sqrt(len(sizes))  # a row is counted once per level, or once as missing, or not at all
        sigma = sensitivity / mu
        event = GaussianEvent(what="histogram", target=(column.name,), sigma=sigma, l2_sensitivity=sensitivity)
        self.ledger.charge(event)
        owner = np.append(split.owner, split.cells)  # an index of -1 means missing
        places = (owner[cell_index(values, split.axis)] for values in self._values(column, split.axis))
        exact_fine = exact.exact_sum(exact.exact_table([p[p >= 0]], (split.cells + 1,)) for p in places)
        exact_counts = np.concatenate([*level_counts(exact_fine[:-1]), exact_fine[-1:]])
        noisy = noisy_counts(exact_counts, sigma=sigma, entropy=self.__entropy).astype(np.float64)
        return np.split(noisy[:-1], np.cumsum(sizes)[:-1]), float(noisy[-1]), sigma

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
        self.ledger.charge(GaussianEvent(what="round values", target=(column.name,), sigma=sigma))
        shape, group = (int(group.max()) + 1, units.classes), np.append(group, -1)

        def exact_part(values: FloatArray) -> IntArray:
            place = group[cell_index(values, axis)]
            classes = units.of(np.rint(values[place >= 0] / axis.step))
            return exact.exact_table([place[place >= 0], classes], shape)

        exact_counts = exact.exact_sum(exact_part(values) for values in self._values(column, axis))
        return noisy_counts(exact_counts, sigma=sigma, entropy=self.__entropy).astype(np.float64)

    def named_values(self, column: Column, *, sigma: float, delta: float) -> dict[str, int]:
        """Values of an open category that enough rows share, with noisy counts (partition selection)."""
        threshold = selection_threshold(sigma, delta)
        self.ledger.charge(
            PartitionSelectionEvent(
                what="category domain", target=(column.name,), sigma=sigma, threshold=threshold, delta=delta
            )
        )
        chunks = (category_cells(part, column, self.schema.missing) for part in self.__rows.cells(column.name))
        values, exact_counts = exact.exact_value_counts(chunks)
        return named_values(values, exact_counts, sigma=sigma, threshold=threshold, entropy=self.__entropy)

    def burn(self, what: str, *, sigma: float) -> None:
        """Charge for a phase that found nothing to ask, so that later phases do not get a data-dependent rest."""
        self.ledger.charge(GaussianEvent(what=f"{what} (not needed)", sigma=sigma))

    def burn_selection(self, what: str, *, sigma: float, delta: float) -> None:
        """The same for partition selection."""
        self.ledger.charge(
            PartitionSelectionEvent(
                what=f"{what} (not needed)",
                target=(),
                sigma=sigma,
                threshold=selection_threshold(sigma, delta),
                delta=delta,
            )
        )

    def encode(self, codec: Codec, rows: RowCount, measured: Sequence[Measurement]) -> PrivateTable:
        """Turn cells into codes. Releases nothing, costs nothing."""
        sizes = self.__rows.exact_sizes()
        codes = Codes(codec.domain.sizes, sum(sizes), self.__rows.scratch)
        for j, column in enumerate(codec.columns):
            start = 0
            for part in self._encoded(column):
                codes.write(j, start, part)
                start += len(part)
        return PrivateTable(codes, codec.domain, rows, self.ledger, measured, self.__entropy)

    def _encoded(self, codec: ColumnCodec) -> Iterator[CodeArray]:
        if isinstance(codec, NumericCodec):
            for values in self.__rows.numbers(codec.column, self.schema.missing):
                yield codec.encode(values).astype(np.int32)
        else:
            for part in self.__rows.cells(codec.column.name):
                yield encode_column(part, codec, self.schema.missing)
