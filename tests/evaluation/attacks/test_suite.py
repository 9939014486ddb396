"""Known answers: what every attack must say about a copy, about fresh rows, and about a generator that remembers 1 %."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from evaluation.attacks.bounds import bound_of
from evaluation.attacks.membership import THREATS, membership_scores
from evaluation.attacks.scene import set_scenes
from evaluation.attacks.suite import ATTACKS, GUESSING, JOINT, RANKING, run_attacks, score_attacks
from evaluation.attacks.threat import ranked
from evaluation.inputs import prepare
from evaluation.scores import Score, Section
from synth.schema import Schema

CARD = {"epsilon": 1.0, "delta": 1e-6}


def found(section: Section, name: str) -> Score:
    return next(score for score in section.scores if score.name == name)


@pytest.fixture(scope="module")
def copied(real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> Section:
    return score_attacks(prepare(real, holdout, real, schema), CARD)


@pytest.fixture(scope="module")
def clean(real: pd.DataFrame, holdout: pd.DataFrame, fresh: pd.DataFrame, schema: Schema) -> Section:
    return score_attacks(prepare(real, holdout, fresh, schema), CARD)


def low(section: Section, name: str) -> float:
    end = found(section, name).low
    assert end is not None
    return end


def test_a_copy_is_caught_by_every_attack(copied: Section) -> None:
    for name in ("trees", "neighbours", "trees_alone", "neighbours_alone"):
        value = found(copied, f"membership_{name}_auc").value
        assert value is not None
        assert value > 0.95, name
    assert low(copied, "membership_marginals_auc") > 0.6
    for name in GUESSING:
        assert low(copied, f"{name}_advantage") > 0.1, name
    strongest = found(copied, "attack_advantage")
    assert strongest.bound is not None
    assert strongest.low is not None
    assert strongest.low > strongest.bound
    assert any(note.startswith("Warning: attacks succeed") for note in copied.notes)


def test_fresh_rows_score_chance(clean: Section) -> None:
    for name in RANKING:
        area = found(clean, f"membership_{name}_auc")
        assert area.value is not None
        assert abs(area.value - 0.5) < 5 * 0.0167, name  # standard error of an AUC at chance, 600 people a side
    for name in GUESSING:
        gap = found(clean, f"{name}_advantage").value
        assert gap is not None
        assert gap < 5 * 0.03, name
    assert not any(note.startswith("Warning") for note in clean.notes)


def test_the_holdout_as_release_scores_chance(real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> None:
    """Its rows are taken out of the controls, who would look like members otherwise."""
    section = score_attacks(prepare(real, holdout, holdout, schema), CARD)
    for name in RANKING:
        area = found(section, f"membership_{name}_auc").value
        assert area is not None
        assert abs(area - 0.5) < 5 * 0.0204, name  # 400 people a side
    for name in GUESSING:
        gap = found(section, f"{name}_advantage").value
        assert gap is not None
        assert abs(gap) < 5 * 0.035, name


def test_measured_stands_beside_promised(clean: Section) -> None:
    for score in clean.scores:
        assert score.section == "privacy"
        assert score.bound is not None
        assert score.ceiling is not None
        assert score.floor is not None
    assert found(clean, "attack_advantage").bound == pytest.approx(np.tanh(0.5), abs=1e-5)
    assert len(clean.tables["Attacks"]) == len(clean.tables["Threat models"]) == len(ATTACKS)
    assert clean.tables["Threat models"].map(len).to_numpy().min() > 3
    assert set(clean.tables["Membership attack"]["Attack"]) == set(RANKING)


def test_a_generator_that_remembers_one_row_in_a_hundred_is_caught(
    schema: Schema, people: Callable[[int, int], pd.DataFrame]
) -> None:
    """Fresh rows, except that 1 % of the fitted rows are among them, word for word."""
    real, holdout, fresh = people(4000, 11), people(13_000, 12), people(4000, 13)
    taken = np.random.default_rng(0).choice(4000, 40, replace=False)
    release = pd.concat([real.iloc[taken], fresh.iloc[40:]], ignore_index=True)
    scenes = set_scenes(prepare(real, holdout, release, schema), (), bound_of(CARD))
    assert scenes is not None
    scores = membership_scores(scenes.release)["neighbours"]
    one = ranked(THREATS["neighbours"], scores[:4000], scores[4000:], scenes.release.bound, JOINT)
    assert one.tprs[0].value == pytest.approx(0.01, abs=0.004)
    assert one.bound is not None
    assert one.tprs[0].low > one.bound.tprs[0] > 0.001
    assert one.caught
    assert one.broken
    assert one.auc is not None
    assert one.auc.value < 0.55  # an average over people hides what happened to forty of them


def test_few_controls_are_said_to_be_few(clean: Section) -> None:
    assert any("cannot be set exactly" in note for note in clean.notes)


def test_without_a_holdout_the_gap_is_explained(real: pd.DataFrame, schema: Schema) -> None:
    section = score_attacks(prepare(real, None, real, schema), CARD)
    assert not section.scores
    assert "without a holdout" in section.notes[0]


@pytest.mark.slow
@pytest.mark.statistical
def test_intervals_hold_the_truth_in_200_evaluations(
    schema: Schema, people: Callable[[int, int], pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generator that draws from the population: every advantage is 0, every AUC 1/2, every rate its false alarm rate.

    At 95 % each, pooled over attacks at least 93 % must cover, and each attack at least 88.5 % (chance below 1e-4 each).
    """
    monkeypatch.setattr("evaluation.attacks.membership.TREES", 8)
    monkeypatch.setattr("evaluation.attacks.inference.TREES", 3)
    covered: dict[str, list[bool]] = {}
    for run in range(200):
        frames = [people(rows, 10_000 + 3 * run + k) for k, rows in enumerate((300, 600, 300))]
        scenes = set_scenes(prepare(*frames, schema), (), None)
        assert scenes is not None
        for name, one in run_attacks(scenes.release)[0].items():
            outcome = one(0.95)
            covered.setdefault(f"{name} advantage", []).append(outcome.advantage.low <= 0 <= outcome.advantage.high)
            if outcome.auc is not None:
                covered.setdefault(f"{name} auc", []).append(outcome.auc.low <= 0.5 <= outcome.auc.high)
                covered.setdefault(f"{name} rate", []).append(outcome.tprs[2].low <= 0.1 <= outcome.tprs[2].high)
    shares = {name: float(np.mean(hits)) for name, hits in covered.items()}
    assert np.mean(list(shares.values())) >= 0.93, shares
    assert min(shares.values()) >= 0.885, shares
