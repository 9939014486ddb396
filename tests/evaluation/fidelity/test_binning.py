from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.fidelity.binning import Coded, common_codes, lumped, numeric_cuts
from synth.schema import Column, Kind, Schema


def test_spikes_have_their_own_cell() -> None:
    values = np.concatenate([np.zeros(900), np.linspace(1, 100, 100)])
    cuts = numeric_cuts(values)
    cells = np.searchsorted(cuts, [0.0, 0.5, 1.0, 100.0, 101.0, -1.0], side="right")
    assert len({cells[0], cells[1], cells[4], cells[5]}) == 4
    assert cells[5] == 0
    assert cells[4] == len(cuts)


def test_few_values_are_kept_apart_from_values_between() -> None:
    cells = np.searchsorted(numeric_cuts(np.array([1.0, 2.0, 3.0])), [1.0, 1.5, 2.0, 3.0, 4.0], side="right")
    assert len(set(cells)) == 5


def test_codes_agree_across_tables() -> None:
    schema = Schema(columns=(Column(name="n", kind=Kind.FLOAT), Column(name="c", kind=Kind.CATEGORY)))
    first = pd.DataFrame({"n": [1.0, 2.0, np.nan], "c": ["a", "b", None]})
    second = pd.DataFrame({"n": [np.nan, 1.0], "c": ["new", "a"]})
    coded = common_codes([first, second], schema)
    one, two = coded.codes
    assert one[2].tolist() == [0, 0]
    assert two[0, 0] == 0
    assert two[1].tolist() == one[0].tolist()
    assert two[0, 1] not in one[:, 1]
    assert (np.maximum(one.max(axis=0), two.max(axis=0)) < coded.sizes).all()


def test_no_values_at_all() -> None:
    schema = Schema(columns=(Column(name="n", kind=Kind.FLOAT),))
    frame = pd.DataFrame({"n": [np.nan] * 3})
    assert common_codes([frame, pd.DataFrame({"n": [1.0]})], schema).codes[1].tolist() == [[1]]


def test_rare_cells_are_lumped_and_missing_stays_apart() -> None:
    codes = np.array([[0], [1], [2], [2], [3], [3], [3], [4]])
    other = np.array([[4], [5]])
    out = lumped(Coded(codes=(codes, other), sizes=np.array([6]), names=("c",)), 2)
    assert out.codes[0][:, 0].tolist() == [0, 3, 1, 1, 2, 2, 2, 3]
    assert out.codes[1][:, 0].tolist() == [3, 3]
    assert out.sizes.tolist() == [4]
    assert codes[0, 0] == 0
