"""The doors to the rows. Every method that returns something about them charges the ledger first.

``PrivateFrame`` holds raw cells while their domain is learnt; ``PrivateTable`` holds codes and is what models get.
Neither can be printed, pickled, copied, measured or iterated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from synth.encoding.codec import Codec, category_texts, encode_column
from synth.encoding.hierarchy import level_counts, level_sizes
from synth.encoding.numeric import Axis, apply_policy, cell_index
from synth.encoding.values import numbers
from synth.errors import AccountingError, RefusedError
from synth.privacy import exact
from synth.privacy.accounting import calibrate_noise, gaussian_mu
from synth.privacy.budget import RowCount
from synth.privacy.choice import Guess, check_guesses, fold_domain
from synth.privacy.events import GaussianEvent, PartitionSelectionEvent, SelectionEvent
from synth.privacy.ledger import Ledger
from synth.privacy.mechanisms import exponential_choice, named_values, noisy_counts, selection_threshold
from synth.privacy.randomness import Entropy, os_entropy, poisson_sample
from synth.privacy.sealed import Sealed
from synth.schema import Column, Schema
from synth.table import Domain

if TYPE_CHECKING:
    import torch

    from synth.privacy.dpsgd import NoisyGradient, RowLoss, SgdPlan

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

SELECTION_SHARE = 0.05  # of the working delta, for partition selection


def measurement_mu(ledger: Ledger) -> float:
    """The whole budget as a Gaussian-DP ``mu``; shares of its square are what phases get."""
    return gaussian_mu(ledger.budget.epsilon, ledger.working_delta * (1 - SELECTION_SHARE))


def sigma_for(ledger: Ledger, share: float, queries: int = 1) -> float:
    """Noise for ``queries`` counts of sensitivity 1 that together cost ``share`` of the Gaussian budget."""
    return math.sqrt(queries / share) / measurement_mu(ledger)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A noisy contingency table. Public.

    Attributes:
        names: Columns.
        counts: Noisy counts, shape of the columns' sizes.
        sigma: Standard deviation of each cell (a scalar array or the shape of ``counts``).
    """

    names: tuple[str, ...]
    counts: FloatArray
    sigma: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """Noisy sums of products of signs. Public.

    Attributes:
        signs: Sign of each code, per column.
        subsets: Columns of each product.
        sums: Noisy sums, shape (len(subsets),).
        sigma: Standard deviation of each.
    """

    signs: tuple[IntArray, ...]
    subsets: tuple[tuple[int, ...], ...]
    sums: FloatArray
    sigma: float


class PrivateFrame(Sealed):
    """Raw cells behind a ledger."""

    __slots__ = ("__entropy", "__frame", "ledger", "schema")

    def __init__(self, frame: pd.DataFrame, schema: Schema, ledger: Ledger, entropy: Entropy = os_entropy) -> None:
        """Take rows in. ``frame`` has exactly the schema's columns."""
        self.__frame = frame
        self.__entropy = entropy
        self.schema = schema
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

    def noisy_levels(self, column: Column, axis: Axis, *, mu: float) -> tuple[list[FloatArray], float, float]:
        """Histograms of several resolutions on a public axis, for a Gaussian-DP parameter ``mu`` in all.

        Returns:
            Noisy counts per level of ``encoding.hierarchy``, finest first; the noisy count of missing cells; and the
            standard deviation of each of these counts.
        """
        sensitivity = math.sqrt(len(level_sizes(axis.cells)))  # a row is counted once per level, or once as missing
        sigma = sensitivity / mu
        event = GaussianEvent(what="histogram", target=(column.name,), sigma=sigma, l2_sensitivity=sensitivity)
        self.ledger.charge(event)
        values = apply_policy(numbers(self.__frame[column.name], column, self.schema.missing), axis, column.policy)
        cell = cell_index(values, axis)
        exact_fine = np.bincount(np.where(cell < 0, axis.cells, cell), minlength=axis.cells + 1).astype(np.int64)
        exact_counts = np.concatenate([*level_counts(exact_fine[:-1]), exact_fine[-1:]])
        noisy = noisy_counts(exact_counts, sigma=sigma, entropy=self.__entropy).astype(np.float64)
        return np.split(noisy[:-1], np.cumsum(level_sizes(axis.cells))[:-1]), float(noisy[-1]), sigma

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

    def burn_selection(self, *, sigma: float, delta: float) -> None:
        """The same for partition selection."""
        self.ledger.charge(
            PartitionSelectionEvent(
                what="category domain (not needed)",
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


class PrivateTable(Sealed):
    """Codes behind a ledger: what a synthesizer fits.

    Attributes:
        domain: Public names and sizes.
        rows: Public (declared or paid) row count.
        ledger: Of this run.
        measured: Noisy one-way tables that preparing the codes already paid for.
    """

    __slots__ = ("__codes", "__entropy", "domain", "ledger", "measured", "rows")

    def __init__(
        self,
        codes: npt.NDArray[np.integer],
        domain: Domain,
        rows: RowCount,
        ledger: Ledger,
        measured: Sequence[Measurement] = (),
        entropy: Entropy = os_entropy,
    ) -> None:
        """Take codes in, shape (n, d), each column below its size."""
        if codes.ndim != 2 or codes.shape[1] != len(domain.sizes):
            raise AccountingError("codes must have one column per name of the domain")
        if codes.size and ((codes < 0) | (codes >= np.asarray(domain.sizes))).any():
            raise AccountingError("a code lies outside its column's domain")
        self.__codes = codes
        self.__entropy = entropy
        self.domain = domain
        self.rows = rows
        self.ledger = ledger
        self.measured = tuple(measured)

    def noisy_marginals(
        self, subsets: Sequence[tuple[str, ...]], *, share: float, weights: Sequence[float] | None = None
    ) -> list[Measurement]:
        """Noisy contingency tables, one per subset of columns, for ``share`` of the Gaussian budget in all.

        Args:
            subsets: Column names of each table.
            share: Of the squared Gaussian budget.
            weights: How the share is split over the tables, positive; evenly by default.

        Returns:
            One measurement per subset, counts of shape ``sizes[subset]``.

        Raises:
            RefusedError: The ledger does not grant it.
        """
        parts = np.ones(len(subsets)) if weights is None else np.asarray(weights, dtype=np.float64)
        sigmas = [sigma_for(self.ledger, share * float(part)) for part in parts / parts.sum()]
        what = "one-way table" if all(len(s) == 1 for s in subsets) else "table"
        pairs = list(zip(subsets, sigmas, strict=True))
        self.ledger.charge(*(GaussianEvent(what=what, target=tuple(names), sigma=sigma) for names, sigma in pairs))
        return [self._measure(tuple(names), sigma) for names, sigma in pairs]

    def noisy_products(self, signs: Sequence[IntArray], subsets: Sequence[tuple[int, ...]], *, share: float) -> Products:
        """Noisy sums over rows of products of signs, one per subset of columns, for ``share`` of the Gaussian budget in all.

        Args:
            signs: For every column the sign of each code: -1, 0 or 1, shape (size,). Public.
            subsets: Positions of the columns whose signs are multiplied.
            share: Of the squared Gaussian budget; a row moves each of the m sums by at most 1, all of them by sqrt(m).

        Raises:
            RefusedError: The ledger does not grant it.
        """
        sensitivity = math.sqrt(len(subsets))
        sigma = sensitivity * sigma_for(self.ledger, share)
        self.ledger.charge(GaussianEvent(what="products of signs", sigma=sigma, l2_sensitivity=sensitivity))
        exact_sums = exact.exact_products(self.__codes, signs, subsets)
        noisy = noisy_counts(exact_sums, sigma=sigma, entropy=self.__entropy)
        return Products(signs=tuple(signs), subsets=tuple(subsets), sums=noisy.astype(np.float64), sigma=sigma)

    def noisy_marginals_with_rest(self, subsets: Sequence[tuple[str, ...]]) -> list[Measurement]:
        """The same for everything that is left, after which the budget is spent."""
        spent = math.fsum(e.mu**2 for e in self.ledger.events if not hasattr(e, "steps"))
        deltas = math.fsum(getattr(e, "delta", 0.0) for e in self.ledger.events)
        whole = gaussian_mu(self.ledger.budget.epsilon, self.ledger.working_delta - deltas)
        left = whole**2 * (1 - 1e-9) - spent
        if left <= 0:
            raise RefusedError("nothing is left of the budget for the tables of this model; raise epsilon")
        return self.noisy_marginals(subsets, share=left / measurement_mu(self.ledger) ** 2)

    def _measure(self, names: tuple[str, ...], sigma: float) -> Measurement:
        index = [self.domain.names.index(name) for name in names]
        sizes = tuple(self.domain.sizes[j] for j in index)
        exact_counts = exact.exact_table(self.__codes[:, index], sizes)
        noisy = noisy_counts(exact_counts, sigma=sigma, entropy=self.__entropy)
        return Measurement(names=names, counts=noisy.astype(np.float64), sigma=np.asarray(sigma))

    def noisy_gradients(
        self,
        module: torch.nn.Module,
        loss: RowLoss,
        plan: SgdPlan,
    ) -> NoisyGradient:
        """DP-SGD with all that is left of the budget.

        Charges ``plan.steps`` noisy sums at once, then hands out an object whose ``step()`` draws one of them.

        Args:
            module: Network whose trainable parameters get gradients.
            loss: ``loss(module, codes, normals)`` with codes of shape (batch, d), int64, returns the loss of each row,
                shape (batch,). The one callback that sees rows: it stores, logs and branches on nothing. Randomness
                comes from ``normals(shape)``, standard normal draws from secret entropy, first axis the rows.
            plan: Steps, rate and clipping norm: functions of public or paid figures.

        Raises:
            RefusedError: Nothing is left, or the noise would drown every signal.
        """
        from synth.privacy.dpsgd import NoisyGradient, check_signal

        event = calibrate_noise(
            self.ledger.events,
            sample_rate=plan.sample_rate,
            steps=plan.steps,
            epsilon=self.ledger.budget.epsilon,
            delta=self.ledger.working_delta,
        )
        check_signal(module, plan, event.noise_multiplier, self.ledger.budget.epsilon)
        self.ledger.charge(event)

        def exact_batch() -> npt.NDArray[np.integer]:
            taken = poisson_sample(len(self.__codes), plan.sample_rate, self.__entropy)
            return np.asarray(self.__codes[taken])

        return NoisyGradient(module, loss, plan, event.noise_multiplier, exact_batch, self.__entropy)

    def choose_table(
        self, guesses: Sequence[Guess], *, weights: Sequence[float], biases: Sequence[float], epsilon: float
    ) -> int:
        """Which table the guesses miss most: exponential mechanism on ``weight * |table - guess|_1 + bias``.

        Args:
            guesses: Columns and public counts of shape ``sizes[columns]``, one per candidate.
            weights: Public, > 0. One row moves a distance by 1, so the largest weight is the sensitivity.
            biases: Public, in weighted rows; for the noise a measurement would bring.
            epsilon: Range of the privacy loss; costs ``epsilon^2 / 8`` of zCDP.
        """
        check_guesses(guesses, weights, biases, self.domain)
        self.ledger.charge(SelectionEvent(what="choice of a table", epsilon=epsilon))
        exact_gaps = (exact.exact_gap(self.__codes[:, self._index(names)], guess) for names, guess in guesses)
        exact_scores = [Fraction(w) * gap + Fraction(b) for w, b, gap in zip(weights, biases, exact_gaps, strict=True)]
        return exponential_choice(exact_scores, sensitivity=Fraction(max(weights)), epsilon=epsilon, entropy=self.__entropy)

    def coarsen(self, groups: Sequence[IntArray]) -> PrivateTable:
        """The same rows with codes merged by public maps, one per column. Releases nothing, costs nothing."""
        domain = fold_domain(self.domain, groups)
        codes = np.stack([g[self.__codes[:, j]] for j, g in enumerate(groups)], axis=1)
        return PrivateTable(codes, domain, self.rows, self.ledger, (), self.__entropy)

    def _index(self, names: tuple[str, ...]) -> list[int]:
        return [self.domain.names.index(name) for name in names]
