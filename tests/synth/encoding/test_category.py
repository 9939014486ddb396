"""Categories to codes and back."""

import json

import numpy as np
import pytest

from synth.encoding.category import OTHER, CategoryCodec, closed_codec, open_codec
from synth.schema import Column, Kind, Outside

VALUES = np.array(["b", None, "a", "zzz"], dtype=object)


@pytest.mark.parametrize(
    ("column", "codes", "back"),
    [
        (Column(name="x", kind=Kind.CATEGORY, categories=("a", "b")), [1, 2, 0, 2], ["b", None, "a", None]),
        (Column(name="x", kind=Kind.CATEGORY, categories=("a", "b"), nullable=False), [1, 0, 0, 0], ["b", "a", "a", "a"]),
        (
            Column(name="x", kind=Kind.CATEGORY, categories=("a", "b"), outside=Outside.OTHER),
            [1, 3, 0, 2],
            ["b", None, "a", OTHER],
        ),
    ],
)
def test_values_outside_the_domain_follow_the_policy(column, codes, back):
    codec = closed_codec(column)
    assert codec.encode(VALUES).tolist() == codes
    assert codec.decode(np.array(codes), np.random.default_rng(0)).tolist() == back
    assert codec.size == max(codes) + 1
    assert CategoryCodec.from_dict(column, json.loads(json.dumps(codec.to_dict()))) == codec


def test_order_is_that_of_ordinals_and_booleans():
    assert not open_codec(Column(name="x", kind=Kind.CATEGORY), ("a",)).ordered
    assert closed_codec(Column(name="x", kind=Kind.ORDINAL, categories=("S", "M"))).ordered
    assert closed_codec(Column(name="x", kind=Kind.BOOLEAN)).categories == ("False", "True")


def test_a_column_nobody_could_name_has_one_code():
    codec = open_codec(Column(name="x", kind=Kind.CATEGORY, nullable=False, outside=Outside.NULL), ())
    assert codec.size == 1
    assert codec.encode(VALUES).tolist() == [0] * 4
    assert codec.decode(np.zeros(2, np.int64), np.random.default_rng(0)).tolist() == [None, None]
