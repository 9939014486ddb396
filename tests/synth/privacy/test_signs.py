"""Products of signs whose sensitivity could not be vouched for are refused."""

import numpy as np
import pytest

from synth.errors import AccountingError
from synth.privacy.signs import SignProduct, check_products
from synth.table import Domain

DOMAIN = Domain(names=("a", "b"), sizes=(3, 2))


def signs(*values, dtype=np.int8):
    return np.array(values, dtype=dtype)


A, B = signs(-1, 0, 1), signs(1, -1)


def test_sound_products_pass():
    check_products([SignProduct((0,), (A,)), SignProduct((1, 0), (B, A)), SignProduct((0, 1), (A, B))], DOMAIN)


@pytest.mark.parametrize(
    "product",
    [
        SignProduct((), ()),
        SignProduct((0, 0), (A, A)),
        SignProduct((0,), ()),
        SignProduct((0,), (A, B)),
        SignProduct((0, 1), (A,)),
        SignProduct((2,), (A,)),
        SignProduct((-1,), (B,)),
        SignProduct((0,), (B,)),
        SignProduct((0,), (A[:, None],)),
        SignProduct((0,), (signs(-1, 0, 2),)),
        SignProduct((0,), (signs(-128, 0, 1),)),
        SignProduct((0,), (signs(-1, 0, 1, dtype=np.int64),)),
        SignProduct((0,), (signs(-1, 0, 1, dtype=np.float64),)),
        SignProduct((0,), (signs(-1, 0, float("nan"), dtype=np.float64),)),
        SignProduct((1,), (signs(True, False, dtype=np.bool_),)),
    ],
)
def test_others_do_not_and_one_is_enough(product):
    for products in ([product], [SignProduct((0,), (A,)), product]):
        with pytest.raises(AccountingError, match="distinct columns"):
            check_products(products, DOMAIN)


def test_nothing_to_ask_is_refused():
    with pytest.raises(AccountingError, match="no product"):
        check_products([], DOMAIN)
