"""Artifacts: round trips, and hostile or damaged files end in ArtifactError."""

import contextlib
import json
import multiprocessing
import pickle
import re
import resource
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth import blocks
from synth.api import fit
from synth.conditions import Condition
from synth.constraints import Custom, FunctionalDependency, Inequality, Sum, register
from synth.encoding.reshape import broken
from synth.errors import ArtifactError, InputError, RefusedError
from synth.models.base import Run
from synth.models.independent import Independent
from synth.privacy.budget import Budget
from synth.privacy.ingest import open_frame
from synth.privacy.ledger import Ledger
from synth.privacy.prepare import prepare
from synth.progress import Silent
from synth.receipt import write_receipt
from synth.release import BLOCK, MEMBERS, Release, check_writable, dataset_seeds, load
from synth.schema import Column, Kind, Schema


@pytest.fixture(scope="module")
def release(frame, declared, keystream):
    book = Ledger(Budget(epsilon=2.0, delta=1e-5))
    table, codec = prepare(open_frame(frame, declared, book, entropy=keystream("release")), Silent())
    fitted = Independent().fit(table, Run())
    receipt = write_receipt(book, model="independent", learnt={})
    return Release(model="independent", options={}, codec=codec, fitted=fitted, receipt=receipt)


@pytest.fixture(scope="module")
def members(release, tmp_path_factory):
    path = release.save(tmp_path_factory.mktemp("m") / "m.synth")
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def write(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_round_trip_keeps_everything(release, tmp_path):
    again = load(release.save(tmp_path / "m.synth"))
    assert (again.model, again.options, again.schema, again.receipt) == (
        release.model,
        release.options,
        release.schema,
        release.receipt,
    )
    assert again.codec.to_list() == release.codec.to_list()
    assert np.array_equal(again.fitted.tensors["one_way"], release.fitted.tensors["one_way"])
    pd.testing.assert_frame_equal(again.sample(50, seed=1), load(tmp_path / "m.synth").sample(50, seed=1))
    release.save(tmp_path / "n.synth")
    assert (tmp_path / "n.synth").read_bytes() == (tmp_path / "m.synth").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.synth", "n.synth"]


def test_samples_have_the_schemas_types_and_first_rows_do_not_depend_on_their_number(release, frame):
    few, many = release.sample(7, seed=2), release.sample(20_000, seed=2)
    pd.testing.assert_frame_equal(few, many.iloc[:7])
    assert len(release.sample(seed=2)) == 400
    assert tuple(release.sample(0).columns) == tuple(frame.columns)
    assert sum(len(b) for b in release.sample_blocks(20_000, seed=2)) == 20_000
    with pytest.raises(InputError, match="must not be negative"):
        release.sample(-1)


@given(st.floats(0, 1, exclude_max=True))
def test_a_shortened_file_is_refused(release, tmp_path, share):
    path = release.save(tmp_path / "m.synth")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ArtifactError, match=r"m\.synth"):
        load(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda x: st.lists(x, max_size=2) | st.dictionaries(st.text(max_size=2), x, max_size=2),
)


def damaged(value, other, rng):
    """Replace or drop one value somewhere inside."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(sorted(value))
        if rng.random() < 0.2:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: damaged(value[key], other, rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = int(rng.integers(len(value)))
        return [*value[:at], damaged(value[at], other, rng), *value[at + 1 :]]
    return other


@pytest.mark.parametrize("name", [m for m in MEMBERS if m.endswith(".json")])
@given(JSON, st.integers(0, 10**9))
def test_damaged_json_is_refused_or_loads(members, tmp_path, name, other, seed):
    content = json.dumps(damaged(json.loads(members[name]), other, np.random.default_rng(seed)))
    with contextlib.suppress(ArtifactError):
        load(write(tmp_path / "m.synth", {**members, name: content}))


def manifest(members, **changes):
    return {**members, "manifest.json": json.dumps(json.loads(members["manifest.json"]) | changes)}


HOSTILE = {
    "extra member": lambda m: {**m, "extra.txt": "x"},
    "missing member": lambda m: {k: v for k, v in m.items() if k != "receipt.json"},
    "path": lambda m: {**m, "../evil": "x"},
    "pickle": lambda m: {**m, "weights.pkl": pickle.dumps([1])},
    "pickled weights": lambda m: {**m, "weights.safetensors": pickle.dumps([1])},
    "newer": lambda m: manifest(m, version=2),
    "other format": lambda m: manifest(m, format="x"),
    "no version": lambda m: manifest(m, version="1"),
    "other model": lambda m: manifest(m, model="os:system"),
    "other option": lambda m: manifest(m, options={"x": 1}),
    "no json": lambda m: {**m, "schema.json": b"\xff"},
    "deep json": lambda m: {**m, "encoders.json": "[" * 100_000},
    "list": lambda m: {**m, "manifest.json": "[]"},
    "not a number": lambda m: {**m, "receipt.json": re.sub(rb'"epsilon": [0-9.]+', b'"epsilon": NaN', m["receipt.json"])},
    "version 0": lambda m: manifest(m, version=0),
    "version true": lambda m: manifest(m, version=True),
    "endless sample": lambda m: {**m, "receipt.json": re.sub(rb'"rows": \d+', b'"rows": 1' + b"0" * 12, m["receipt.json"])},
}


@pytest.mark.parametrize("harm", HOSTILE)
def test_hostile_artifacts_are_refused(harm, members, tmp_path):
    with pytest.raises(ArtifactError, match=r"m\.synth") as caught:
        load(write(tmp_path / "m.synth", HOSTILE[harm](members)))
    assert ("newer synth" in str(caught.value)) == (harm == "newer")


def test_a_bomb_is_refused_before_it_is_unpacked(members, tmp_path, monkeypatch):
    monkeypatch.setattr("synth.release.MAX_JSON", 1 << 20)
    with pytest.raises(ArtifactError, match="unpacks to more"):
        load(write(tmp_path / "m.synth", {**members, "schema.json": b" " * (2 << 20)}))
    with pytest.raises(ArtifactError, match="unpacks to more"):
        load(write(tmp_path / "m.synth", {**members, "weights.safetensors": b" " * (64 << 20)}))


def test_other_packings_are_refused(members, tmp_path):
    with zipfile.ZipFile(tmp_path / "m.synth", "w", zipfile.ZIP_LZMA) as file:
        for name, content in members.items():
            file.writestr(name, content)
    with pytest.raises(ArtifactError, match="packed in a way"):
        load(tmp_path / "m.synth")


@pytest.mark.parametrize("notes", [None, 3, "text", {"a": "b"}, [1], ["text", None]])
def test_notes_that_are_no_texts_are_refused(members, tmp_path, notes):
    manifest = json.loads(members["manifest.json"])
    changed = json.dumps(manifest | {"facts": {**manifest["facts"], "notes": notes}})
    with pytest.raises(ArtifactError, match="not a synth model"):
        load(write(tmp_path / "m.synth", {**members, "manifest.json": changed}))


def test_older_versions_are_brought_up_step_by_step(members, tmp_path, monkeypatch):
    """Two steps: the first takes back what the second expects to be gone."""

    def first(texts):
        return texts | {"manifest.json": texts["manifest.json"] | {"model": texts["manifest.json"]["name"]}}

    def second(texts):
        return texts | {"manifest.json": texts["manifest.json"] | {"options": {}}}

    old = {key: value for key, value in json.loads(members["manifest.json"]).items() if key not in ("model", "options")}
    written = write(tmp_path / "m.synth", {**members, "manifest.json": json.dumps(old | {"name": "independent"})})
    with pytest.raises(ArtifactError):
        load(written)
    monkeypatch.setattr("synth.release.VERSION", 3)
    monkeypatch.setattr("synth.release.MIGRATIONS", {1: first, 2: second})
    assert load(written).model == "independent"


def test_parts_that_do_not_fit_together_are_said(release):
    from dataclasses import replace

    from synth.models.base import Fitted

    for tensors in ({}, {"one_way": np.ones(3)}):
        changed = replace(release, fitted=Fitted(tensors, {}))
        with pytest.raises(ArtifactError, match="do not fit together"):
            changed.sample(5, seed=1)
    age, *rest = release.codec.columns
    broken = replace(release, codec=replace(release.codec, columns=(replace(age, weights=()), *rest)))
    with pytest.raises(ArtifactError, match="do not fit together"):
        broken.sample(5, seed=1)


def test_what_is_no_zip_is_no_model(tmp_path):
    (tmp_path / "m.synth").write_bytes(b"PK\x03\x04 not really")
    for path in (tmp_path / "m.synth", tmp_path / "none.synth", tmp_path):
        with pytest.raises(ArtifactError):
            load(path)


def test_outputs_that_cannot_be_written_are_refused_early(release, tmp_path):
    (tmp_path / "there").write_text("old")
    for target, match in (
        (tmp_path, "is a directory"),
        (tmp_path / "no" / "m", "no folder"),
        (tmp_path / "there", "already exists"),
    ):
        with pytest.raises(InputError, match=match):
            release.save(target, force=False)
    assert (tmp_path / "there").read_text() == "old"
    release.save(tmp_path / "there")
    assert load(tmp_path / "there").receipt == release.receipt


def test_a_read_only_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("synth.atomic.os.access", lambda *_: False)
    with pytest.raises(InputError, match="cannot be written"):
        check_writable(tmp_path / "m", force=True)


def test_a_failed_save_leaves_nothing_behind(release, tmp_path, monkeypatch):
    def fails(*_):
        raise OSError("disk")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fails)
    with pytest.raises(OSError, match="disk"):
        release.save(tmp_path / "m.synth")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file_and_nothing_else(release, tmp_path):
    """A limit on file sizes acts like a full disk."""
    (tmp_path / "m.synth").write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            release.save(tmp_path / "m.synth")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def _save(release, path, times):
    for _ in range(times):
        release.save(path)


def test_processes_that_write_one_output_leave_a_whole_one(release, tmp_path):
    path, fork = tmp_path / "m.synth", multiprocessing.get_context("fork")
    whole = release.save(path).read_bytes()
    workers = [fork.Process(target=_save, args=(release, path, 20)) for _ in range(3)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        assert path.read_bytes() == whole
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert [p.name for p in tmp_path.iterdir()] == ["m.synth"]


@pytest.mark.slow
def test_flipped_bytes_give_an_artifact_error_or_a_sound_release(release, tmp_path):
    saved = release.save(tmp_path / "m.synth")
    rng = np.random.default_rng(0)
    whole = saved.read_bytes()
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[int(rng.integers(len(whole)))] ^= int(rng.integers(1, 256))
        saved.write_bytes(bytes(damaged))
        with contextlib.suppress(ArtifactError):
            load(saved)


def test_open_categories_that_named_nothing_are_told(release):
    from dataclasses import replace

    from synth.encoding.category import open_codec
    from synth.encoding.codec import Codec
    from synth.schema import Column, Kind, Schema

    column = Column(name="diagnosis", kind=Kind.CATEGORY)
    blind = replace(release, codec=Codec(Schema(columns=(column,)), (open_codec(column, ()),)))
    assert ["'diagnosis'" in note for note in blind.notes()] == [True]
    assert replace(blind, codec=Codec(Schema(columns=(column,)), (open_codec(column, ("a",)),))).notes() == []


def test_identifiers_are_never_read_and_come_out_anew():
    """The rows hold other identifiers; blocks join without a repetition; nothing is charged for them."""
    n = 400
    frame = pd.DataFrame({"key": [f"SECRET{i}" for i in range(n)], "a": [i % 3 for i in range(n)], "who": ["Ada"] * n})
    schema = Schema(
        columns=(
            Column(name="key", kind=Kind.IDENTIFIER, pattern=r"P\d{6}", unique=True),
            Column(name="a", kind=Kind.INTEGER, bounds=(0, 2), nullable=False),
            Column(name="who", kind=Kind.PII, faker="first_name"),
        ),
        public_rows=n,
    )
    release = fit(frame, epsilon=1.0, schema=schema, model="independent", seed=0)
    assert {name for event in release.receipt.events for name in event.get("target", ())} == {"a"}
    rows = release.sample(BLOCK + 10, seed=1)
    assert list(rows.columns) == ["key", "a", "who"]
    assert rows["key"].is_unique
    assert rows["key"].str.fullmatch(r"P\d{6}").all()
    assert rows["who"].nunique() > 100
    assert rows.head(50).equals(release.sample(50, seed=1))
    assert release.sample(0).dtypes.equals(rows.dtypes)


def test_what_cannot_be_learnt_is_refused_before_anything_is_spent():
    frame = pd.DataFrame({"a": ["1"], "note": ["x"]})
    number = Column(name="a", kind=Kind.INTEGER)
    for second, match in (
        (Column(name="note", kind=Kind.TEXT), "free text, which cannot be learnt"),
        (Column(name="note", kind=Kind.PII, faker="nope"), "no provider 'nope'"),
    ):
        with pytest.raises(InputError, match=match):
            fit(frame, epsilon=1.0, schema=Schema(columns=(number, second)))
    made = Column(name="note", kind=Kind.IDENTIFIER)
    with pytest.raises(InputError, match="nothing to learn"):
        fit(frame[["note"]], epsilon=1.0, schema=Schema(columns=(made,)))
    with pytest.raises(InputError, match="target 'note' is made anew"):
        fit(frame, epsilon=1.0, schema=Schema(columns=(number, made), target="note"))


def test_seeds_of_several_tables_are_apart_and_repeatable():
    assert dataset_seeds(3, 7) == dataset_seeds(5, 7)[:3]
    assert len({*dataset_seeds(100, 7), *dataset_seeds(100, 8), 7, 8}) == 202
    assert dataset_seeds(2, None) != dataset_seeds(2, None)


RULED = Schema(
    columns=(
        Column(name="low", kind=Kind.INTEGER, bounds=(0, 9)),
        Column(name="high", kind=Kind.INTEGER, bounds=(0, 20)),
        Column(name="both", kind=Kind.INTEGER),
        Column(name="icd", kind=Kind.CATEGORY, categories=("1", "2", "3"), nullable=False),
        Column(name="chapter", kind=Kind.CATEGORY, categories=("x", "y"), nullable=False),
        Column(name="key", kind=Kind.IDENTIFIER, nullable=False),
    ),
    target="chapter",
    public_rows=600,
    constraints=(
        Inequality(low="low", high="high"),
        Sum(total="both", parts=("low", "high")),
        FunctionalDependency(column="icd", to="chapter", mapping={"1": "x", "2": "y", "3": "x"}),
        Custom(name="test_release odd"),
    ),
)


@pytest.fixture(scope="module")
def ruled(keystream):
    register("test_release odd", lambda rows: (rows["low"] % 2 == 1).fillna(False))
    rng = np.random.default_rng(0)
    low, icd = rng.integers(0, 12, 600), rng.choice(["1", "2", "3"], 600)
    frame = pd.DataFrame(
        {"low": low, "high": rng.integers(0, 25, 600), "both": -7, "icd": icd, "chapter": "y", "key": "secret"}
    )
    book = Ledger(Budget(epsilon=4.0, delta=1e-5))
    table, codec = prepare(open_frame(frame, RULED, book, entropy=keystream("ruled")), Silent())
    receipt = write_receipt(book, model="independent", learnt={})
    fitted = Independent().fit(table, Run())
    return Release(model="independent", options={}, codec=codec, fitted=fitted, receipt=receipt)


def test_constraints_hold_in_every_row_of_every_kind_of_sample(ruled, tmp_path):
    where = ("chapter=x", "high>=8", "both<20", "low>=3")
    known = pd.DataFrame({"low": [1, 5], "high": [3, 20], "key": ["A", "B"]})
    samples = {
        "plain": ruled.sample(500, seed=1),
        "loaded": load(ruled.save(tmp_path / "m.synth")).sample(500, seed=1),
        "conditions": ruled.sample_from_conditions([Condition(num_rows=300, where=where)], seed=2),
        "known": ruled.sample_remaining_columns(known, seed=3),
    }
    for rows in samples.values():
        assert list(rows.columns) == list(RULED.names)
        assert not any(flags.any() for flags in broken(rows, RULED).values())
        assert rows["key"].nunique() == len(rows)
        assert not rows["key"].eq("secret").any()
    assert samples["plain"].equals(samples["loaded"])
    rows = samples["conditions"]
    assert (rows["chapter"] == "x").all()
    assert (rows["high"] >= 8).all()
    assert (rows["both"] < 20).all()
    assert (rows["low"] >= 3).all()
    assert samples["known"][["low", "high", "both"]].to_numpy().tolist() == [[1, 3, 4], [5, 20, 25]]
    assert samples["known"]["key"].tolist() == ["A", "B"]


def test_given_rows_that_no_rule_allows_are_refused(ruled):
    with pytest.raises(RefusedError, match="custom constraints"):
        ruled.sample_remaining_columns(pd.DataFrame({"low": [2]}), seed=0)
    with pytest.raises(InputError, match="no value leads there"):
        ruled.sample_from_conditions([Condition(where=("chapter=x", "icd=2"))])


PERSONS = Schema(
    columns=(
        Column(name="sex", kind=Kind.CATEGORY, categories=("f", "m"), constant_per_entity=True),
        Column(name="card", kind=Kind.PII, faker="name", constant_per_entity=True),
        Column(name="who", kind=Kind.INTEGER, bounds=(500, 9999)),
        Column(name="visit", kind=Kind.INTEGER, bounds=(0, 99)),
    ),
    entity="who", max_rows_per_entity=4, public_entities=1500,
)  # fmt: skip


@pytest.fixture(scope="module")
def persons():
    rng = np.random.default_rng(5)
    who = np.repeat(np.arange(1500), rng.choice([1, 2, 3, 7], 1500))
    rows = pd.DataFrame(
        {"sex": np.where(who % 3, "f", "m"), "card": "REAL", "who": who, "visit": rng.integers(0, 100, len(who))}
    )
    return fit(rows, epsilon=3.0, delta=1e-5, schema=PERSONS, model="independent")


def test_persons_come_whole_with_new_keys_and_one_value_of_each_constant(persons):
    rows = persons.sample(seed=1)
    assert list(rows.columns) == list(PERSONS.names)
    assert (persons.schema.entity, persons.schema.max_rows_per_entity) == ("who", 4)
    assert rows["who"].nunique() == 1500
    assert set(rows["who"]) == set(range(500, 2000))
    per_person = rows.groupby("who").agg(["nunique", "size"])
    assert per_person[("sex", "nunique")].max() == per_person[("card", "nunique")].max() == 1
    assert per_person[("visit", "nunique")].max() > 1
    sizes = np.bincount(per_person[("sex", "size")], minlength=5) / 1500
    assert np.abs(sizes - [0, 0.25, 0.25, 0.25, 0.25]).max() < 0.05
    assert "REAL" not in set(rows["card"])
    assert rows["who"].dtype == "int64"


def test_rows_or_persons_are_counted_and_the_first_do_not_depend_on_how_many(persons):
    rows = persons.sample(seed=1)
    few = persons.sample(70, seed=1)
    assert len(few) == 70
    pd.testing.assert_frame_equal(few, rows.head(70))
    ten = persons.sample(num_entities=10, seed=1)
    assert ten["who"].nunique() == 10
    pd.testing.assert_frame_equal(ten, rows.head(len(ten)))
    many = persons.sample(num_entities=2 * BLOCK, seed=1)
    assert many["who"].nunique() == 2 * BLOCK
    assert many["who"].is_monotonic_increasing
    for none in (persons.sample(0), persons.sample(num_entities=0)):
        assert len(none) == 0
        assert none.dtypes.equals(rows.dtypes)
    with pytest.raises(InputError, match="number of entities must not be negative"):
        persons.sample(num_entities=-1)


def test_a_saved_release_of_persons_draws_the_same_persons(persons, tmp_path):
    again = load(persons.save(tmp_path / "p.synth"))
    pd.testing.assert_frame_equal(again.sample(50, seed=2), persons.sample(50, seed=2))
    assert again.receipt.unit == "who"


def test_rows_are_no_persons(release):
    with pytest.raises(InputError, match="without an entity"):
        release.sample(num_entities=3)


def test_notebooks_show_the_card_and_a_figure(release):
    assert "<html" in release._repr_html_()
    assert "epsilon" in release._repr_html_()
    assert len(release.figure(50).data) == len(release.schema.read_columns)


def test_rows_of_persons_keep_constraints():
    rng = np.random.default_rng(0)
    person, low = rng.integers(0, 500, 1500), rng.integers(0, 10, 1500)
    frame = pd.DataFrame({"person": person, "sex": person % 2, "low": low, "high": low + rng.integers(0, 5, 1500)})
    schema = Schema(
        columns=(
            Column(name="person", kind=Kind.IDENTIFIER, nullable=False),
            Column(name="sex", kind=Kind.CATEGORY, categories=("0", "1"), nullable=False, constant_per_entity=True),
            *RULED.columns[:2],
        ),
        entity="person",
        max_rows_per_entity=3,
        constraints=(Inequality(low="low", high="high"),),
    )
    rows = fit(frame, schema=schema, epsilon=5.0, model="independent").sample(400, seed=0)
    assert not any(flags.any() for flags in broken(rows, schema).values())
    assert rows.groupby("person")["sex"].nunique().max() == 1


def test_rows_do_not_depend_on_the_threads_that_draw_them(monkeypatch, release):
    monkeypatch.setattr(blocks, "BLOCK", 50)
    monkeypatch.setattr(blocks, "MANY_ROWS", 90)
    one, three = (pd.concat(release.sample_blocks(600, seed=3, workers=w), ignore_index=True) for w in (1, 3))
    assert len(one) == 600
    pd.testing.assert_frame_equal(one, three)
    pd.testing.assert_frame_equal(one[:230], release.sample(230, seed=3))
