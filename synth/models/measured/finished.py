"""Finished rows from drawn ones: weighed by the noisy answers, resampled, and spread over the codes inside each group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synth.encoding.even import even_draws
from synth.errors import ArtifactError
from synth.models.base import Fitted
from synth.models.given import Given, Weighted, grouped, with_known
from synth.models.measured.balance import chosen_rows
from synth.models.measured.many import QuickScore, resampled, weights_of
from synth.models.measured.rake import Features, proportioned
from synth.models.one_way import unpack
from synth.table import Domain, EncodedTable

Codes = npt.NDArray[np.integer[Any]]  # by column, shape (columns, rows)
FloatArray = npt.NDArray[np.float64]
Draw = Callable[[int, np.random.Generator], Tensor]
DrawMany = Callable[[int, np.random.Generator], Codes]
DrawWhere = Callable[[int, Sequence[Given], np.random.Generator], tuple[Tensor, Tensor]]

MAX_WIDTH = 23_170  # codes of all columns where there is a net: the square is what a file of 2 GiB can hold
LEAST = 1e-12  # share of a code that was never seen, inside its group
MANY = 1 << 16  # rows at a time from which on chance adds little, so that they are drawn with less care, and faster
MAX_DRAWS = 16  # rows drawn per row wanted; ours draw 4 at most


def coarse_domain(fitted: Fitted, domain: Domain) -> Domain:
    """The domain that rows are drawn on.

    Raises:
        ArtifactError: A changed file asks for a net, or for draws, beyond what any model of ours has.
    """
    sizes = tuple(int(g.max()) + 1 for g in np.split(fitted.tensors["groups"], domain.offsets[1:]))
    draws = fitted.facts["draws_per_row"]
    wide = sum(sizes) > MAX_WIDTH and any(name.startswith("net_") for name in fitted.tensors)
    if wide or isinstance(draws, bool) or not isinstance(draws, int) or not 1 <= draws <= MAX_DRAWS:
        raise ArtifactError("the model asks for more memory than any of ours; copy it again, or fit again")
    return Domain(names=domain.names, sizes=sizes, target=domain.target, in_order=tuple(fitted.facts["in_order"]))


def independent_rows(fitted: Fitted, domain: Domain, n_rows: int, rng: np.random.Generator) -> EncodedTable:
    """Rows of independent columns."""
    codes = np.empty((n_rows, len(domain.sizes)), dtype=np.int32)
    for j, shares in enumerate(unpack(fitted.tensors["one_way"], domain)):
        codes[:, j] = rng.choice(len(shares), size=n_rows, p=shares / shares.sum())
    return EncodedTable(domain, codes)


class Sampler:
    """Draws more rows than needed, resamples them by their weights, and draws codes inside the groups.

    Prepared once for all blocks of a sample, and used by several threads.
    """

    def __init__(self, fitted: Fitted, domain: Domain, draw: Draw, draw_many: DrawMany | None = None) -> None:
        """Unpack the tensors of ``finish``.

        Args:
            fitted: With these tensors.
            domain: Of the codes.
            draw: As in ``finish``.
            draw_many: The same for very many rows, by column; ``draw`` does it by default.
        """
        self._domain, self._coarse, self._draw = domain, coarse_domain(fitted, domain), draw
        self._draw_many = draw_many or self._by_column
        self._multipliers = torch.from_numpy(fitted.tensors["multipliers"])
        self._features = Features.from_arrays(fitted.tensors, len(self._multipliers))
        self._draws = int(fitted.facts["draws_per_row"])
        self._one_way, self._wanted = unpack(fitted.tensors["one_way"], domain), unpack(fitted.tensors["coarse"], self._coarse)
        self._maps = np.split(fitted.tensors["groups"], domain.offsets[1:])

    def _by_column(self, rows: int, rng: np.random.Generator) -> Codes:
        return np.ascontiguousarray(self._draw(rows, rng).numpy().T.astype(np.min_scalar_type(max(self._coarse.sizes))))

    @cached_property
    def _quick(self) -> QuickScore:
        return QuickScore(self._features, self._multipliers, self._coarse)

    def __call__(self, n_rows: int, rng: np.random.Generator) -> EncodedTable:
        """Rows; ``rng`` is the only source of chance."""
        taken = self._many(n_rows, rng) if n_rows > MANY else self._few(n_rows, rng)
        codes = np.empty((len(taken), n_rows), dtype=np.int32)
        for j, shares in enumerate(self._one_way):
            codes[j] = within_groups(taken[j], self._maps[j], shares, rng)
        return EncodedTable(self._domain, codes.T)

    def _few(self, n_rows: int, rng: np.random.Generator) -> Codes:
        drawn = self._draw(n_rows * self._draws, rng)
        rows = drawn.numpy()
        score = self._features.score(drawn, self._multipliers, self._coarse).numpy()
        weights = proportioned(rows, weights_of(score), self._wanted)
        return np.ascontiguousarray(rows[chosen_rows(rows, weights, n_rows, self._coarse, rng)].T)

    def _many(self, n_rows: int, rng: np.random.Generator) -> Codes:
        drawn = self._draw_many(n_rows * min(self._draws, max(self._draws // 2, 2)), rng)
        weights = proportioned(drawn.T, weights_of(self._quick.of(drawn)), self._wanted)
        return np.take(drawn, resampled(weights, n_rows, rng), axis=1)


def finished_rows(fitted: Fitted, domain: Domain, draw: Draw, n_rows: int, rng: np.random.Generator) -> EncodedTable:
    """Rows of a ``Sampler`` that is used once."""
    return Sampler(fitted, domain, draw)(n_rows, rng)


def conditioned_rows(
    fitted: Fitted, domain: Domain, draw: DrawWhere, given: Sequence[Given], n_rows: int, rng: np.random.Generator
) -> Weighted:
    """Draw rows under conditions, weigh them as raking does, and draw codes inside the groups.

    Args:
        fitted: With the tensors of ``finish``.
        domain: Of the codes.
        draw: Rows on the groups, shape (rows, columns), and the logarithms of their weights, under conditions on groups.
        given: Conditions on codes.
        n_rows: Rows wanted.
        rng: The only source of chance.
    """
    coarse, multipliers = coarse_domain(fitted, domain), torch.from_numpy(fitted.tensors["multipliers"])
    features = Features.from_arrays(fitted.tensors, len(multipliers))
    maps = np.split(fitted.tensors["groups"], domain.offsets[1:])
    shares = [np.maximum(p, LEAST) for p in unpack(fitted.tensors["one_way"], domain)]
    drawn, mass = draw(n_rows, grouped(given, maps, shares), rng)
    scores = features.score(drawn, multipliers, coarse) + mass
    codes = np.empty((n_rows, len(domain.sizes)), dtype=np.int32)
    for j, one in enumerate(given):
        codes[:, j] = within_groups(drawn[:, j].numpy(), maps[j], shares[j], rng, one.likelihood)
    return Weighted(with_known(codes, given), scores.double().numpy())


def within_groups(
    merged: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int32],
    shares: FloatArray,
    rng: np.random.Generator,
    likelihood: FloatArray | None = None,
) -> npt.NDArray[np.integer]:
    """Codes of merged codes, by the one-way table (times a likelihood of codes) inside each group; shape (n,) to (n,)."""
    order = np.argsort(groups, kind="stable")
    if groups.max() + 1 == len(groups):
        return order[merged]
    likely = np.maximum(shares, LEAST)
    if likelihood is not None:
        likely = likely * likelihood
    rising = np.append(0.0, np.cumsum(likely[order]))
    first = np.searchsorted(groups[order], np.arange(groups.max() + 2))
    low, high = rising[first[merged]], rising[first[merged + 1]]
    place = np.searchsorted(rising, low + even_draws(merged, rng) * (high - low), side="right") - 1
    return np.asarray(order[np.clip(place, first[merged], first[merged + 1] - 1)])
