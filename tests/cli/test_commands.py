"""What the commands do when all is well: results, formats, seeds, and what they tell people and programs."""

import gzip
import json
import re
import shutil

import pandas as pd
import pytest
from pyarrow import parquet

import synth as package
from synth.cli.main import app

INDEPENDENT = ("--epsilon", "2", "--model", "independent")


def commands(group=None, prefix=()):
    """All subcommands, as typer knows them."""
    import typer

    group = typer.main.get_command(app) if group is None else group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*prefix, name))
        else:
            yield (*prefix, name), command


COMMANDS = dict(commands())
NEEDS = {
    ("fit",): ("--epsilon", "--schema", "--output", "--delta", "--set", "--seed", "--config", "--force", "Example"),
    ("sample",): ("--rows", "--output", "--seed", "--datasets", ".parquet", "no further privacy", "Example"),
    ("inspect",): ("--html", "--json"),
    ("evaluate",): (
        "--real",
        "--synthetic",
        "--holdout",
        "--model",
        "--policy",
        "--publish",
        "not covered by epsilon",
        "Example",
    ),
    ("attack",): ("--shadow-fits", "--targets", "--records", "no budget is charged", "Example"),
    ("sweep",): ("--public-data", "--simulated", "--epsilons", "--yes", "composed total", "Example"),
    ("infer",): ("--mean", "--proportion", "--regress", "--refits", "too narrow", "Example"),
    ("budget", "set"): ("--epsilon", "--delta", "Example"),
    ("budget", "show"): ("--json",),
    ("budget", "history"): ("--json",),
    ("noise-key",): ("Example",),
    ("demo",): ("--output", "RAND"),
    ("audit",): ("--full", "--output", "--json", "proves nothing", "exit code 3", "Example"),
    ("bench",): ("--models", "--datasets", "--set", "--peers", "--plot", "goes on where it stopped", "Example"),
    ("randomize",): ("--schema", "--epsilon", "--output", "--bins", "--weight", "local differential privacy", "Example"),
    ("tune",): ("--epsilon", "--candidate", "--public", "--simulated", "--runs", "charged", "Example"),
    ("coordinate",): ("--sites", "--output", "--certificate", "No row comes here", "Example"),
    ("site",): ("--schema", "--epsilon", "--coordinator", "--ledger", "exact sum", "Example"),
    ("plan",): ("--rows", "--epsilon", "Reads no row", "Example"),
    ("tables", "fit"): ("--epsilon", "--ledger", "is what is protected", "Example"),
    ("tables", "sample"): ("--parents", "--seed", "Example"),
    ("schema", "export"): ("--single", "--constraints", "Example"),
    ("schema", "import"): ("--constraints", "Example"),
    ("schema", "draft"): ("--output", "public"),
    ("schema", "check"): ("--schema", "without printing a value"),
    ("datasets", "list"): ("--json",),
    ("datasets", "show"): ("--schema",),
    ("datasets", "path"): ("SYNTH_DATA_HOME", "--part"),
}


def test_every_command_has_its_help_tested():
    assert set(COMMANDS) == set(NEEDS)


@pytest.mark.parametrize("command", NEEDS, ids=" ".join)
def test_help_says_what_a_command_needs(synth, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "200")
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", synth(*command, "--help").worked().out).split())
    for word in NEEDS[command]:
        assert word in text


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_option_is_explained(command):
    for parameter in COMMANDS[command].params:
        assert parameter.name == "help" or getattr(parameter, "help", None), parameter.name


def test_the_main_help_teaches(synth):
    text = synth("--help").worked().out
    for word in ("synth demo", "synth fit", "synth sample", "synth schema draft", "Exit codes", "2 bad input", "3 refused"):
        assert word in text
    bare = synth()
    assert bare.code in (0, 2)
    assert "Usage" in bare.out


def test_version(synth):
    assert synth("--version").worked().out.split() == ["synth", package.__version__]


def test_fit_says_what_it_did_and_what_comes_next(synth, tmp_path, data, schema, ledger_records, check_file):
    made = tmp_path / "m.synth"
    result = synth("fit", data, "-s", schema, *INDEPENDENT, "-o", made).worked()
    assert f"{made}: independent, epsilon 2, delta 1e-05" in result.out
    assert f"next: synth sample {made} -n 3000" in result.out
    for phase in ("reading", "encoding", "measuring one-way tables", "checking the account"):
        assert phase in result.err
    assert '"epsilon": 2.0' in result.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.synth", "m.synth.ledger.jsonl"]
    records = ledger_records(tmp_path / "m.synth.ledger.jsonl")
    assert [r["record"] for r in records[:2]] == ["run", "rows"]
    assert records[-1]["outcome"] == "done"
    check_file(made)
    check_file(tmp_path / "m.synth.ledger.jsonl")


@pytest.mark.statistical
def test_fit_as_json(synth, tmp_path, data):
    made = tmp_path / "m.synth"
    result = synth("fit", data, *INDEPENDENT, "-o", made, "--ledger", tmp_path / "book", "--json").worked()
    facts = json.loads(result.out)
    assert facts["model"] == str(made)
    assert facts["ledger"] == str(tmp_path / "book")
    assert (facts["synthesizer"], facts["epsilon"]) == ("independent", 2.0)
    assert 0 < facts["delta"] <= 1e-5
    assert facts["rows"] == pytest.approx(3000, abs=300)  # noisy, with a standard deviation of about 30 rows
    lines = [json.loads(line) for line in result.err.splitlines()]
    assert {"phase", "done", "total", "seconds", "per_second", "seconds_left", "epsilon_spent", "epsilon"} == set(lines[0])
    assert (lines[0]["phase"], lines[0]["seconds"]) == ("starting", 0.0)
    assert all(line["epsilon_spent"] <= 2.0 for line in lines)


def test_quiet_is_silent_on_the_side(synth, tmp_path, data, model):
    assert synth("fit", data, *INDEPENDENT, "-o", tmp_path / "m.synth", "-q").worked().err == ""
    assert synth("sample", model, "-n", 5, "-o", tmp_path / "s.csv", "-q").worked().err == ""


@pytest.mark.parametrize(
    ("name", "settings"),
    [("dpvae", ("steps=40",)), ("dpgan", ("steps=40", "generator_steps=2", "hidden=16", "batch_size=1000"))],
)
def test_deep_models_from_table_to_rows(synth, tmp_path, data, schema, check_file, name, settings):
    made = tmp_path / "m.synth"
    options = [part for s in settings for part in ("--set", s)]
    result = synth("fit", data, "-s", schema, "-e", "2", "-m", name, *options, "--seed", 3, "-o", made).worked()
    assert '"phase": "training", "done": 0, "total": 40,' in result.err
    said = json.loads(synth("inspect", made, "--json").worked().out)
    assert (said["model"], said["options"]["steps"], said["epsilon"]) == (name, 40, 2.0)
    assert 1.9 <= said["epsilon_spent"] <= 2.0
    assert set(said["accountants"]) == {"pld", "prv", "rdp"}
    synth("sample", made, "-n", 500, "--seed", 1, "-o", tmp_path / "s.csv").worked()
    rows = pd.read_csv(tmp_path / "s.csv")
    assert len(rows) == 500
    assert rows["age"].dropna().between(0, 120).all()
    for path in tmp_path.iterdir():
        check_file(path)


def test_run_file_and_flags(synth, tmp_path, data, schema):
    """Flags win over the file; options merge key by key."""
    made = tmp_path / "m.synth"
    run = tmp_path / "run.toml"
    run.write_text(
        f'data = "{data}"\nschema = "{schema}"\nepsilon = 1\ndelta = 1e-6\nmodel = "independent"\noutput = "{made}"\nseed = 4\n'
    )
    facts = json.loads(synth("fit", "--config", run, "--json").worked().out)
    assert (facts["epsilon"], facts["delta"], facts["model"]) == (1.0, 1e-6, str(made))
    other = tmp_path / "other.synth"
    facts = json.loads(synth("fit", "--config", run, "--epsilon", "0.5", "-o", other, "--json").worked().out)
    assert (facts["epsilon"], facts["delta"], facts["model"]) == (0.5, 1e-6, str(other))
    run.write_text('epsilon = 1.0\nmodel = "dpvae"\n[options]\nsteps = 9\nstesp = 1\n')
    synth("fit", data, "--config", run, "--set", "steps=4", "-o", other, "--force").failed(2, "'stesp'")


def read(path):
    name = path.name
    if name.endswith(".parquet"):
        return pd.read_parquet(path)
    return pd.read_csv(path, sep="\t" if ".tsv" in name else ",")


FORMATS = ("s.csv", "s.tsv", "s.csv.gz", "s.tsv.gz", "s.parquet", "S.PQ.parquet")


def test_formats_hold_the_same_rows(synth, tmp_path, model):
    tables = {}
    for name in FORMATS:
        synth("sample", model, "-n", 300, "--seed", 5, "-o", tmp_path / name).worked()
        tables[name] = read(tmp_path / name)
    first = tables["s.csv"]
    assert first.shape == (300, 5)
    for name, table in tables.items():
        assert list(table.columns) == list(first.columns)
        for column in first:
            left, right = (pd.Series(t[column].astype(object).where(t[column].notna(), None)) for t in (first, table))
            assert left.astype(str).str.removesuffix(".0").tolist() == right.astype(str).str.removesuffix(".0").tolist(), (
                name,
                column,
            )
    assert gzip.decompress((tmp_path / "s.csv.gz").read_bytes()) == (tmp_path / "s.csv").read_bytes()


def test_seeds_repeat_rows_and_blocks_do_not_matter(synth, tmp_path, model):
    def rows(n, *seed):
        synth("sample", model, "-n", n, *seed, "-o", tmp_path / "s.csv", "--force").worked()
        return (tmp_path / "s.csv").read_text().splitlines()

    hundred = rows(100, "--seed", 1)
    assert rows(100, "--seed", 1) == hundred
    assert rows(10, "--seed", 1) == hundred[:11]
    assert rows(20_000, "--seed", 1)[:101] == hundred
    assert rows(100, "--seed", 2) != hundred
    assert rows(100) != rows(100)
    assert len(rows(0)) == 1


def test_empty_samples_keep_their_columns(synth, tmp_path, model):
    synth("sample", model, "-n", 0, "-o", tmp_path / "s.parquet").worked()
    empty = parquet.read_table(tmp_path / "s.parquet")
    assert empty.num_rows == 0
    assert empty.column_names == ["age", "town", "pay", "member", "day"]
    synth("sample", model, "-n", 5, "-o", tmp_path / "five.parquet").worked()
    five = parquet.read_schema(tmp_path / "five.parquet")
    assert five.equals(empty.schema, check_metadata=False)


def test_sample_defaults_to_the_paid_count(synth, tmp_path, model):
    facts = json.loads(synth("sample", model, "-o", tmp_path / "s.csv", "--json").worked().out)
    assert facts["rows"] == 3000
    assert len(pd.read_csv(tmp_path / "s.csv")) == 3000


def test_inspect_as_text_json_and_page(synth, tmp_path, model, check_file):
    text = synth("inspect", model).worked().out
    for word in ("Promise", "epsilon", "add or remove one row", "Limits", "Where the budget went", "one-way table"):
        assert word in text
    facts = json.loads(synth("inspect", model, "--json").worked().out)
    assert facts["model"] == "independent"
    assert facts["adjacency"] == "add or remove one row"
    assert facts["epsilon_spent"] <= facts["epsilon"] == 2.0
    assert [c["name"] for c in facts["schema"]["columns"]] == ["age", "town", "pay", "member", "day"]
    synth("inspect", model, "--html", tmp_path / "card.html").worked()
    page = (tmp_path / "card.html").read_text()
    assert "<html" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    check_file(tmp_path / "card.html")


def test_draft_is_loud_and_names_nothing_rare(synth, tmp_path, data, frame, check_file):
    target = tmp_path / "draft.toml"
    frame.assign(rare=["r0" if i < 19 else "r1" for i in range(len(frame))]).to_csv(tmp_path / "t.csv", index=False)
    result = synth("schema", "draft", tmp_path / "t.csv", "-o", target).worked()
    assert "CAREFUL" in result.err
    assert "PUBLIC" in result.err
    text = target.read_text()
    assert text.startswith("# PROPOSAL")
    assert "becomes PUBLIC" in text
    assert '"r0"' not in text
    assert "categories" not in text.split('name = "rare"')[1].split("[[columns]]")[0]
    check_file(target)
    drafted = package.read_schema(target)
    assert drafted.names == (*frame.columns, "rare")
    made = tmp_path / "m.synth"
    synth("fit", tmp_path / "t.csv", "-s", target, *INDEPENDENT, "-o", made, "-q").worked()
    synth("schema", "draft", data, "-o", target).failed(2, "--force")


def test_check_tells_shares_and_no_value(synth, data, schema):
    findings = json.loads(synth("schema", "check", data, "-s", schema, "--json").worked().out)
    by_name = {f["column"]: f for f in findings}
    assert by_name["age"]["outside"] == pytest.approx(1 / 3000)
    assert by_name["member"] == {"column": "member", "outside": 0.0, "missing": 0.0}
    text = synth("schema", "check", data, "-s", schema).worked()
    assert "for your eyes only" in text.err
    assert "age" in text.out


def test_check_is_content_where_all_is_well(synth, tmp_path, data, schema, frame):
    frame[frame["age"] != "918273645"].to_csv(tmp_path / "t.csv", index=False)
    assert "all 5 columns" in synth("schema", "check", tmp_path / "t.csv", "-s", schema).worked().out


def test_data_sets(synth):
    listed = json.loads(synth("datasets", "list", "--json").worked().out)
    assert {"adult", "diabetes130", "randhie"} <= {c["name"] for c in listed}
    text = synth("datasets", "list").worked().out
    for one in listed:
        assert one["name"] in text
        shown = json.loads(synth("datasets", "show", one["name"], "--json").worked().out)
        assert len(shown["schema"]["columns"]) == one["columns"]
        assert one["license"] in synth("datasets", "show", one["name"]).worked().out


def test_the_schema_of_a_data_set_can_be_saved(synth, tmp_path):
    (tmp_path / "s.toml").write_text(synth("datasets", "show", "randhie", "--schema").worked().out)
    assert len(package.read_schema(tmp_path / "s.toml").columns) == 10


def test_path_of_the_embedded_data(synth):
    pytest.importorskip("statsmodels")
    path = synth("datasets", "path", "randhie").worked().out.strip()
    assert len(pd.read_csv(path)) == 20_190


def test_evaluate_writes_scores_and_a_page(synth, tmp_path, folder, data, model):
    rows = pd.read_csv(data, dtype=str, keep_default_na=False)
    rows.iloc[:1000].to_csv(tmp_path / "real.csv", index=False)
    rows.iloc[1000:2000].to_csv(tmp_path / "held.csv", index=False)
    synth("sample", model, "-n", 1000, "--seed", 1, "-o", tmp_path / "s.csv", "-q").worked()
    report = tmp_path / "r.html"
    result = synth(
        "evaluate", "--real", tmp_path / "real.csv", "--holdout", tmp_path / "held.csv", "--synthetic", tmp_path / "s.csv",
        "--model", model, "-o", report, "--json",
    ).worked()  # fmt: skip
    facts = json.loads(result.out)
    assert "tv_1way" in json.dumps(facts)
    for line in result.err.splitlines():
        assert isinstance(json.loads(line), dict)
    assert "<html" in report.read_text()


@pytest.mark.slow
def test_demo(child, tmp_path):
    pytest.importorskip("statsmodels")
    result = child("demo", "--output", tmp_path / "a demo", "--model", "independent")
    assert result.code == 0, result.err
    assert {"report.html", "card.html", "model.synth", "synthetic.csv"} <= {p.name for p in (tmp_path / "a demo").iterdir()}
    assert "report:" in result.out
    assert child("inspect", tmp_path / "a demo" / "model.synth", "--json").code == 0


def test_names_with_spaces_and_brackets_survive(synth, tmp_path, data, schema):
    """Rich markup in a name must neither vanish nor break."""
    place = tmp_path / "a [bold] place"
    place.mkdir()
    shutil.copy(data, place / "people [1].csv")
    made = place / "my [red]model.synth"
    result = synth("fit", place / "people [1].csv", "-s", schema, *INDEPENDENT, "-o", made, "-q").worked()
    assert str(made) in result.out.splitlines()[-1]
    result = synth("sample", made, "-n", 3, "-o", place / "[x].csv", "-q").worked()
    assert str(place / "[x].csv") in result.out
    assert len(read(place / "[x].csv")) == 3
