from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluation.fidelity.binning import common_codes
from evaluation.fidelity.workload import Question, answer, draw_questions, score_workload
from evaluation.inputs import prepare
from synth.schema import Column, Kind, Schema


def test_answers_are_shares_of_rows() -> None:
    first, second = np.array([[0, 1], [1, 1], [1, 0], [1, 1]]), np.array([[1, 1], [0, 0]])
    both = Question((0, 1), (np.array([False, True]), np.array([False, True])))
    found = answer(first, second, [both])
    assert found.errors.tolist() == [0.0]
    one = Question((0,), (np.array([False, True]),))
    assert answer(first, second, [one]).errors[0] == pytest.approx(0.25)
    assert answer(first, second, [one]).se == pytest.approx(np.sqrt(0.75 * 0.25 / 4 + 0.25 / 2))


def test_numbers_are_asked_by_intervals_and_missing_is_never_inside(real: pd.DataFrame, schema: Schema) -> None:
    coded = common_codes([prepare(real, None, real, schema).real], schema)
    ordered = [True] * len(schema.names)
    for question in draw_questions(coded, ordered, 3, 50, np.random.default_rng(0)):
        assert len(set(question.columns)) == 3
        for j, flags in zip(question.columns, question.wanted, strict=True):
            assert flags.any()
            if coded.sizes[j] >= 4:
                chosen = np.flatnonzero(flags)
                assert chosen[0] > 0
                assert len(chosen) == chosen[-1] - chosen[0] + 1


def test_copy_answers_exactly_and_shuffled_columns_do_not(
    real: pd.DataFrame, holdout: pd.DataFrame, shuffled: pd.DataFrame, schema: Schema
) -> None:
    (copy,) = score_workload(prepare(real, holdout, real, schema)).scores
    assert copy.value == 0.0
    (score,) = score_workload(prepare(real, holdout, shuffled, schema)).scores
    assert score.value == pytest.approx(score.floor, rel=0.3)
    assert score.ceiling < score.low


def test_one_column_is_a_note() -> None:
    frame = pd.DataFrame({"c": ["a", "b"] * 20})
    section = score_workload(prepare(frame, None, frame, Schema(columns=(Column(name="c", kind=Kind.CATEGORY),))))
    assert "one column" in section.notes[0]
