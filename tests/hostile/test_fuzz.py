"""Damaged and hostile files of every kind: a sentence and a documented exit code, or a sound answer. Never a crash."""

import json
import resource
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synth.cli.main import run
from synth.privacy.ledger import set_total

TOKENS = (
    b"null", b"NaN", b"Infinity", b"-1", b"0", b"1e999", b"-0.0", b"99999999999999999999999", b"1e-320", b"true", b'""', b"[]",
    b"{}", b'"', b"[[[[", b"}", b"\x00", b"\xff\xfe", b"../../etc/passwd", b"\n", b"\r", b",", b"=", b"'", b"[[columns]]\n",
    b"\\u0000", b"\xed\xa0\x80", b"__class__", b"$(id)", b"%s", b"a" * 5000,
)  # fmt: skip
VALUES = (
    None, True, -1, 0, 1.5, 10**30, -(10**18), 1e300, "", "x" * 3000, "../../x", "\x00", "\x1b[31m", [], {}, [[]], [None],
    {"a": None}, 2**31, 2**63,
)  # fmt: skip
GROWTH = 1 << 30  # bytes that the worst of all examples may add to this process
CANARY = "CANARY7c1"


def mangled(content, rng):
    """One to three edits of bytes."""
    content = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(content) + 1))
        to = min(len(content), at + int(rng.integers(1, 40)))
        match int(rng.integers(6)):
            case 0 if content:
                content[at % len(content)] ^= int(rng.integers(1, 256))
            case 1:
                del content[at:to]
            case 2:
                content[at:at] = content[at:to]
            case 3:
                del content[at:]
            case 4:
                content[at:to] = TOKENS[int(rng.integers(len(TOKENS)))]
            case _:
                content[at:at] = TOKENS[int(rng.integers(len(TOKENS)))]
    return bytes(content)


def damaged(value, rng):
    """The JSON value with one part replaced, dropped, doubled or renamed."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = sorted(value)[int(rng.integers(len(value)))]
        if rng.random() < 0.15:
            return {("x" if k == key else k): v for k, v in value.items()}
        return {**value, key: damaged(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = int(rng.integers(len(value)))
        if rng.random() < 0.2:
            return value[:at] + value[at + 1 :] if rng.random() < 0.5 else [*value, *value]
        return [*value[:at], damaged(value[at], rng), *value[at + 1 :]]
    return VALUES[int(rng.integers(len(VALUES)))]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A table, its schema, a run file, releases of two models with their ledgers, and a total."""
    home = tmp_path_factory.mktemp("fuzz")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "town": rng.choice(["Ulm", "Aix", "Bern"], 300),
            "age": rng.integers(0, 90, 300),
            "pay": np.round(rng.lognormal(3, 1, 300), 2),
            "day": (np.datetime64("2020-01-01") + rng.integers(0, 700, 300)).astype(str),
        }
    )
    frame.loc[7, "town"] = CANARY
    frame.to_csv(home / "t.csv", index=False)
    (home / "s.toml").write_text(
        'public_rows = 300\n[[columns]]\nname = "town"\nkind = "category"\ncategories = ["Aix", "Bern", "Ulm"]\n'
        '[[columns]]\nname = "age"\nkind = "integer"\nbounds = [0, 90]\n[[columns]]\nname = "pay"\nkind = "decimal"\n'
        'precision = 2\nbounds = [0, 1000]\n[[columns]]\nname = "day"\nkind = "datetime"\n'
        'bounds = ["2020-01-01", "2021-12-31"]\n'
    )
    sdv = {"METADATA_SPEC_VERSION": "V1", "columns": {c: {"sdtype": "categorical"} for c in frame.columns}}
    (home / "s.json").write_text(json.dumps(sdv))
    (home / "run.toml").write_text(f'data = "{home / "t.csv"}"\nepsilon = 1.0\nmodel = "independent"\noutput = "x"\n')
    set_total(home / "l", epsilon=30.0, delta=1e-5)
    for model in ("independent", "marginal"):
        arguments = ("fit", home / "t.csv", "-s", home / "s.toml", "-e", 8, "-m", model, "--ledger", home / "l", "-q")
        assert run([*map(str, arguments), "-o", str(home / f"{model}.synth")]) == 0
    return home


@pytest.fixture(scope="module", autouse=True)
def memory(home):
    """No example may blow up the process. Linux counts the peak in KiB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < GROWTH


def check(capsys, *arguments):
    """Run a command: a documented exit code, and one sentence where it failed."""
    capsys.readouterr()
    code = run([str(a) for a in arguments])
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert code in (0, 2, 3), text
    assert "Traceback" not in text
    assert "internal error" not in text
    assert CANARY not in text
    if code:
        said = [line for line in captured.err.splitlines() if line.startswith(("error: ", '{"error": '))]
        assert len(said) == 1, text
    return code


def artifact(home, tmp_path, rng, capsys):
    source = home / ("independent.synth", "marginal.synth")[int(rng.integers(2))]
    target = tmp_path / "m.synth"
    if rng.random() < 0.3:
        target.write_bytes(mangled(source.read_bytes(), rng))
    else:
        with zipfile.ZipFile(source) as file:
            members = {name: file.read(name) for name in file.namelist()}
        name = sorted(members)[int(rng.integers(len(members)))]
        plain = name.endswith(".json") and rng.random() < 0.7
        members[name] = json.dumps(damaged(json.loads(members[name]), rng)).encode() if plain else mangled(members[name], rng)
        if rng.random() < 0.1:
            members[("../../evil", "/tmp/evil", "manifest.json ")[int(rng.integers(3))]] = members.pop(name)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in members.items():
                file.writestr(name, content)
    check(capsys, "inspect", target, "--json")
    check(capsys, "inspect", target)
    check(capsys, "sample", target, "-n", 20, "-o", tmp_path / "out.csv", "-f", "-q")


def schema(home, tmp_path, rng, capsys):
    name = ("s.toml", "s.json")[int(rng.integers(2))]
    (tmp_path / name).write_bytes(mangled((home / name).read_bytes(), rng))
    check(capsys, "schema", "check", home / "t.csv", "-s", tmp_path / name, "--json")


def table(home, tmp_path, rng, capsys):
    content = mangled((home / "t.csv").read_bytes(), rng)
    (tmp_path / "t.csv").write_bytes(content)
    known = ("-s", home / "s.toml") if rng.random() < 0.5 else ()
    extra = ("-e", 1, "-m", "independent", "--ledger", tmp_path / "l", "-o", tmp_path / "m.synth", "-f", "-q")
    check(capsys, "fit", tmp_path / "t.csv", *known, *extra)


def run_file(home, tmp_path, rng, capsys):
    (tmp_path / "run.toml").write_bytes(mangled((home / "run.toml").read_bytes().replace(b"t.csv", b"none.csv"), rng))
    check(capsys, "fit", "--config", tmp_path / "run.toml", "-q", "-o", tmp_path / "m.synth")


def ledger(home, tmp_path, rng, capsys):
    """Bytes are changed, or a record is and the chain is made anew, as a forger would."""
    from synth.privacy.chain import append, read_ledger

    place = tmp_path / "l"
    place.unlink(missing_ok=True)
    if rng.random() < 0.4:
        place.write_bytes(mangled((home / "l").read_bytes(), rng))
    else:
        records = read_ledger(home / "l")
        at = int(rng.integers(len(records)))
        records[at] = {key: value for key, value in records[at].items() if key not in ("time", "previous")}
        changed = damaged(records[at], rng)
        records[at] = changed if isinstance(changed, dict) else {}
        for record in records:
            facts = {k: v for k, v in record.items() if k not in ("record", "run", "time", "previous")}
            append(place, record.get("run"), [(record.get("record"), facts)]) if _chainable(record) else None
    check(capsys, "budget", "show", place, "--json")
    check(capsys, "budget", "history", place)
    check(capsys, "fit", home / "none.csv", "-e", 1, "--ledger", place, "-o", tmp_path / "m", "-q")


def _chainable(record):
    return isinstance(record.get("run"), str) and isinstance(record.get("record"), str)


KINDS = (artifact, schema, table, run_file, ledger)
GATE = {artifact: 80, schema: 150, table: 30, run_file: 60, ledger: 40}
# ten thousand in all
LONG = {artifact: 3500, schema: 3000, table: 1000, run_file: 1000, ledger: 1500}
SEEDS = st.integers(0, 2**63)
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_hostile_files(kind, home, tmp_path, capsys):
    fuzz(kind, GATE[kind], home, tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_ten_thousand_hostile_files(kind, home, tmp_path, capsys):
    fuzz(kind, LONG[kind], home, tmp_path, capsys)


def fuzz(kind, examples, home, tmp_path, capsys):
    """Examples in a folder of their own, beside and above which nothing may appear."""
    place = tmp_path / "cage"
    place.mkdir()

    @settings(max_examples=examples, deadline=None, suppress_health_check=CHECKS, database=None, report_multiple_bugs=False)
    @given(SEEDS)
    def example(seed):
        kind(home, place, np.random.default_rng(seed), capsys)
        assert [p.name for p in tmp_path.iterdir()] == ["cage"]

    example()
    assert not [p.name for p in place.iterdir() if p.name.startswith(".")], "a temporary file was left"
