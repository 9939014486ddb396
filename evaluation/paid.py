"""Noisy answers about the fitted rows for a report that may be published: asked through the trusted core, charged first.

Everything that decides what is asked is public: the release's own codec, the synthetic rows, and models trained on the
synthetic rows alone. The real rows enter through ``open_frame`` and leave as noisy tables; nothing else is read from
them, not their number, not their gaps, not their values outside the domain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.features import TreeFeatures, fit_trees, one_thread, tree_classifier
from synth.encoding.category import OTHER, CategoryCodec, closed_codec
from synth.encoding.codec import Codec, ColumnCodec, encode_column
from synth.encoding.numeric import NumericCodec
from synth.encoding.reshape import learnt_frame
from synth.encoding.values import conform
from synth.errors import InputError
from synth.privacy.budget import RowCount
from synth.privacy.ingest import open_frame
from synth.privacy.ledger import Ledger
from synth.privacy.shares import Measurement
from synth.release import Release
from synth.schema import Column, Kind

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

SINGLE_SHARE, PAIR_SHARE = 0.3, 0.4  # of the Gaussian budget; the rest goes to the prediction
SINGLE_GROUPS, PAIR_GROUPS = 12, 4
MAX_PAIRS = 60
MAX_CLASSES = 20
PREDICTION = "prediction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """A column's codes in few groups. Public: made from the codec and the synthetic rows.

    Attributes:
        codes: Group of each code, shape (size,).
        labels: Name of each group.
    """

    codes: IntArray
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """Noisy tables about the fitted rows, and the same tables of the synthetic rows. Public.

    Attributes:
        singles: Noisy one-way tables in schema order.
        pairs: Noisy two-way tables on coarser groups.
        confusion: Noisy table of target and prediction; ``None`` where nothing can be predicted.
        groupings: Of the one-way tables, by column.
        coarse: Of the two-way tables, by column.
        synthetic: Codes of the synthetic rows, shape (m, d).
        classes: Names of the target's codes, where there is a ``confusion``.
        rows: Fitted rows, from the release's receipt.
        epsilon: Granted to all of this.
        delta: Granted to all of this.
    """

    singles: tuple[Measurement, ...]
    pairs: tuple[Measurement, ...]
    confusion: Measurement | None
    groupings: dict[str, Grouping]
    coarse: dict[str, Grouping]
    synthetic: IntArray
    classes: tuple[str, ...]
    rows: int
    epsilon: float
    delta: float


def measure(
    real: pd.DataFrame, synthetic: pd.DataFrame, release: Release, ledger: Ledger, *, target: str | None, seed: int = 0
) -> Paid:
    """Ask for the tables, spending the whole budget of ``ledger``.

    Args:
        real: Raw fitted rows. Private.
        synthetic: Raw synthetic rows.
        release: Whose codec and row count are used.
        ledger: A run of its own in the release's ledger file.
        target: Column to predict; ``None`` predicts nothing.
        seed: Of the model and of the choice among many pairs; never of the noise.

    Raises:
        InputError: A header differs from the schema.
        RefusedError: The ledger does not grant it.
    """
    codec = release.codec
    shaped = learnt_frame(synthetic, codec.schema)
    drawn = [encode_column(shaped[c.column.name], c, codec.schema.missing) for c in codec.columns]
    if target is not None and codec.schema.only_modelled().target != target and codec.schema.target == target:
        target = None  # it is learnt in another form, so its codes are no classes
    codes = np.column_stack(drawn).astype(np.int64)
    guessed = _predictions(real, synthetic, release, target, seed)
    if guessed is not None:
        name, labels, texts = guessed
        column = Column(name=name, kind=Kind.CATEGORY, categories=labels, nullable=False)
        schema = codec.schema.with_columns((*codec.schema.columns, column))
        codec, real = Codec(schema, (*codec.columns, closed_codec(column))), real.assign(**{name: texts})
    frame = open_frame(real, codec.schema, ledger)
    receipt = release.receipt
    rows = RowCount(estimate=receipt.rows, rung=receipt.rung, highest=receipt.rung, public=receipt.rows_public)
    ledger.set_rows(rows)
    table = frame.encode(codec, rows, ())
    names = release.codec.domain.names
    groupings, coarse = (
        {c.column.name: group_codes(c, codes[:, j], most) for j, c in enumerate(release.codec.columns)}
        for most in (SINGLE_GROUPS, PAIR_GROUPS)
    )
    rest = [np.arange(c.size) for c in codec.columns[len(names) :]]
    fine, few = (table.coarsen([*(g[name].codes for name in names), *rest]) for g in (groupings, coarse))
    pairs = _pairs(names, target, seed)
    parts = [SINGLE_SHARE, PAIR_SHARE if pairs else 0.0]
    singles = fine.noisy_marginals([(name,) for name in names], share=parts[0] if guessed or pairs else 1 - 1e-9)
    doubles = few.noisy_marginals(pairs, share=parts[1] if guessed else 1 - 1e-9 - parts[0]) if pairs else []
    confusion = table.noisy_marginals_with_rest([(str(target), guessed[0])])[0] if guessed is not None else None
    return Paid(
        singles=tuple(singles), pairs=tuple(doubles), confusion=confusion, groupings=groupings, coarse=coarse,
        synthetic=codes, classes=_code_names(release, target) if guessed is not None else (),
        rows=receipt.rows, epsilon=ledger.budget.epsilon, delta=ledger.delta,
    )  # fmt: skip


def group_codes(codec: ColumnCodec, synthetic: IntArray, most: int) -> Grouping:
    """Few groups of codes: runs of bins with about equal synthetic shares, or the most frequent categories and the rest.

    Args:
        codec: Of the column.
        synthetic: Codes of the synthetic rows, shape (m,).
        most: Groups at most, the one for missing values apart.
    """
    counts = np.bincount(synthetic, minlength=codec.size).astype(np.float64)
    if isinstance(codec, NumericCodec):
        bins = len(codec.starts)
        before = np.concatenate([[0.0], np.cumsum(counts[:bins] + 1e-9)])[:-1]
        runs = np.minimum((before / max(before[-1] + counts[bins - 1], 1e-9) * most).astype(np.int64), most - 1)
        groups = np.unique(runs, return_inverse=True)[1].astype(np.int64)
        labels = [_range(codec, np.flatnonzero(groups == g)) for g in range(int(groups.max()) + 1)]
        if codec.missing:
            groups, labels = np.append(groups, len(labels)), [*labels, "(missing)"]
        return Grouping(codes=groups, labels=tuple(labels))
    names = code_names(codec)
    if codec.size <= most + 1:
        return Grouping(codes=np.arange(codec.size), labels=names)
    kept = np.sort(np.argsort(-counts, kind="stable")[: most - 1])
    groups = np.full(codec.size, len(kept), dtype=np.int64)
    groups[kept] = np.arange(len(kept))
    return Grouping(codes=groups, labels=(*(names[k] for k in kept), "(all others)"))


def code_names(codec: CategoryCodec) -> tuple[str, ...]:
    """What each code of a category stands for."""
    names = (*codec.categories, *([OTHER] if codec.other else []), *(["(missing)"] if codec.missing else []))
    return names or ("(missing)",)


def _range(codec: NumericCodec, bins: IntArray) -> str:
    starts, edges = (*codec.starts, len(codec.axis.edges) - 1), codec.axis.edges
    ends = edges[starts[int(bins[0])]], edges[starts[int(bins[-1]) + 1]]
    if codec.column.kind is Kind.DATETIME:
        return " to ".join(str(np.datetime64(int(end), "s").astype("datetime64[D]")) for end in ends)
    if codec.column.kind is Kind.INTEGER:  # edges lie between whole numbers
        first, last = math.ceil(ends[0]), max(math.ceil(ends[0]), math.ceil(ends[1]) - 1)
        return f"{first}" if first == last else f"{first} to {last}"
    return " to ".join(f"{end:.6g}" for end in ends)


def _pairs(names: tuple[str, ...], target: str | None, seed: int) -> list[tuple[str, str]]:
    """All pairs of columns, or where they are too many those with the target and a random choice."""
    every = list(combinations(names, 2))
    order = np.random.default_rng([53_201, seed]).permutation(len(every))
    chosen = sorted(order, key=lambda k: target not in every[k])[:MAX_PAIRS]
    return [every[k] for k in sorted(chosen)]


def _code_names(release: Release, target: str | None) -> tuple[str, ...]:
    codec = release.codec.of(str(target))
    return code_names(codec) if isinstance(codec, CategoryCodec) else ()


def _predictions(
    real: pd.DataFrame, synthetic: pd.DataFrame, release: Release, target: str | None, seed: int
) -> tuple[str, tuple[str, ...], npt.NDArray[np.object_]] | None:
    """Predict the target of each real row by a model of the synthetic rows; each row on its own.

    Returns:
        Name of the new column, its categories and its cells; ``None`` where the target is no category of few values.
    """
    if target is None:
        return None
    codec = release.codec.of(target)
    if not isinstance(codec, CategoryCodec) or not 2 <= len(codec.categories) <= MAX_CLASSES:
        return None
    if len(release.schema.names) < 2:
        return None
    schema = release.schema
    train, asked = conform(synthetic, schema, "the synthetic table"), conform(real, schema, "the real table")
    places = {text: k for k, text in enumerate(codec.categories)}
    labels = train[target].map(places)
    rows = train[labels.notna()]
    if rows[target].nunique() < 2:
        return None
    features = TreeFeatures.learn(rows, schema, without=target)
    with one_thread():
        model = fit_trees(tree_classifier(features, seed), features.matrix(rows), labels.dropna().to_numpy(dtype=np.int64))
        guesses = model.predict(features.matrix(asked)) if len(asked) else np.empty(0, dtype=np.int64)
    name = PREDICTION
    while name in schema.names:
        name += "_"
    return name, codec.categories, np.array(codec.categories, dtype=object)[guesses]


def check_delta(delta: float, rows: int) -> None:
    """Refuse a delta that would allow publishing a whole row.

    Raises:
        InputError: It is not below 1 / rows.
    """
    if delta >= 1 / rows:
        raise InputError(f"--publish-delta {delta:g} is not below 1 / rows of the release; choose at most {0.1 / rows:.0e}")
