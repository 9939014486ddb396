"""The doors to raw cells, while their domain is learnt. Every method that returns something about them charges first."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.encoding.axis import Axis, Split, apply_policy, cell_index
from synth.encoding.codec import Codec, category_texts, encode_column
from synth.encoding.hierarchy import level_counts, level_sizes
from synth.encoding.rounding import Units
from synth.encoding.values import numbers
from synth.privacy import exact
from synth.privacy.budget import RowCount
from synth.privacy.events import GaussianEvent, PartitionSelectionEvent
from synth.privacy.ledger import Ledger
from synth.privacy.mechanisms import named_values, noisy_counts, selection_threshold
from synth.privacy.randomness import Entropy, os_entropy
from synth.privacy.sealed import Sealed
from synth.privacy.vault import Measurement, PrivateTable
from synth.schema import Column, Schema

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


class PrivateFrame(Sealed):
    """Raw cells behind a ledger.

    Attributes:
        whole: The schema of the table.
        schema: The part of it that is learnt.
        ledger: Of this run.
    """

    __slots__ = ("__entropy", "__frame", "ledger", "schema", "whole")

    def __init__(self, frame: pd.DataFrame, schema: Schema, ledger: Ledger, entropy: Entropy = os_entropy) -> None:
        """Take rows in. ``frame`` has the schema's columns; those that are made anew are not kept."""
        self.whole = schema
        self.schema = schema.only_modelled()
        self.__frame = frame[list(self.schema.names)]
        self.__entropy = entropy
        self.ledger = ledger

    def noisy_row_count(self, *, sigma: float) -> int:
        """Number of rows, with noise; may be negative."""
        self.ledger.charge(GaussianEvent(what="row count", sigma=sigma))
        exact_rows = np.array([len(self.__frame)], dtype=np.int64)
        return int(noisy_counts(exact_rows, sigma=sigma, entropy=self.__entropy)[0])

    def noisy_value_classes(self, name: str, *, sigma: float) -> IntArray:
        """How many cells look like each of ``exact.VALUE_CLASSES``."""
        self.ledger.charge(GaussianEvent(what="kind of column", target=(name,), sigma=sigma))
        exact_counts = exact.exact_value_classes(self.__frame[name], self.schema.missing)
        return noisy_counts(exact_counts, sigma=sigma, entropy=self.__entropy)

    def noisy_magnitudes(self, column: Column, *, sigma: float) -> IntArray:
        """How many values fall in each of the fixed buckets of ``exact.bucket_edges``."""
        self.ledger.charge(GaussianEvent(what="bounds", target=(column.name,), sigma=sigma))
        values = numbers(self.__frame[column.name], column, self.schema.missing)
        exact_counts = exact.exact_histogram(values, exact.bucket_edges(column))
        return noisy_counts(exact_counts, sigma=sigma, entropy=self.__entropy)

    def _values(self, column: Column, axis: Axis) -> FloatArray:
        return apply_policy(numbers(self.__frame[column.name], column, self.schema.missing), axis, column.policy)

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
        place = np.append(split.owner, split.cells)[
            cell_index(self._values(column, split.axis), split.axis)
        ]  # index -1 means missing
        exact_fine = np.bincount(place[place >= 0], minlength=split.cells + 1).astype(np.int64)
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
        values = self._values(column, axis)
        place = np.append(group, -1)[cell_index(values, axis)]
        classes = units.of(np.rint(values[place >= 0] / axis.step))
        exact_counts = exact.exact_table(np.column_stack([place[place >= 0], classes]), (int(group.max()) + 1, units.classes))
        return noisy_counts(exact_counts, sigma=sigma, entropy=self.__entropy).astype(np.float64)

    def named_values(self, column: Column, *, sigma: float, delta: float) -> dict[str, int]:
        """Values of an open category that enough rows share, with noisy counts (partition selection)."""
        threshold = selection_threshold(sigma, delta)
        self.ledger.charge(
            PartitionSelectionEvent(
                what="category domain", target=(column.name,), sigma=sigma, threshold=threshold, delta=delta
            )
        )
        cells = category_texts(self.__frame[column.name], column, self.schema.missing)
        values, exact_counts = exact.exact_value_counts(cells)
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
        n_rows = len(self.__frame)
        codes = np.empty((n_rows, len(codec.columns)), dtype=np.uint16 if max(codec.domain.sizes) < 65536 else np.int32)
        for j, column in enumerate(codec.columns):
            codes[:, j] = encode_column(self.__frame[column.column.name], column, self.schema.missing)
        return PrivateTable(codes, codec.domain, rows, self.ledger, measured, self.__entropy)
