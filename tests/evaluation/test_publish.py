from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.publish import Published, publish
from synth.api import fit
from synth.errors import InputError, RefusedError
from synth.privacy.chain import read_ledger
from synth.release import Release
from synth.schema import Schema


@pytest.fixture(scope="module")
def release(real: pd.DataFrame, schema: Schema, tmp_path_factory: pytest.TempPathFactory) -> tuple[Release, Path]:
    path = tmp_path_factory.mktemp("publish") / "l"
    return fit(real.astype(str), epsilon=3.0, delta=1e-6, schema=schema, model="independent", seed=0, ledger=path), path


def make(real: pd.DataFrame, release: tuple[Release, Path], epsilon: float = 1.0) -> Published:
    return publish(real.astype(str), release[0].sample(seed=1), *release, epsilon=epsilon)


def test_totals_are_stated_and_charged(real: pd.DataFrame, release: tuple[Release, Path]) -> None:
    before = len(read_ledger(release[1]))
    report = make(real, release)
    assert report.facts["epsilon_total"] == pytest.approx(4.0)
    assert report.facts["delta_total"] == pytest.approx(1.1e-6)
    records = read_ledger(release[1])[before:]
    assert records[0]["epsilon"] == 1.0
    assert records[-1]["outcome"] == "done"
    assert sum(record["record"] == "event" for record in records) == 7 + 21 + 1
    assert report.bound.epsilon == pytest.approx(4.0)
    assert "epsilon 4" in report.to_html()


def test_nothing_but_noisy_counts_depends_on_the_real_rows(
    real: pd.DataFrame, release: tuple[Release, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With every noisy count replaced by a constant, tables as different as can be give the very same report.

    Row counts, missing rates, values outside the domain and the order of columns would show otherwise.
    """
    monkeypatch.setattr("synth.privacy.units.noisy_counts", lambda exact, **_: np.full(exact.shape, 10, dtype=np.int64))
    strange = pd.DataFrame({name: ["", "x", "-1e30", "119", None] * 3 for name in reversed(list(real.columns))})
    frames = (real, strange, strange.iloc[:0], real.iloc[:1], real.iloc[::-1])
    ledgers = [Path(shutil.copy(release[1], tmp_path / str(k))) for k in range(len(frames))]
    pages = [make(frame, (release[0], book)) for frame, book in zip(frames, ledgers, strict=True)]
    texts = {json.dumps(page.to_json(), allow_nan=False) for page in pages}
    assert len(texts) == 1
    assert len({page.to_html() for page in pages}) == 1


@pytest.mark.statistical
def test_intervals_hold_the_answer_without_noise(real: pd.DataFrame, release: tuple[Release, Path]) -> None:
    """At epsilon 100 the noise is next to nothing; 95 % intervals at epsilon 1 miss it in 20 draws at most 8 times (6e-7)."""
    exact = {score.name: score.value for score in make(real, release, epsilon=100.0).scores}
    misses = dict.fromkeys(exact, 0)
    for _ in range(20):
        for score in make(real, release).scores:
            value = exact[score.name]
            assert value is not None
            assert score.low is not None
            assert score.high is not None
            misses[score.name] += not score.low <= value <= score.high
    assert max(misses.values()) <= 8
    assert set(misses) == {"paid_tv_1way", "paid_tv_2way", "paid_tstr_accuracy"}


def test_independent_columns_are_near_in_one_and_far_in_two(real: pd.DataFrame, release: tuple[Release, Path]) -> None:
    one, two, right = make(real, release, epsilon=20.0).scores
    assert one.value is not None
    assert two.value is not None
    assert right.value is not None
    assert one.value < 0.1
    assert two.value == pytest.approx(two.floor, abs=0.02)  # the floor is what independent columns score
    assert right.floor is not None
    assert right.value < right.floor + 0.1


def test_everything_the_ledger_granted_is_added_up(real: pd.DataFrame, release: tuple[Release, Path], tmp_path: Path) -> None:
    book = tmp_path / "l"
    made = fit(real.astype(str), epsilon=2.0, schema=release[0].schema, model="independent", ledger=book)
    first, second = (make(real, (made, book), epsilon=0.5) for _ in range(2))
    assert (first.facts["runs_recorded"], second.facts["runs_recorded"]) == (2, 3)
    assert second.facts["epsilon_recorded"] == pytest.approx(3.0)
    assert second.facts["delta_recorded"] == pytest.approx(made.receipt.delta + 2e-7)
    assert "records 3 runs" in second.to_html()
    assert "runs on these rows" not in first.to_html()


def test_what_is_missing_is_said(real: pd.DataFrame, release: tuple[Release, Path]) -> None:
    page = make(real, release).to_html()
    for words in ("every attack", "holdout", "subgroup", "SDMetrics"):
        assert words in page
    assert "do not publish" not in page
    assert not re.search(r"(?:src|href)\s*=|<script|@import|url\(", page)
    small = publish(real.astype(str), release[0].sample(seed=1), *release, epsilon=1.0, target="income")
    assert any("prediction" in text for text in small.left_out)
    assert small.confusion.empty


def test_a_wrong_header_costs_nothing_more_and_is_recorded(real: pd.DataFrame, release: tuple[Release, Path]) -> None:
    with pytest.raises(InputError):
        make(real.drop(columns="age"), release)
    records = read_ledger(release[1])
    assert records[-1] == {**records[-1], "record": "end", "outcome": "failed"}
    assert records[-2]["record"] == "run"


def test_refusals_and_missing_ledgers(real: pd.DataFrame, release: tuple[Release, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no ledger"):
        make(real, (release[0], tmp_path / "none"))
    with pytest.raises(InputError, match="'nothing'"):
        publish(real, real, *release, epsilon=1.0, target="nothing")
    with pytest.raises(InputError, match="--publish-delta"):
        publish(real, real, *release, epsilon=1.0, delta=1e-3)


def test_an_interruption_and_a_refusal_are_recorded(
    real: pd.DataFrame, release: tuple[Release, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, outcome in ((KeyboardInterrupt(), "interrupted"), (RefusedError("no"), "refused")):

        def fails(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        monkeypatch.setattr("evaluation.publish.measure", fails)
        with pytest.raises(type(error)):
            make(real, release)
        assert read_ledger(release[1])[-1]["outcome"] == outcome


def test_groups_of_whole_numbers_are_named_by_whole_numbers(real: pd.DataFrame, release: tuple[Release, Path]) -> None:
    shares = make(real, release).shares
    labels = shares.loc[shares["Column"] == "age", "Group"]
    assert all(re.fullmatch(r"\d+( to \d+)?|\(missing\)", label) for label in labels)
    ends = [[int(part) for part in label.split(" to ")] for label in labels if label != "(missing)"]
    assert [first[-1] + 1 for first in ends[:-1]] == [following[0] for following in ends[1:]]
    assert (ends[0][0], ends[-1][-1]) == (0, 120)
