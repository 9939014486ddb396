import json

import pandas as pd
import pytest

from evaluation import Score
from synth.api import load
from synth.cli import evaluating
from synth.cli.evaluating import read_facts, show_scores
from synth.schema import Kind


def test_facts_come_from_the_schema_then_the_model_then_a_draft(place, model, frame):
    release = load(model)
    assert read_facts(release, None, frame) is release.schema
    assert read_facts(release, str(place / "s.toml"), frame).target == "member"
    drafted = read_facts(None, None, frame)
    assert drafted.names == tuple(frame.columns)
    assert drafted["age"].kind is Kind.INTEGER


def test_what_a_schema_leaves_open_is_guessed_for_the_report(tmp_path, frame):
    (tmp_path / "s.toml").write_text('[[columns]]\nname = "age"\n[[columns]]\nname = "town"\nkind = "category"\n')
    found = read_facts(None, str(tmp_path / "s.toml"), frame[["age", "town"]])
    assert found["age"].kind is Kind.INTEGER
    assert found["age"].bounds is None
    assert found["town"].categories is None


def score(**facts):
    plain = {"name": "x", "label": "x", "section": "fidelity", "better": "lower", "meaning": "A score.", "interval": "None."}
    return Score(**{**plain, **facts})


def test_evaluate_hands_everything_over(call, place, model, tmp_path, monkeypatch):
    seen = {}

    class Report:
        scores = (score(label="tv_1way", value=0.1, better="lower"),)
        notes = ("mind [this]",)

        def to_json(self):
            return {"scores": []}

        def to_html(self):
            return "<html></html>"

    def evaluate(real, holdout, synthetic, facts, **options):
        seen.update(real=real, holdout=holdout, synthetic=synthetic, facts=facts, **options)
        return Report()

    monkeypatch.setattr("evaluation.evaluate", evaluate)
    arguments = (
        "evaluate",
        "--real",
        place / "t.csv",
        "--synthetic",
        place / "t.csv",
        "--holdout",
        place / "t.csv",
        "-m",
        model,
    )
    more = ("--group", "age", "--group", "town", "--max-rows", "300")
    code, out, err = call(*arguments, "-t", "town", "--seed", "3", *more, "-o", tmp_path / "r.html")
    assert code == 0, err
    assert (tmp_path / "r.html").read_text() == "<html></html>"
    assert (seen["target"], seen["seed"]) == ("town", 3)
    assert (seen["groups"], seen["max_rows"]) == (("age", "town"), 300)
    assert seen["card"]["epsilon"] == 3.0
    assert len(seen["holdout"]) == len(seen["real"]) == 400
    assert "tv_1way" in out
    assert "do not publish" in out
    assert "note: mind [this]" in err
    assert call(*arguments, "-o", tmp_path / "r.html")[0] == 2
    code, out, _ = call(*arguments[:5], "--json", "-o", tmp_path / "r2.html")
    assert code == 0
    assert json.loads(out)
    assert seen["holdout"] is None
    assert seen["card"] is None


def test_scores_without_interval_or_ceiling_are_blank(capsys):
    class Report:
        scores = (
            score(label="a", value=0.5, better="higher"),
            score(label="b", value=0.25, low=0.2, high=0.3, ceiling=0.1, better="lower"),
        )
        notes = ()

    show_scores(Report())
    out = capsys.readouterr().out
    assert "0.5000" in out
    assert "0.200 to 0.300" in out
    assert "0.1000" in out


def test_details_stay_in_the_report_and_the_questions_are_answered(capsys):
    names = ("tstr_auc", "tstr_auc_linear", "tstr_f1", "trees_tpr_001", "trees_tpr_01")
    parts = ("utility", "utility", "utility", "privacy", "privacy")

    class Report:
        scores = tuple(
            score(name=n, label=n, value=0.5, low=0.4, high=0.6, floor=0.1, ceiling=0.9, section=p)
            for n, p in zip(names, parts, strict=True)
        )
        notes = ()

    show_scores(Report())
    out = capsys.readouterr().out
    assert [n in out.split() for n in names] == [True, True, False, False, True]
    assert "2 more scores in the report" in out
    assert "What can an attacker learn?" in " ".join(out.split())


def test_demo_in_small(call, tmp_path, monkeypatch):
    """The same commands on a slice of the embedded table, so that it stays quick."""
    pytest.importorskip("statsmodels")
    from synth.privacy import ingest

    whole = ingest.read_table

    def few(path, **options):
        frame = whole(path, **options)
        return frame.iloc[:2000].reset_index(drop=True) if str(path).endswith("randhie.csv") else frame

    monkeypatch.setattr("synth.privacy.ingest.read_table", few)
    monkeypatch.setattr(evaluating, "write_report", lambda *a, **k: (type("R", (), {"scores": (), "notes": ()})(), None))
    code, out, err = call("demo", "-o", tmp_path / "a demo", "-m", "independent", "-q")
    assert code == 0, err
    assert len(pd.read_csv(tmp_path / "a demo" / "train.csv")) < 2000
    assert "report:" in out
    assert "'" in out.splitlines()[-1]  # the hint quotes a path with a space
    assert (tmp_path / "a demo" / "card.html").read_text().startswith("<!")
    code, _, err = call("demo", "-o", tmp_path / "a demo", "-m", "independent", "-q")
    assert code == 0, err


def test_a_baseline_is_named_before_anything_is_computed_and_never_published(call, place, model, tmp_path):
    rows = ("--real", place / "t.csv", "--synthetic", place / "t.csv", "-m", model, "-o", tmp_path / "r.html", "-q")
    code, _, err = call("evaluate", *rows, "--baseline", "gan")
    assert code == 2
    assert "none of them is private" in err
    code, _, err = call("evaluate", *rows, "--baseline", "trees", "--publish", "1")
    assert code == 2
    assert "--baseline" in err
    assert not (tmp_path / "r.html").exists()
    code, _, err = call("evaluate", *rows, "--baseline", "trees", "--max-rows", 100)
    assert code == 0, err
    assert "NOT PRIVATE" in (tmp_path / "r.html").read_text()
