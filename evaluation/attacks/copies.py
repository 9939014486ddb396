"""Exact and near copies of real rows in the release: a fact about data quality, *not* a privacy measure.

A table may hold many rows that fresh people share (then copies are harmless), and a release without a single copy may
still give people away. Shares and distances of this kind have been used as privacy scores; they do not measure it. They
are shown with what fresh real rows score, because a data scientist wants to know.

References:
    Yao, Krco, Ganev and de Montjoye (2025), arXiv:2505.01524; Ganev and De Cristofaro (2023), arXiv:2312.05114.
"""

from __future__ import annotations

from types import MappingProxyType

import pandas as pd

from evaluation.attacks.membership import sample
from evaluation.features import Points, nearest_distance
from evaluation.inputs import Tables, row_hashes
from evaluation.intervals import Interval, wilson
from evaluation.scores import Score, Section

MAX_ASKED = 2_000
MAX_POOL = 20_000
NEAR = 0.1  # in units where two different categories are 1 apart, and so are the ends of a number's ranks
_STREAM = 7
_SCALE = (
    "Ceiling: what held-out real rows score; more than that is a copy too many, less is no merit. "
    "Floor: 1, as a plain copy would score."
)


def score_copies(tables: Tables) -> Section:
    """Share of synthetic rows that equal a fitted row, or nearly so, beside the same for held-out rows.

    Args:
        tables: Conformed tables; without a holdout there is no telling what a normal share is, so the ceiling is absent.

    Returns:
        Scores of the section ``fidelity`` and the table ``Copies``.
    """
    rng = tables.rng(_STREAM)
    pool = sample(tables.real, MAX_POOL, rng)
    points = Points.learn(pool, tables.schema)
    known = points.matrix(pool)
    found: dict[str, dict[str, Interval]] = {}
    for what, frame in (("synthetic", tables.synthetic), ("holdout", tables.holdout)):
        if frame is None:
            continue
        same = pd.Series(row_hashes(frame)).isin(row_hashes(tables.real))
        asked = sample(frame, MAX_ASKED, rng)
        near = nearest_distance(points.matrix(asked), known) < NEAR
        found[what] = {"exact": wilson(int(same.sum()), len(same)), "near": wilson(int(near.sum()), len(near))}
    table = pd.DataFrame(
        [{"Rows": what, "Copies": kind, "Share": part.value, "Low": part.low, "High": part.high}
         for what, parts in found.items() for kind, part in parts.items()]
    )  # fmt: skip
    scores = tuple(_score(kind, found["synthetic"][kind], found.get("holdout", {}).get(kind)) for kind in ("exact", "near"))
    return Section(scores=scores, tables=MappingProxyType({"Copies": table}))


def _score(kind: str, share: Interval, fresh: Interval | None) -> Score:
    words = {
        "exact": ("Exact copies of fitted rows", "equal a fitted row in every column"),
        "near": ("Near copies of fitted rows", "have a fitted row closer than a tenth of one column's range in total"),
    }
    return Score(
        name=f"copies_{kind}",
        label=f"{words[kind][0]} (data quality, not a privacy measure)",
        section="fidelity",
        value=share.value,
        low=share.low,
        high=share.high,
        better="lower",
        ceiling=None if fresh is None else fresh.value,
        floor=1.0,
        unit="share of synthetic rows",
        meaning=f"Share of synthetic rows that {words[kind][1]}. This is not a privacy measure.",
        interval="95 %, Wilson, over synthetic rows.",
        scale=_SCALE,
    )
