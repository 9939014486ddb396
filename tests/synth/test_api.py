"""End to end: canaries stay inside, noise is fresh, interruptions are recorded."""

import logging
import os
import zipfile

import numpy as np
import pandas as pd
import pytest

from synth.api import fit, learnt_facts, load, read_schema
from synth.errors import InputError, RefusedError, SchemaError
from synth.models.independent import Independent
from synth.privacy.chain import read_ledger
from synth.privacy.frame import PrivateFrame
from synth.privacy.keyed import write_noise_key
from synth.privacy.ledger import set_total
from synth.schema import Column, Kind, Schema, undeclared
from synth.schema_toml import schema_to_toml

CANARIES = ("987654321.125", "9.87654321125", "ZZZ-CANARY", "2019-03-07", "1e300", "1e+300", "1.0e300", "1" + "0" * 30)


class Recorder:
    def __init__(self):
        self.said = []

    def phase(self, name, total=None):
        self.said += [name, total]

    def advance(self, steps=1):
        self.said.append(steps)

    def spent(self, epsilon):
        self.said.append(epsilon)


def rows(n=1500):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "amount": np.round(rng.lognormal(3, 1, n), 2).astype(str),
            "town": rng.choice(["Ulm", "Aix"], n),
            "day": (np.datetime64("2020-01-01") + rng.integers(0, 700, n)).astype(str),
            "big": rng.integers(0, 50, n).astype(str),
        }
    ).astype(object)
    frame.loc[17] = ["987654321.125", "ZZZ-CANARY", "2019-03-07", "1e300"]
    return frame


DECLARED = Schema(
    columns=(
        Column(name="amount", kind=Kind.DECIMAL, precision=2, bounds=(0, 1000)),
        Column(name="town", kind=Kind.CATEGORY, categories=("Aix", "Ulm")),
        Column(name="day", kind=Kind.DATETIME, bounds=("2020-01-01", "2021-12-31")),
        Column(name="big", kind=Kind.INTEGER, bounds=(0, 50)),
    ),
    public_rows=1500,
)


@pytest.mark.parametrize("schema", [None, DECLARED], ids=["undeclared", "declared"])
def test_canaries_reach_no_output(schema, tmp_path, caplog, capfd):
    recorder = Recorder()
    with caplog.at_level(logging.DEBUG):
        release = fit(rows(), epsilon=3.0, schema=schema, model="independent", ledger=tmp_path / "l", progress=recorder)
    release.save(tmp_path / "m.synth")
    with zipfile.ZipFile(tmp_path / "m.synth") as file:
        outputs = [file.read(name) for name in file.namelist()]
    out, err = capfd.readouterr()
    texts = [
        repr(release),
        str(release.receipt),
        str(recorder.said),
        caplog.text,
        out,
        err,
        str(release.sample(5000, seed=1).to_dict()),
    ]
    everything = b"\n".join(
        [*outputs, (tmp_path / "l").read_bytes(), (tmp_path / "m.synth").read_bytes(), *(t.encode() for t in texts)]
    )
    for canary in CANARIES[:3] + CANARIES[4:]:
        assert canary.encode() not in everything
    assert np.float64(987654321.125).tobytes() not in everything
    if schema is not None:  # noise may call columns that are not declared something else, and see values where none are
        sample = release.sample(5000, seed=1)
        assert pd.to_numeric(sample["big"]).max() <= 50
        assert (pd.to_datetime(sample["day"]).dropna() >= pd.Timestamp("2020-01-01")).all()
    assert 1500 not in recorder.said
    assert not any("1500" in said for said in recorder.said if isinstance(said, str))
    assert (out, err) == ("", "")


BAD = {
    "header": ({}, {"schema": undeclared(("amount", "town"))}),
    "epsilon": ({}, {"epsilon": 0.0}),
    "delta": ({}, {"delta": 1e-3}),
    "tiny budget": ({}, {"epsilon": 1e-4}),
    "model": ({}, {"model": "nope"}),
    "option": ({}, {"options": {"x": 1}}),
    "schema file": ({}, {"schema": "none.toml"}),
    "data type": ([["ZZZ-CANARY"]], {}),
    "data file": ("ZZZ.csv", {}),
    "ledger": ({}, {"ledger": "/nowhere/at/all"}),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_name_no_value(case, monkeypatch):
    data, options = BAD[case]
    if case == "tiny budget":
        monkeypatch.setattr(PrivateFrame, "noisy_row_count", lambda self, *, sigma: 0.0)  # what noise makes of them, mostly
    with pytest.raises((InputError, RefusedError)) as caught:
        fit(rows() if isinstance(data, dict) else data, **({"epsilon": 1.0, "model": "independent"} | options))
    assert not any(canary in str(caught.value) for canary in CANARIES)


def test_an_empty_table_is_refused():
    """Noise of two standard deviations hides it in 2.3 % of all fits; in four fits out of four with a chance of 3e-7."""

    def refused():
        try:
            fit(pd.DataFrame({"a": []}), epsilon=1.0, model="independent")
        except RefusedError as error:
            return "too few rows" in str(error)
        return False

    assert any(refused() for _ in range(4))


def test_a_file_fits_like_its_frame(tmp_path):
    rows().to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "s.toml").write_text(schema_to_toml(DECLARED))
    release = fit(tmp_path / "a.csv", epsilon=1.0, schema=tmp_path / "s.toml", model="independent", ledger=tmp_path / "l")
    records = read_ledger(tmp_path / "l")
    assert records[-1]["outcome"] == "done"
    assert [r["record"] for r in records].count("event") == len(release.receipt.events)
    assert release.schema == DECLARED
    assert release.receipt.learnt == {}
    assert 0.99 < release.receipt.epsilon_spent <= 1.0
    with pytest.raises(InputError, match="no file"):
        fit(tmp_path / "none.csv", epsilon=1.0)


def test_equal_seeds_do_not_mean_equal_noise():
    first, second = (
        fit(rows(), epsilon=1.0, schema=DECLARED, model="independent", seed=3).fitted.tensors["one_way"] for _ in range(2)
    )
    assert first.tobytes() != second.tobytes()


def test_all_noise_is_drawn_from_the_operating_system(monkeypatch):
    drawn, real = [], os.urandom
    monkeypatch.setattr(os, "urandom", lambda n: drawn.append(n) or real(n))
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the legacy generator must stay untouched
    release = fit(rows(), epsilon=1.0, schema=DECLARED, model="independent", seed=3)
    assert sum(drawn) >= 8 * release.codec.domain.width
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_the_holder_of_a_noise_key_repeats_a_fit_and_nobody_else(tmp_path):
    """Also with DP-SGD; another seed, delta or table gets other noise, and the key is written nowhere."""
    write_noise_key(tmp_path / "k")
    secret = (tmp_path / "k").read_text().strip()
    small = {"warm_start": False, "steps": 3, "batch_size": 64}
    common = {"epsilon": 3.0, "schema": DECLARED, "model": "dpvae", "options": small, "noise_key": tmp_path / "k"}
    made = []
    for n, change in enumerate(({}, {}, {"seed": 1}, {"seed": 2}, {"delta": 1e-6}, {"ledger": tmp_path / "l2"})):
        set_total(tmp_path / "l2", epsilon=50, delta=2e-6)
        release = fit(rows(), **(common | {"ledger": tmp_path / "l"} | change))
        made.append(release.save(tmp_path / f"m{n}").read_bytes())
        assert "holder of a 256-bit key" in release.receipt.noise_grade
    assert made[0] == made[1]
    assert len(set(made)) == 5
    changed = fit(rows().iloc[1:], **common).save(tmp_path / "m9").read_bytes()
    assert changed not in made
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        if path.name != "k":
            assert secret.encode() not in content
            assert bytes.fromhex(secret) not in content
    with zipfile.ZipFile(tmp_path / "m0") as file:
        members = b"".join(file.read(name) for name in file.namelist())
    assert secret.encode() not in members
    assert bytes.fromhex(secret) not in members


def test_interruptions_keep_their_charges(tmp_path, monkeypatch):
    def stops(self, data, run):
        data.noisy_marginals([("town",)], share=0.2)
        raise KeyboardInterrupt

    monkeypatch.setattr(Independent, "fit", stops)
    with pytest.raises(KeyboardInterrupt):
        fit(rows(), epsilon=1.0, schema=DECLARED, model="independent", ledger=tmp_path / "l")
    records = read_ledger(tmp_path / "l")
    assert records[-1]["outcome"] == "interrupted"
    assert records[-2]["target"] == ["town"]


@pytest.mark.parametrize(
    ("error", "outcome"), [(RefusedError("r"), "refused"), (InputError("i"), "failed"), (ValueError("v"), "failed")]
)
def test_failures_are_closed_with_their_outcome(error, outcome, tmp_path, monkeypatch):
    def fails(self, data, run):
        raise error

    monkeypatch.setattr(Independent, "fit", fails)
    with pytest.raises(type(error)):
        fit(rows(), epsilon=1.0, schema=DECLARED, model="independent", ledger=tmp_path / "l")
    assert read_ledger(tmp_path / "l")[-1]["outcome"] == outcome


def test_learnt_facts_are_listed():
    before = undeclared(("a", "b", "c"))
    after = Schema(
        columns=(
            Column(name="a", kind=Kind.DECIMAL, bounds=(0, 1), precision=1),
            Column(name="b", kind=Kind.CATEGORY),
            Column(name="c"),
        )
    )
    assert learnt_facts(before, after) == {"a": ["kind", "bounds", "precision"], "b": ["kind", "categories"]}


def test_schemas_are_read_by_suffix(tmp_path):
    (tmp_path / "m.json").write_text(
        '{"METADATA_SPEC_VERSION": "V1", "tables": {"t": {"columns": {"a": {"sdtype": "boolean"}}}}}'
    )
    assert read_schema(tmp_path / "m.json").columns[0].kind is Kind.BOOLEAN
    with pytest.raises(SchemaError):
        read_schema(tmp_path / "none.toml")
    assert load.__module__ == "synth.release"


def test_a_model_whose_extra_is_missing_is_refused_before_any_row_is_read(monkeypatch):
    monkeypatch.setattr("synth.registry.importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="synth-dp"):
        fit("no such file.csv", epsilon=1.0, model="aim")


def test_a_person_is_what_the_receipt_promises_to_protect(tmp_path):
    rows = pd.DataFrame({"who": [f"p{i % 300}" for i in range(900)], "x": ["u", "v", "v"] * 300})
    schema = Schema(columns=(Column(name="who"), Column(name="x", kind=Kind.CATEGORY, categories=("u", "v"))), entity="who")
    book = tmp_path / "book"
    release = fit(rows, epsilon=2.0, schema=schema, model="independent", ledger=book)
    receipt = release.receipt
    assert (receipt.unit, receipt.adjacency, receipt.group_epsilon) == ("who", "add or remove all rows of one who", {})
    assert "all rows with one value of who" in receipt.limits[0]
    assert abs(receipt.rows - 300) < 150
    with pytest.raises(InputError, match="another unit than one row"):
        fit(rows, epsilon=2.0, model="independent", ledger=book)
    assert fit(rows, epsilon=2.0, schema=schema, model="independent", ledger=book).receipt.unit == "who"


def test_a_noise_key_is_for_one_process(monkeypatch, tmp_path):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("synth.privacy.workers.join", object)
    write_noise_key(tmp_path / "key")
    with pytest.raises(InputError, match="one process"):
        fit(rows(), epsilon=1.0, schema=DECLARED, model="independent", noise_key=tmp_path / "key")


def test_a_frame_in_several_processes_is_refused_unless_its_rows_are_its_own(monkeypatch):
    """Each would add the same rows, so that one row would count as often as there are processes."""

    class Crew:
        leads = True

    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("synth.privacy.workers.join", Crew)
    with pytest.raises(InputError, match="own_rows"):
        fit(rows(), epsilon=1.0, schema=DECLARED, model="independent")
    persons = Schema(columns=DECLARED.columns, entity="town", max_rows_per_entity=3)
    with pytest.raises(InputError, match="rows of one entity must lie in one process"):
        fit(rows(), epsilon=1.0, schema=persons, model="independent", own_rows=True)


def test_two_processes_fit_their_rows_to_one_release(tmp_path, monkeypatch):
    """Worker 1 is a fork that holds the other half of the rows; both get the same release, one ledger is written."""
    import torch.distributed as dist

    path, store = tmp_path / "t.csv", tmp_path / "store"
    rows().to_csv(path, index=False)

    def work(rank):
        dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
        try:
            ledger = tmp_path / f"ledger{rank}"
            return fit(path, epsilon=2.0, schema=DECLARED, model="independent", ledger=ledger).sample(500, seed=1)
        finally:
            dist.destroy_process_group()

    child = os.fork()
    if child == 0:
        try:
            work(1).to_csv(tmp_path / "theirs.csv", index=False)
        finally:
            os._exit(0)
    work(0).to_csv(tmp_path / "mine.csv", index=False)
    os.waitpid(child, 0)
    assert (tmp_path / "mine.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()
    assert read_ledger(tmp_path / "ledger0")[-1]["outcome"] == "done"
    assert not (tmp_path / "ledger1").exists()
