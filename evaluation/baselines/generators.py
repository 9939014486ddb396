"""NOT PRIVATE: three generators fitted to real rows without noise, as a further line to hold a release against.

They are classes of their own and no option of a synthesizer: nothing here goes through the trusted core, nothing is charged,
and nothing protects the people in the table. Their rows are marked, and a publishable report refuses them.

References:
    Nowok, Raab and Dibben (2016), Journal of Statistical Software 74(11) (synthpop: trees, column by column).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from sklearn.tree import DecisionTreeClassifier

from evaluation.baselines.cells import Cells, learn_cells
from synth.errors import InputError
from synth.models.nets.autoregressive import Autoregressive, draw_order, even_uniforms, target_scores
from synth.models.nets.tabular import torch_generator
from synth.schema import Schema
from synth.table import Domain

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

MARK = "NOT PRIVATE"
LEAF = 5  # real rows in a leaf at least, as in synthpop
BATCH, STEPS, RATE = 1024, 1500, 0.02
MIN_ROWS = 2


class NonPrivateBaseline(Protocol):
    """What the classes below have in common."""

    def generate(self, rows: pd.DataFrame, schema: Schema, n_rows: int, seed: int = 0) -> pd.DataFrame:
        """Learn from real rows without any protection, and draw rows that are marked as NOT PRIVATE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NonPrivateBaselineIndependent:
    """NOT PRIVATE. Every column resampled on its own: exact one-way tables."""

    def generate(self, rows: pd.DataFrame, schema: Schema, n_rows: int, seed: int = 0) -> pd.DataFrame:
        """Draw marked rows.

        Args:
            rows: Conformed real rows, shape (n, d).
            schema: Every kind declared.
            n_rows: How many to draw.
            seed: Of the draws.
        """
        cells, rng = _learnt(rows, schema, seed)
        codes = np.column_stack([rng.choice(column, n_rows) for column in cells.codes.T])
        return marked(cells.decode(codes, rng))


@dataclass(frozen=True, slots=True, kw_only=True)
class NonPrivateBaselineTrees:
    """NOT PRIVATE. Column by column, a tree on the columns before, and a real cell from its leaf (as synthpop does)."""

    def generate(self, rows: pd.DataFrame, schema: Schema, n_rows: int, seed: int = 0) -> pd.DataFrame:
        """Draw marked rows; arguments as above."""
        cells, rng = _learnt(rows, schema, seed)
        order = draw_order(cells.domain)
        made = np.zeros((n_rows, len(order)), dtype=np.int64)
        made[:, order[0]] = rng.choice(cells.codes[:, order[0]], n_rows)
        for k, j in enumerate(order[1:], start=1):
            seen = order[:k]
            tree = DecisionTreeClassifier(min_samples_leaf=min(LEAF, len(rows)), random_state=seed)
            tree.fit(cells.codes[:, seen], cells.codes[:, j])
            made[:, j] = _from_leaves(tree.apply(cells.codes[:, seen]), cells.codes[:, j], tree.apply(made[:, seen]), rng)
        return marked(cells.decode(made, rng))


@dataclass(frozen=True, slots=True, kw_only=True)
class NonPrivateBaselineNet:
    """NOT PRIVATE. The autoregressive net of ``hybrid``, trained on the rows themselves: no tables, no clipping, no noise.

    Attributes:
        steps: Of Adam.
    """

    steps: int = STEPS

    def generate(self, rows: pd.DataFrame, schema: Schema, n_rows: int, seed: int = 0) -> pd.DataFrame:
        """Draw marked rows; arguments as above."""
        cells, rng = _learnt(rows, schema, seed)
        domain = cells.domain
        one_way = [np.bincount(c, minlength=s) / len(c) for c, s in zip(cells.codes.T, domain.sizes, strict=True)]
        bias = torch.from_numpy(np.log(np.concatenate(one_way))).float()
        net = Autoregressive(domain, bias, target_scores(domain, one_way, _associations(cells)))
        adam = torch.optim.Adam(net.parameters(), lr=RATE)
        decay = torch.optim.lr_scheduler.CosineAnnealingLR(adam, self.steps)
        codes = torch.from_numpy(cells.codes)
        source = torch_generator(rng)
        for _ in range(self.steps):
            batch = codes[torch.randint(len(codes), (min(BATCH, len(codes)),), generator=source)]
            adam.zero_grad()
            net(batch).mean().backward()
            adam.step()
            decay.step()
        return marked(cells.decode(net.draw_rows(even_uniforms(n_rows, len(domain.sizes), rng)).numpy(), rng))


BASELINES: MappingProxyType[str, Callable[[], NonPrivateBaseline]] = MappingProxyType(
    {
        "independent": NonPrivateBaselineIndependent,
        "trees": NonPrivateBaselineTrees,
        "net": NonPrivateBaselineNet,
    }
)


def make_baseline(name: str) -> NonPrivateBaseline:
    """A baseline by name.

    Raises:
        InputError: No such baseline.
    """
    if name not in BASELINES:
        raise InputError(f"there is no baseline {name!r}; choose one of {', '.join(BASELINES)} (none of them is private)")
    return BASELINES[name]()


def marked(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with the mark that ``publish`` refuses."""
    frame.attrs["privacy"] = MARK
    return frame


def is_marked(frame: pd.DataFrame) -> bool:
    """Whether rows say of themselves that they are not private."""
    return frame.attrs.get("privacy") == MARK


def _learnt(rows: pd.DataFrame, schema: Schema, seed: int) -> tuple[Cells, np.random.Generator]:
    if len(rows) < MIN_ROWS:
        raise InputError(f"a baseline needs at least {MIN_ROWS} rows")
    return learn_cells(rows, schema), np.random.default_rng([83_101, seed])


def _from_leaves(leaves: IntArray, cells: IntArray, asked: IntArray, rng: np.random.Generator) -> IntArray:
    """A real cell from the same leaf for each asked one, shape (q,)."""
    order = np.argsort(leaves, kind="stable")
    low, high = (np.searchsorted(leaves[order], asked, side=side) for side in ("left", "right"))
    return cells[order[low + (rng.random(len(asked)) * (high - low)).astype(np.int64)]]


def _associations(cells: Cells) -> list[FloatArray | None]:
    """Mean of the target's code by the code of every other column; ``None`` for the target, or without one."""
    domain: Domain = cells.domain
    if domain.target is None:
        return [None] * len(domain.names)
    target = domain.names.index(domain.target)
    values = cells.codes[:, target].astype(np.float64)
    found: list[FloatArray | None] = []
    for j, size in enumerate(domain.sizes):
        counts = np.maximum(np.bincount(cells.codes[:, j], minlength=size), 1)
        found.append(None if j == target else np.bincount(cells.codes[:, j], weights=values, minlength=size) / counts)
    return found
