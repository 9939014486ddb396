"""Cells of untyped sources, spelled one by one."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pytest

from synth.errors import InputError
from synth.reading.source import BATCH_ROWS, MAX_COLUMNS, check_names, spell, text_batches, text_header


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, None),
        (b"x", None),
        ([1], None),
        ("a\ud800", "a?"),
        (True, "True"),
        (2.0, "2"),
        (0.1, "0.1"),
        (float("nan"), None),
        (1e300, "1e+300"),
        (np.int64(5), "5"),
        (Decimal("1.50"), "1.50"),
        (dt.date(2020, 1, 31), "2020-01-31"),
        (dt.datetime(2020, 1, 31), "2020-01-31"),
        (dt.datetime(2020, 1, 31, 8), "2020-01-31 08:00:00"),
        (dt.time(8), "08:00:00"),
    ],
)
def test_spelling(cell, text):
    assert spell(cell) == text


def test_long_tables_come_in_batches():
    batches = list(text_batches(([str(i)] for i in range(BATCH_ROWS + 1)), text_header(["x"])))
    assert [len(b) for b in batches] == [BATCH_ROWS, 1]


@pytest.mark.parametrize(
    ("names", "match"),
    [([], "no columns"), (["a", " "], "column 2"), (["a", "a"], "columns 1 and 2"), (["a"] * (MAX_COLUMNS + 1), "at most")],
)
def test_headers(names, match):
    with pytest.raises(InputError, match=match):
        check_names(names, "x")
