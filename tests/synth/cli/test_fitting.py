import gzip
import json
import os
import signal

import pandas as pd
import pytest

from synth.cli.fitting import interruptible


def test_sigterm_counts_as_ctrl_c_while_working_only():
    before = signal.getsignal(signal.SIGTERM)

    def stopped():
        with interruptible():
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert signal.getsignal(signal.SIGTERM) is before


def test_fit_then_sample_then_inspect(call, place, tmp_path):
    made = tmp_path / "m.synth"
    code, out, _ = call("fit", place / "t.csv", "-s", place / "s.toml", "-e", "1", "-m", "independent", "-o", made, "--json")
    assert code == 0
    facts = json.loads(out)
    assert (facts["rows"], facts["delta"]) == (400, 1e-5)
    code, out, _ = call("sample", made, "-n", "20", "--seed", "1", "-o", tmp_path / "s.csv", "--json")
    assert code == 0
    assert json.loads(out)["rows"] == 20
    code, out, _ = call("inspect", made, "--json")
    assert json.loads(out)["epsilon"] == 1.0


def test_output_and_ledger_have_defaults(call, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("fit", place / "t.csv", "-s", place / "s.toml", "-e", "1", "-m", "independent", "-q")[0] == 0
    assert sorted(os.listdir(tmp_path)) == ["model.synth", "model.synth.ledger.jsonl"]
    assert call("sample", "model.synth", "-q")[0] == 0
    assert os.path.exists("synthetic.csv")


def test_earlier_runs_are_mentioned(call, place, tmp_path):
    arguments = ("fit", place / "t.csv", "-s", place / "s.toml", "-e", "1", "-m", "independent", "--ledger", tmp_path / "book")
    assert "already records" not in call(*arguments, "-o", tmp_path / "a.synth")[2]
    assert "already records 1 run(s)" in call(*arguments, "-o", tmp_path / "b.synth")[2]
    assert "already records" not in call(*arguments, "-o", tmp_path / "c.synth", "-q")[2]


def test_a_missing_table_or_epsilon_is_asked_for(call):
    assert "synth fit patients.csv" in call("fit")[2]
    assert "--epsilon" in call("fit", "t.csv")[2]


def test_inspect_writes_a_page_only_where_asked(call, model, tmp_path):
    code, out, _ = call("inspect", model, "--html", tmp_path / "c.html")
    assert code == 0
    assert f"card: {tmp_path / 'c.html'}" in out
    assert call("inspect", model, "--html", tmp_path / "c.html")[0] == 2
    assert call("inspect", model, "--html", tmp_path / "c.html", "--force")[0] == 0


def test_a_noise_key_is_made_and_not_shown(tmp_path, capsys):
    from synth.cli.main import run

    assert run(["noise-key", str(tmp_path / "k")]) == 0
    secret = (tmp_path / "k").read_text().strip()
    captured = capsys.readouterr()
    assert "safe as the table" in captured.out
    assert secret not in captured.out + captured.err
    assert run(["noise-key", str(tmp_path / "k")]) == 2
    assert "never overwritten" in capsys.readouterr().err


def test_sampling_under_conditions(call, model, tmp_path, declared):
    import pandas as pd

    numeric = next(c for c in declared.columns if c.kind == "integer")
    low, high = (int(b) for b in numeric.bounds)
    middle = (low + high) // 2
    made = tmp_path / "c.csv"
    code, out, _ = call("sample", model, "-n", 300, "--seed", 1, "-c", f"{numeric.name}>={middle}", "-o", made, "--json")
    assert code == 0
    assert 0 < json.loads(out)["effective_rows"] <= 300
    rows = pd.read_csv(made)
    assert len(rows) == 300
    assert (rows[numeric.name] >= middle).all()
    code, _, err = call("sample", model, "-n", 5, "-c", f"{numeric.name}>{high}", "-o", tmp_path / "d.csv")
    assert (code, "its domain holds no such value" in err) == (2, True)
    code, _, err = call("sample", model, "-n", 5, "-c", "nope=1", "-o", tmp_path / "d.csv")
    assert (code, "cannot read the condition" in err) == (2, True)
    assert not (tmp_path / "d.csv").exists()


def test_balanced_sampling(call, model, tmp_path, declared):
    import pandas as pd

    classes = next(c for c in declared.columns if c.categories)
    made = tmp_path / "b.csv"
    n = 10 * len(classes.categories)
    assert call("sample", model, "-n", n, "--balance", classes.name, "-o", made, "-q")[0] == 0
    assert set(pd.read_csv(made)[classes.name].value_counts()) == {10}
    code, _, err = call("sample", model, "-n", 5, "--balance", "nope", "-o", tmp_path / "d.csv")
    assert (code, "to balance by" in err) == (2, True)


def test_datasets_are_independent_repeatable_and_all_or_none(call, model, tmp_path):
    options = ("sample", model, "-n", 50, "--seed", 3, "-q")
    code, out, err = call(*options, "--datasets", 3, "-o", tmp_path / "s.csv.gz", "--json")
    assert code == 0, err
    assert json.loads(out)["outputs"] == [str(tmp_path / f"s_{k}.csv.gz") for k in (1, 2, 3)]
    tables = [gzip.decompress((tmp_path / f"s_{k}.csv.gz").read_bytes()) for k in (1, 2, 3)]
    assert len(set(tables)) == 3
    assert call(*options, "--datasets", 2, "-o", tmp_path / "t.csv.gz")[0] == 0
    assert [gzip.decompress((tmp_path / f"t_{k}.csv.gz").read_bytes()) for k in (1, 2)] == tables[:2]
    before = sorted(os.listdir(tmp_path))
    code, _, err = call(*options, "--datasets", 5, "-o", tmp_path / "t.csv.gz")
    assert code == 2
    assert "already exists" in err
    assert call(*options, "--datasets", 2, "-o", tmp_path / "u.docx")[0] == 2
    assert "from 1 to" in call(*options, "--datasets", 0, "-o", tmp_path / "u.csv")[2]
    assert sorted(os.listdir(tmp_path)) == before


def test_persons_are_fitted_and_sampled_by_rows_or_as_a_whole(call, tmp_path):
    rows = "\n".join(f"p{i % 400},{'xyz'[i % 3]}" for i in range(900))
    (tmp_path / "t.csv").write_text(f"who,kind\n{rows}\n")
    columns = "[[columns]]\nname = 'who'\n[[columns]]\nname = 'kind'\nkind = 'category'\ncategories = ['x', 'y', 'z']\n"
    (tmp_path / "s.toml").write_text(f"entity = 'who'\nmax_rows_per_entity = 3\n{columns}")
    made, drawn = tmp_path / "m.synth", tmp_path / "a.csv"
    code, out, _ = call("fit", tmp_path / "t.csv", "-s", tmp_path / "s.toml", "-e", "3", "-m", "independent", "-o", made, "-q")
    assert code == 0
    assert "-n" not in out.split("next:")[1]
    code, out, _ = call("sample", made, "-o", drawn, "--entities", "50", "-q")
    few = pd.read_csv(drawn)
    assert (code, few["who"].nunique()) == (0, 50)
    assert f"{len(few)} rows" in out
    assert call("sample", made, "-o", drawn, "-n", "70", "-q", "-f")[0] == 0
    assert len(pd.read_csv(drawn)) == 70
    code, _, err = call("sample", made, "-o", tmp_path / "c.csv", "-c", "kind=x", "-q")
    assert (code, "cannot be conditioned" in err) == (2, True)
    assert call("sample", made, "-o", tmp_path / "c.csv", "-c", "kind=x", "--entities", "3", "-q")[0] == 2
    assert not (tmp_path / "c.csv").exists()


def test_fewer_columns_are_told_on_the_terminal_and_scored_against_the_whole_table(call, place, tmp_path):
    wide = pd.read_csv(place / "t.csv").assign(noise=[i % 3 for i in range(400)])
    wide.to_csv(tmp_path / "wide.csv", index=False)
    names, made = list(wide.columns), tmp_path / "m.synth"
    call_fit = ("fit", tmp_path / "wide.csv", "-e", "5", "-m", "independent", "-o", made)
    code, _out, err = call(*call_fit, "--purpose", names[0], "--max-columns", "2")
    assert code == 0
    assert f"2 of {len(names)} columns were chosen for '{names[0]}'" in " ".join(err.split())
    assert call("sample", made, "-n", "300", "-o", tmp_path / "s.csv", "-q")[0] == 0
    assert len(pd.read_csv(tmp_path / "s.csv").columns) == 2
    (tmp_path / "run.toml").write_text(f"purpose = {names[0]!r}\nmax_columns = 1\n")
    code, _, err = call(*call_fit, "-f", "--config", tmp_path / "run.toml")
    assert code == 2
    assert "max_columns must be at least 2" in err


def test_columns_to_protect_are_named_with_commas_between_them(call, place, tmp_path):
    made = tmp_path / "m.synth"
    asked = ("fit", place / "t.csv", "-s", place / "s.toml", "-e", "1", "-o", made, "-q")
    for wrong in ("town,", "town,town", "nowhere"):
        code, _, told = call(*asked, "--protect-groups", wrong)
        assert code == 2
        assert "protect_groups" in told
        assert "Traceback" not in told
    code, _, told = call(*asked, "-m", "independent", "--protect-groups", "town")
    assert (code, os.listdir(tmp_path)) == (2, [])
    assert "does not protect small groups" in told
