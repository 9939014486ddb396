"""Interactions of three and four columns, found with products of signs instead of many-way tables.

A noisy sum of products over rows costs a fraction of the table that it summarises. Signs first split every column in
half; for the subsets that stand out, signed tables then show where each column's sign really changes, and a last product
with the mended signs says how strong the interaction is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from synth.privacy.signs import SignProduct
from synth.privacy.vault import PrivateTable
from synth.table import Domain

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Signs = npt.NDArray[np.int8]

MAX_PRODUCTS = 1000
REFINED = 6
REFINED_SHARE = 0.7  # of the budget for mending, for signed tables; the rest for the products with mended signs


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """Noisy mean products of signs.

    Attributes:
        queries: What was asked.
        means: Noisy means over rows, shape (queries,).
        sd: Their standard deviations, same shape.
    """

    queries: tuple[SignProduct, ...]
    means: FloatArray
    sd: FloatArray

    def chosen(self, kept: npt.NDArray[np.bool_]) -> Products:
        """Some of them."""
        queries = tuple(q for q, k in zip(self.queries, kept, strict=True) if k)
        return Products(queries=queries, means=self.means[kept], sd=self.sd[kept])


def half_signs(shares: FloatArray, in_order: int) -> Signs:
    """Signs that split a column in about equal halves: at the median of ordered codes, else greedily."""
    if in_order > 1:
        middle = np.cumsum(shares) - shares / 2
        signs = np.where(middle < shares[:in_order].sum() / 2, -1, 1)
        if abs(signs.sum()) == len(signs):
            signs[0] = -signs[0]
        return signs.astype(np.int8)
    signs, sums = np.zeros(len(shares), dtype=np.int8), [0.0, 0.0]
    for code in np.argsort(-shares, kind="stable"):
        side = int(sums[1] < sums[0])
        signs[code], sums[side] = 2 * side - 1, sums[side] + shares[code]
    return signs


def candidate_subsets(domain: Domain) -> list[tuple[int, ...]]:
    """All triples, and all quadruples with the target, as far as there are few enough.

    From the columns alone, not their codes: whether anything is asked decides what is left for DP-SGD.
    """
    active = range(len(domain.sizes))
    target = domain.names.index(domain.target) if domain.target is not None else -1
    rest = [j for j in active if j != target]
    with_target = [(*s, target) for s in combinations(rest, 3)] if target >= 0 else []
    found: list[tuple[int, ...]] = []
    for subsets in (with_target, list(combinations(active, 3))):
        if len(found) + len(subsets) <= MAX_PRODUCTS:
            found += subsets
    return found


def measure_products(
    data: PrivateTable, one_way: Sequence[FloatArray], *, share: float, refine_share: float
) -> Products | None:
    """Ask for products of halves, then for better signs of the most striking ones. ``None`` where there is nothing to ask.

    Args:
        data: Coarse codes.
        one_way: Their noisy distributions.
        share: Of the Gaussian budget, for the first products.
        refine_share: For mending signs; always spent.
    """
    domain, rows = data.domain, data.rows.estimate
    subsets = candidate_subsets(domain)
    if not subsets:
        return None
    in_order = domain.in_order or (0,) * len(domain.sizes)
    halves = [half_signs(p, n) for p, n in zip(one_way, in_order, strict=True)]
    queries = [SignProduct(s, tuple(halves[j] for j in s)) for s in subsets]
    sums, sigma = data.noisy_products(queries, share=share)
    expected = np.array([np.prod([float(one_way[j] @ halves[j]) for j in s]) for s in subsets])
    striking = np.argsort(-np.abs(sums / rows - expected), kind="stable")[:REFINED]
    first = Products(queries=tuple(queries), means=sums / rows, sd=np.full(len(sums), sigma / rows))
    return _refined(data, first, [queries[k] for k in striking], refine_share)


def _refined(data: PrivateTable, first: Products, striking: list[SignProduct], share: float) -> Products:
    asked = [(_without(q, place), column) for q in striking for place, column in enumerate(q.columns)]
    tables, sigma = data.noisy_signed_tables(asked, share=share * REFINED_SHARE)
    in_order = data.domain.in_order or (0,) * len(data.domain.sizes)
    mended, at = [], 0
    for q in striking:
        signs = []
        for old, column in zip(q.signs, q.columns, strict=True):
            signs.append(_mend(old, tables[at], sigma, in_order[column]))
            at += 1
        mended.append(SignProduct(q.columns, tuple(signs)))
    sums, sigma = data.noisy_products(mended, share=share * (1 - REFINED_SHARE))
    rows = data.rows.estimate
    return Products(
        queries=(*first.queries, *mended),
        means=np.concatenate([first.means, sums / rows]),
        sd=np.concatenate([first.sd, np.full(len(sums), sigma / rows)]),
    )


def _without(query: SignProduct, place: int) -> SignProduct:
    columns, signs = list(query.columns), list(query.signs)
    del columns[place], signs[place]
    return SignProduct(tuple(columns), tuple(signs))


def _mend(old: Signs, table: FloatArray, sigma: float, in_order: int) -> Signs:
    """Signs that agree with a signed table: for ordered codes the best single change, else code by code where it is clear."""
    signs = old.copy()
    if in_order > 2:
        prefix = np.cumsum(table[:in_order])
        gain = np.abs(prefix[-1] - 2 * prefix[:-1])
        cut = int(np.argmax(gain)) + 1
        if gain[cut - 1] > 4 * sigma * np.sqrt(in_order):
            signs[:in_order] = np.where(np.arange(in_order) < cut, -1, 1)
        return signs
    clear = np.abs(table) > 3 * sigma
    if clear.any() and len({*np.sign(table[clear])}) > 1:
        signs[clear] = np.sign(table[clear]).astype(np.int8)
    return signs
