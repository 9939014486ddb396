"""Answers to counting questions: the error of random k-way conjunctions, such as "age 30 to 40, nurse, north".

Total variation looks at every cell of up to three columns; analysts ask about wider ranges of more columns. Each
question takes k columns at random, an interval of cells where the column has an order and a set of cells otherwise,
and asks for the share of rows that meet all k conditions. Its error is the absolute difference to the real answer.

References:
    Vietri, Archambeau, Aydore et al. (2022), arXiv:2209.07400 (workloads of conjunctions and ranges).
    McKenna, Mullins, Sheldon and Miklau (2022), arXiv:2201.12677 (workload error of AIM).
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.fidelity.binning import CodeArray, Coded, FloatArray, common_codes, lumped
from evaluation.fidelity.dependence import has_order
from evaluation.fidelity.marginals import INTERVAL, Z95
from evaluation.inputs import Tables
from evaluation.scores import Score, Section

ORDERS = (2, 3, 4)
N_QUESTIONS = 200
MAX_CELLS = 200
_STREAM = 6


class Question(NamedTuple):
    """A conjunction: column positions, and per column which of its cells are asked for (flags, shape (cells,))."""

    columns: tuple[int, ...]
    wanted: tuple[npt.NDArray[np.bool_], ...]

    def hits(self, codes: CodeArray) -> npt.NDArray[np.bool_]:
        """Which coded rows meet every condition, shape (n,)."""
        found = self.wanted[0][codes[:, self.columns[0]]]
        for j, flags in zip(self.columns[1:], self.wanted[1:], strict=True):
            found &= flags[codes[:, j]]
        return found


def draw_questions(coded: Coded, ordered: list[bool], order: int, count: int, rng: np.random.Generator) -> list[Question]:
    """Random conjunctions over ``order`` columns each.

    Args:
        coded: Tables as cells; cell 0 is missing.
        ordered: Whether each column's cells have an order, length d.
        order: Conditions per question.
        count: Questions.
        rng: Generator of the evaluation.
    """
    out = []
    for _ in range(count):
        columns = tuple(sorted(rng.choice(len(coded.sizes), size=order, replace=False).tolist()))
        out.append(Question(columns, tuple(_flags(int(coded.sizes[j]), ordered[j], rng) for j in columns)))
    return out


def _flags(size: int, ordered: bool, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Half of the cells or so: an interval of them where they have an order."""
    if not ordered or size < 4:
        flags = rng.random(size) < 0.5
        flags[rng.integers(size)] = True
        return np.asarray(flags)
    first, last = np.sort(rng.integers(1, size, size=2))
    flags = np.zeros(size, dtype=bool)
    flags[first : last + 1] = True
    return flags


class Answers(NamedTuple):
    """Absolute errors per question, shape (q,), and the standard error of their mean from row sampling."""

    errors: FloatArray
    se: float


def answer(first: CodeArray, second: CodeArray, questions: list[Question]) -> Answers:
    """Compare two coded tables on the same questions.

    Args:
        first: Codes, shape (n, d).
        second: Codes, shape (m, d).
        questions: What is asked.
    """
    errors = np.empty(len(questions))
    influences = [np.zeros(len(first)), np.zeros(len(second))]
    for k, question in enumerate(questions):
        hits = [question.hits(codes) for codes in (first, second)]
        gap = float(hits[0].mean() - hits[1].mean())
        errors[k] = abs(gap)
        for total, hit in zip(influences, hits, strict=True):
            total += math.copysign(1.0, gap) * hit
    variance = sum(float(total.var()) / len(total) for total in influences)
    return Answers(errors, math.sqrt(variance) / len(questions))


def score_workload(tables: Tables) -> Section:
    """Mean absolute error of random questions with two to four conditions.

    Args:
        tables: Conformed tables with two columns or more; otherwise the part is left out, with a note.

    Returns:
        A score and the table ``Workload``: mean and worst error per number of conditions.
    """
    n_columns = len(tables.schema.columns)
    if n_columns < 2:
        return Section(notes=("The workload error is left out: the table has one column.",))
    frames = {"Synthetic": tables.synthetic, "Floor": tables.permuted}
    if tables.holdout is not None:
        frames["Ceiling"] = tables.holdout.iloc[: len(tables.synthetic)]
    coded = lumped(common_codes([tables.real, *frames.values()], tables.schema), MAX_CELLS)
    ordered = [c.kind is not None and c.kind.is_numeric and has_order(c) for c in tables.schema.columns]
    rng = tables.rng(_STREAM)
    orders = [k for k in ORDERS if k <= n_columns]
    asked = {k: draw_questions(coded, ordered, k, N_QUESTIONS, rng) for k in orders}
    every = [question for k in orders for question in asked[k]]
    found = {what: answer(coded.codes[0], coded.codes[t], every) for t, what in enumerate(frames, start=1)}
    mean = float(found["Synthetic"].errors.mean())
    margin = Z95 * found["Synthetic"].se
    score = Score(
        name="workload_error",
        label="Counting questions, mean error",
        section="fidelity",
        value=mean,
        low=max(0.0, mean - margin),
        high=min(1.0, mean + margin),
        better="lower",
        ceiling=float(found["Ceiling"].errors.mean()) if "Ceiling" in found else None,
        floor=float(found["Floor"].errors.mean()),
        unit="share of rows",
        meaning=f"Error of the answers to {len(every)} random counting questions with {orders[0]} to {orders[-1]} conditions.",
        interval=INTERVAL,
    )
    return Section(scores=(score,), tables=MappingProxyType({"Workload": _table(orders, found)}))


def _table(orders: list[int], found: dict[str, Answers]) -> pd.DataFrame:
    rows = []
    for i, order in enumerate(orders):
        part = slice(i * N_QUESTIONS, (i + 1) * N_QUESTIONS)
        row: dict[str, float] = {"Conditions": order, "Questions": N_QUESTIONS}
        for what, answers in found.items():
            row[f"{what}: mean error"] = float(answers.errors[part].mean())
            row[f"{what}: worst error"] = float(answers.errors[part].max())
        rows.append(row)
    return pd.DataFrame(rows)
