"""Products of signs of codes: one number per row, -1, 0 or 1, that shows interactions of any order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synth.errors import AccountingError
from synth.privacy.events import GaussianEvent
from synth.table import Domain


@dataclass(frozen=True, slots=True)
class SignProduct:
    """A public function of a row.

    Attributes:
        columns: Positions, distinct.
        signs: For each of these columns the sign of every code: -1, 0 or 1, shape (size,).
    """

    columns: tuple[int, ...]
    signs: tuple[npt.NDArray[np.int8], ...]


SignQuery = tuple[SignProduct, int]  # with the position of one more column


def check_products(products: Sequence[SignProduct], domain: Domain) -> None:
    """Refuse products whose sensitivity could not be vouched for.

    Raises:
        AccountingError: None at all, a column that is not there or comes twice, or signs other than -1, 0 and 1.
    """
    for product in products:
        pairs = list(zip(product.columns, product.signs, strict=False))
        sound = len(product.columns) == len(product.signs) == len(set(product.columns)) >= 1
        sound = sound and all(0 <= j < len(domain.sizes) and s.shape == (domain.sizes[j],) for j, s in pairs)
        if not sound or not all(s.dtype == np.int8 and bool(np.isin(s, (-1, 0, 1)).all()) for _, s in pairs):
            raise AccountingError("products of signs need distinct columns, and a sign of -1, 0 or 1 for every code")
    if not products:
        raise AccountingError("there is no product of signs to ask about")


def check_queries(queries: Sequence[SignQuery], domain: Domain) -> None:
    """The same for products that are asked about by code of one more column."""
    check_products([product for product, _ in queries], domain)
    if not all(0 <= column < len(domain.sizes) for _, column in queries):
        raise AccountingError("a signed table is asked of a column that is not there")


def signs_event(what: str, answers: int, sigma: float) -> GaussianEvent:
    """What answers cost of which a unit moves each by at most 1, where one of them alone would get noise of ``sigma``."""
    sensitivity = math.sqrt(answers)
    return GaussianEvent(what=what, sigma=sensitivity * sigma, l2_sensitivity=sensitivity)


def said(product: SignProduct) -> tuple[tuple[int, ...], list[list[int]]]:
    """A product in plain values, to tell questions apart."""
    return product.columns, [signs.tolist() for signs in product.signs]
