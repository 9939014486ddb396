"""Random tables with and without a whole person, through every door: no answer moves by more than what was charged for.

Noise is replaced by nothing, so that answers are exact; what was charged is read from the ledger. The person may have more
rows than the cap, odd cells, or no key.
"""

import zlib
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from synth.encoding.axis import make_axis, split_axis
from synth.encoding.category import closed_codec
from synth.encoding.codec import Codec
from synth.encoding.rounding import units_of
from synth.privacy import ballot as ballot_module
from synth.privacy import dpsgd
from synth.privacy import frame as frame_module
from synth.privacy import units as units_module
from synth.privacy import vault as vault_module
from synth.privacy.ballot import Ballot
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.clipping import CLIPPINGS, Clipping, joint_norm
from synth.privacy.dpsgd import SgdPlan
from synth.privacy.events import GaussianEvent
from synth.privacy.ingest import open_frame
from synth.privacy.ledger import Ledger
from synth.privacy.rows import MemoryRows
from synth.privacy.signs import SignProduct
from synth.schema import Column, Kind, Schema

WIDE = Column(name="n", kind=Kind.INTEGER, bounds=(-5000, 5000))
OPEN = Column(name="o", kind=Kind.CATEGORY)
CLOSED = Column(name="c", kind=Kind.CATEGORY, categories=("x", "y", "z"))
NUMBERS = st.sampled_from(["", "1", "2.4", "-5000", "9e9", "word", "4000", "3500", "NaN"])
WORDS = st.sampled_from(["x", "y", "z", "", "other", "Z"])
ROW = st.tuples(NUMBERS, WORDS, WORDS)
SETTINGS = settings(max_examples=40)


@st.composite
def neighbours(draw):
    """A table, the same with one person more, and the cap."""
    cap = draw(st.integers(1, 15))
    rows = draw(st.lists(st.tuples(ROW, st.sampled_from(["a", "b", ""])), max_size=12))
    more = draw(st.lists(ROW, min_size=1, max_size=20))
    if draw(st.integers(0, 4)) == 0:
        rows, one = rows, [(more[0], "")]  # a row without a key is a person
    else:
        one = [(row, "new") for row in more]
    places = draw(st.permutations(range(len(rows) + len(one))))
    both = [(rows + one)[i] for i in places]
    kept = [(rows + one)[i] for i in places if i < len(rows)]
    return kept, both, cap


def table(rows):
    cells = [(*row, key) for row, key in rows]
    return pd.DataFrame(cells, columns=["n", "o", "c", "who"], dtype=object)


class ByRow:
    """Entropy that gives a row the same words in both tables, whatever its place: a coupling of the two choices.

    Who asks for more words than there are rows gets others behind them.
    """

    def __init__(self, rows):
        self.words = {i: np.random.default_rng(zlib.crc32(repr(row).encode())).integers(0, 2**63) for i, row in enumerate(rows)}

    def __call__(self, n_bytes):
        more = np.random.default_rng(0).integers(0, 2**63, n_bytes // 8)
        return np.array([self.words.get(i, word) for i, word in enumerate(more)], dtype=np.uint64).tobytes()


def opened(rows, cap, epsilon=90.0):
    schema = Schema(
        columns=(WIDE, OPEN, CLOSED, Column(name="who")), entity="who", max_rows_per_entity=cap, public_entities=1000
    )
    ledger = Ledger(Budget(epsilon=epsilon, delta=1e-4))
    ledger.set_rows(declared_rows(1000))
    return open_frame(table(rows), schema, ledger, entropy=ByRow(rows))


def no_noise(exact_sums, *, sigma, entropy):
    return exact_sums


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    monkeypatch.setattr(units_module, "noisy_counts", no_noise)
    monkeypatch.setattr(ballot_module, "noisy_counts", no_noise)
    monkeypatch.setattr(frame_module, "noisy_size", no_noise)


def flat(*parts):
    return np.concatenate([np.asarray(p, dtype=np.float64).ravel() for p in parts])


AXIS = make_axis(WIDE, (-5000, 5000))
SPLIT = split_axis(AXIS, np.array([4000.0]))
GROUP = np.where(np.arange(AXIS.cells) % 7 == 6, -1, np.arange(AXIS.cells) % 2)
KNOWN = np.unique(
    np.concatenate(list(frame_module.exact_digests(MemoryRows(pd.DataFrame({"n": ["1", "4000", ""]})), (WIDE,), ("",))))
)
FRAME_DOORS = {
    "row count": lambda f: f.noisy_row_count(sigma=9.0),
    "classes": lambda f: f.noisy_value_classes("n", sigma=9.0),
    "shared rows": lambda f: f.noisy_shared_rows(KNOWN, (WIDE,), sigma=9.0),
    "classes of words": lambda f: f.noisy_value_classes("o", sigma=9.0),
    "magnitudes": lambda f: f.noisy_magnitudes(WIDE, sigma=9.0),
    "levels": lambda f: flat(*(lambda found: (*found[0], found[1]))(f.noisy_levels(WIDE, SPLIT, mu=0.3))),
    "roundness": lambda f: f.noisy_roundness(WIDE, AXIS, GROUP, units_of(WIDE, AXIS), sigma=9.0),
}


@pytest.mark.parametrize("door", FRAME_DOORS)
@given(pair=neighbours())
@SETTINGS
def test_answers_about_cells_move_by_what_was_charged(door, pair):
    before, after, cap = pair
    frames = [opened(rows, cap) for rows in (before, after)]
    found = [np.asarray(FRAME_DOORS[door](f), dtype=np.float64) for f in frames]
    assert frames[0].ledger.events == frames[1].ledger.events
    (event,) = frames[0].ledger.events
    assert isinstance(event, GaussianEvent)
    assert np.linalg.norm(found[1] - found[0]) <= event.l2_sensitivity * (1 + 1e-12)


@given(pair=neighbours())
@SETTINGS
def test_values_that_others_hold_move_by_one_and_new_ones_weigh_one_together(pair):
    before, after, cap = pair
    frames = [opened(rows, cap) for rows in (before, after)]
    seen = []
    real = frame_module.named_values

    def noted(values, exact_counts, *, sigma, threshold, entropy):
        seen.append(dict(zip(values, exact_counts.tolist(), strict=True)))
        return {}

    frame_module.named_values = noted
    try:
        for f in frames:
            f.named_values(OPEN, sigma=9.0, delta=1e-7)
        for f in frames:
            f.named_numbers(WIDE, AXIS, sigma=9.0, delta=1e-7)
    finally:
        frame_module.named_values = real
    scale = units_module.scale_of(cap)
    for less, more in ((seen[0], seen[1]), (seen[2], seen[3])):
        assert all(count > 0 for count in more.values())
        assert set(less) <= set(more)
        shared = np.array([more[v] - less[v] for v in less], dtype=np.float64)
        new = [more[v] for v in more if v not in less]
        assert np.linalg.norm(shared) <= scale
        assert sum(new) + shared.sum() <= scale
        assert len(new) <= cap


def coded(frame):
    columns = tuple(frame.schema.columns)
    words = Column(name="o", kind=Kind.CATEGORY, categories=("x", "y"))
    bins = Column(name="n", kind=Kind.CATEGORY, categories=("1", "4000"))
    complete = [words if c.name == "o" else bins if c.name == "n" else c for c in columns]
    codec = Codec(frame.whole.with_columns(tuple(complete)), tuple(closed_codec(c) for c in complete))
    return frame.encode(codec, declared_rows(1000), ())


def signs(size, seed):
    return np.random.default_rng(seed).integers(-1, 2, size).astype(np.int8)


def products_of(t):
    sizes = t.domain.sizes
    return [SignProduct((a, b), (signs(sizes[a], a), signs(sizes[b], b + 9))) for a, b in ((0, 1), (1, 2), (2, 3), (0, 3))]


def halved(t):
    return t.coarsen([np.arange(size) // 2 for size in t.domain.sizes])


TABLE_DOORS = {
    "one table": lambda t: t.noisy_marginals([("n", "o")], share=0.1)[0].counts,
    "rows and a column": lambda t: t.noisy_marginals([(t.domain.names[0], "c")], share=0.1)[0].counts,
    "products": lambda t: t.noisy_products(products_of(t), share=0.1)[0],
    "signed tables": lambda t: flat(*t.noisy_signed_tables([(p, 0) for p in products_of(t)[1:3]], share=0.1)[0]),
    "coarsened": lambda t: halved(t).noisy_marginals([("n", "c")], share=0.1)[0].counts,
}


@pytest.mark.parametrize("door", TABLE_DOORS)
@given(pair=neighbours())
@SETTINGS
def test_answers_about_codes_move_by_what_was_charged(door, pair):
    before, after, cap = pair
    tables = [coded(opened(rows, cap)) for rows in (before, after)]
    found = [np.asarray(TABLE_DOORS[door](t), dtype=np.float64) for t in tables]
    assert tables[0].ledger.events == tables[1].ledger.events
    (event,) = tables[0].ledger.events
    assert np.linalg.norm(found[1] - found[0]) <= event.l2_sensitivity * (1 + 1e-12)


def by_person(rows, teachers):
    """A part for each person that goes with the key: a coupling of the secret draws of both tables."""
    keys = list(dict.fromkeys(key for _, key in rows if key)) + [repr(row) for row, key in rows if not key]
    return np.array([zlib.crc32(key.encode()) % teachers for key in keys], dtype=np.int64)


@given(pair=neighbours())
@SETTINGS
def test_a_person_moves_one_vote_a_question(pair):
    before, after, cap = pair
    found, real = [], ballot_module.random_parts
    for rows in (before, after):
        table, rng = coded(opened(rows, cap)), np.random.default_rng(4)
        sizes = table.domain.sizes
        voted = table.domain.names.index("c")
        columns = tuple(j for j in range(len(sizes)) if j != voted)
        width = sum(sizes[j] for j in columns)
        ballot = Ballot(
            teachers=3, column=voted, classes=np.arange(sizes[voted]), columns=columns,
            start=tuple(rng.integers(-99, 99, (sizes[j], sizes[voted])) for j in columns),
            step=20 * rng.normal(size=(width, width)),
            questions=np.column_stack([rng.integers(0, sizes[j], 40) for j in columns]),
        )  # fmt: skip
        ballot_module.random_parts = lambda units, parts, entropy, rows=rows: by_person(rows, parts)
        try:
            found.append(table.noisy_votes(ballot)[0])
        finally:
            ballot_module.random_parts = real
        (event,) = table.ledger.events
    assert (np.abs(found[1] - found[0]).sum(1) <= 2).all()
    assert np.linalg.norm(found[1] - found[0]) <= event.l2_sensitivity


@given(pair=neighbours())
@SETTINGS
def test_scores_of_a_choice_move_by_their_sensitivity(pair):
    before, after, cap = pair
    seen = []

    def noted(exact_scores, *, sensitivity, epsilon, entropy):
        seen.append((exact_scores, sensitivity))
        return 0

    real, vault_module.exponential_choice = vault_module.exponential_choice, noted
    try:
        for rows in (before, after):
            t = coded(opened(rows, cap))
            guesses = [((n,), np.full(s, 1.37)) for n, s in zip(t.domain.names, t.domain.sizes, strict=True)]
            t.choose_table(guesses, weights=[1.0, 0.5, 0.25, 1.0], biases=[0.0] * 4, epsilon=0.5)
    finally:
        vault_module.exponential_choice = real
    (less, sensitivity), (more, _) = seen
    assert max(abs(a - b) for a, b in zip(less, more, strict=True)) <= sensitivity  # in exact fractions


class Loud(nn.Module):
    """A gradient far beyond the clipping norm, in a direction that the row decides."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, codes):
        return (100 * self.linear(codes.float())).sin().sum(1) * 50


@contextmanager
def exact_gradient_sums():
    """The sums of clipped gradients that would get noise."""
    seen = []

    def noted(exact_sum, *, max_grad_norm, noise_multiplier, entropy):
        seen.append(exact_sum)
        return exact_sum

    real, dpsgd.noisy_gradient_sum = dpsgd.noisy_gradient_sum, noted
    try:
        yield seen
    finally:
        dpsgd.noisy_gradient_sum = real


@pytest.mark.parametrize("kind", CLIPPINGS)
@given(pair=neighbours())
@settings(max_examples=6)
def test_sums_of_gradients_and_scores_move_by_their_joint_bound(kind, pair):
    before, after, cap = pair
    how = Clipping(kind=kind, count_weight=0.5)
    plan = SgdPlan(steps=1, sample_rate=1.0, divisor=100.0, max_grad_norm=0.7, clipping=how)
    with exact_gradient_sums() as seen:
        for rows in (before, after):
            torch.manual_seed(0)
            coded(opened(rows, cap, epsilon=3.0)).noisy_gradients(Loud(), lambda m, c, _: m(c), plan).step()
    assert np.linalg.norm(seen[1] - seen[0]) <= joint_norm(0.7, how.weight) * (1 + 1e-6)


@given(pair=neighbours())
@settings(max_examples=12)
def test_gradients_over_all_rows_move_by_what_was_charged(pair):
    before, after, cap = pair
    with exact_gradient_sums() as seen:
        for rows in (before, after):
            torch.manual_seed(0)
            t = coded(opened(rows, cap))
            t.noisy_gradient(Loud(), lambda m, c, _: m(c), max_grad_norm=0.7, share=0.1)
            (event,) = t.ledger.events
    assert event.l2_sensitivity >= 0.7
    assert np.linalg.norm(seen[1] - seen[0]) <= 0.7 * (1 + 1e-6)


@given(neighbours())
@SETTINGS
def test_persons_are_sampled_as_a_whole(pair):
    """All rows of a person that count are in the batch, or none of them, and their weights sum to one at most."""
    _, after, cap = pair
    owners, counts = units_module.exact_owners(np.array([k or None for _, k in after], dtype=object), cap, ByRow(after))
    units = units_module.PrivacyUnits(len(after), owners, cap)
    for person in range(units.exact_count()):
        rows, weights = units.exact_batch(np.array([person]))
        assert rows.tolist() == np.flatnonzero(owners == person).tolist()
        assert len(rows) == counts[rows[0]] <= cap
        assert weights.sum() <= 1 + 1e-12
