"""Messy tables through fit and sample: every type comes back, whatever the rows hold, also where there are next to none."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synth.api import fit
from synth.blocks import BLOCK
from synth.encoding.values import numbers
from synth.errors import RefusedError
from synth.privacy.ingest import load_table
from synth.reading.text import LIKELY  # a single column with one of these in its name is refused, and said so
from synth.release import load
from synth.schema import Column, Kind, Outside, Schema
from synth.writer import write_rows

N = 600


def nasty(n=N):
    """A column of every kind, with the mess that comes with it."""
    rng = np.random.default_rng(3)
    gaps = rng.random(n) < 0.2
    day = dt.date(2019, 12, 25)
    stamps = [dt.datetime(2020, 3, 28, 23) + dt.timedelta(minutes=17 * int(i)) for i in rng.integers(0, 5000, n)]
    columns = {
        "Ärzte 医": pa.array(rng.integers(-128, 128, n), pa.int8(), mask=gaps),
        "u64": pa.array(rng.integers(0, 2**40, n), pa.uint64()),
        "f32": pa.array(rng.normal(size=n).astype(np.float32), mask=gaps),
        "zero inflated": pa.array(np.where(rng.random(n) < 0.7, 0.0, rng.lognormal(3, 2, n))),
        "money": pa.array([Decimal(int(v)) / 100 for v in rng.integers(0, 10**6, n)], pa.decimal128(9, 2)),
        "flag": pa.array(rng.random(n) < 0.3, mask=gaps),
        "code": pa.array([f"00{i % 3}" for i in range(n)]),
        "shop": pa.array(rng.choice(["a,b", 'say "x"', "new\nline"], n)).dictionary_encode(),
        "grade": pa.array(rng.choice(["low", "high"], n)),
        "level": pa.array([f"{v}" for v in rng.integers(1, 9, n)], mask=gaps).dictionary_encode(),
        "day": pa.array([day + dt.timedelta(days=int(i)) for i in rng.integers(0, 700, n)], mask=gaps),
        "berlin": pa.array(stamps, pa.timestamp("ms", tz="Europe/Berlin")),
        "naive": pa.array(stamps, pa.timestamp("ns")),
        "clock": pa.array([dt.time(int(h), 30) for h in rng.integers(0, 24, n)], pa.time32("ms")),
        "stay": pa.array([dt.timedelta(hours=int(h)) for h in rng.integers(0, 99, n)], pa.duration("us"), mask=gaps),
        "one": pa.array(["only"] * n),
        "all gone": pa.nulls(n, pa.float32()),
        "key": pa.array([f"SECRET{i:06d}" for i in range(n)]),
        "who": pa.array(["Ada Lovelace"] * n),
        "visit": pa.array(range(n), pa.int32()),
    }
    return pa.table(columns)


def declared(table):
    facts = {
        "code": {"kind": Kind.CATEGORY, "categories": ("000", "001", "002")},
        "grade": {"kind": Kind.ORDINAL, "categories": ("low", "high")},
        "level": {"kind": Kind.INTEGER, "bounds": (1, 8)},
        "one": {"kind": Kind.CATEGORY, "categories": ("only",), "nullable": False},
        "all gone": {"kind": Kind.FLOAT, "bounds": (0.0, 1.0)},
        "key": {"kind": Kind.IDENTIFIER, "pattern": r"K\d{6}", "unique": True},
        "who": {"kind": Kind.PII, "faker": "name"},
        "visit": {"kind": Kind.IDENTIFIER},
        "shop": {"kind": Kind.CATEGORY},
    }
    return Schema(columns=tuple(Column(name=n, **facts.get(n, {})) for n in table.schema.names), public_rows=len(table))


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    table = nasty()
    made = fit(table, epsilon=20.0, delta=1e-6, schema=declared(table), model="independent", seed=0)
    return load(made.save(tmp_path_factory.mktemp("nasty") / "m.synth"))


def test_every_type_comes_back_in_parquet(release, tmp_path):
    write_rows(release.sample_blocks(50, seed=1), release, tmp_path / "a.parquet", force=False)
    found = load_table(tmp_path / "a.parquet")
    before = load_table(nasty())
    assert found.dtypes == before.dtypes
    assert list(found.frame.columns) == list(before.frame.columns)


def test_frames_look_as_pandas_reads_the_parquet_file(release, tmp_path):
    write_rows(release.sample_blocks(500, seed=1), release, tmp_path / "a.parquet", force=False)
    rows, read = release.sample(500, seed=1), pd.read_parquet(tmp_path / "a.parquet")
    for name in rows:
        assert rows[name].isna().tolist() == read[name].isna().tolist(), name
        if not rows[name].isna().any():
            assert str(rows[name].dtype).lower() == str(read[name].dtype).lower(), name  # Int8 where gaps are possible


def check_same_files(release, rows, folder, suffixes=(".parquet", ".csv", ".jsonl", ".arrow")):
    """Cells that no frame was made of are written as those of frames."""
    for suffix in suffixes:
        framed, placed = folder / f"framed{suffix}", folder / f"placed{suffix}"
        write_rows(release.sample_blocks(rows, seed=4), release, framed, force=True)
        write_rows(release.cell_blocks(rows, seed=4, workers=2), release, placed, force=True)
        if suffix == ".parquet":
            one, other = pyarrow.parquet.read_table(framed), pyarrow.parquet.read_table(placed)
            assert one.schema.equals(other.schema, check_metadata=True)
        elif suffix == ".arrow":
            one, other = (pa.ipc.open_file(path).read_all() for path in (framed, placed))
        else:
            one, other = framed.read_bytes(), placed.read_bytes()
        if suffix in (".parquet", ".arrow"):
            one, other = ([repr(c.to_pylist()) for c in table.columns] for table in (one, other))
        assert one == other


def test_rows_are_the_same_with_and_without_frames(release, tmp_path):
    check_same_files(release, BLOCK + 50, tmp_path)
    check_same_files(release, 0, tmp_path, (".parquet", ".csv"))


def test_values_stay_what_they_were(release):
    rows = release.sample(2000, seed=2)
    assert rows["one"].eq("only").all()
    assert set(rows["code"].dropna()) <= {"000", "001", "002"}
    assert 0.6 < (rows["zero inflated"] == 0).mean() < 0.8
    assert rows["money"].dropna().map(lambda v: -v.as_tuple().exponent).eq(2).all()
    assert rows["Ärzte 医"].dropna().between(-128, 127).all()
    assert 0.1 < rows["day"].isna().mean() < 0.3
    assert rows["clock"].map(lambda t: t.second if t is not None else 0).max() <= 59
    assert rows["key"].is_unique
    assert rows["key"].str.fullmatch(r"K\d{6}").all()
    assert rows["visit"].tolist() == list(range(1, 2001))
    assert "Ada Lovelace" not in set(rows["who"].head(20)) or rows["who"].nunique() > 100
    assert not rows.astype(str).apply(lambda c: c.str.contains("SECRET")).to_numpy().any()


def test_csv_reads_back_as_the_same_values(release, tmp_path):
    write_rows(release.sample_blocks(300, seed=1), release, tmp_path / "a.csv", force=False)
    rows, read = release.sample(300, seed=1), load_table(tmp_path / "a.csv").frame
    for column in release.schema.modelled:
        if column.kind.is_numeric:
            mine, texts = (numbers(f[column.name], column, ("",)) for f in (rows, read))
            np.testing.assert_allclose(texts, mine, rtol=1e-7, err_msg=column.name)


WIDTHS = [f"{u}int{b}" for u in ("", "u") for b in (8, 16, 32, 64)]
DTYPES = st.sampled_from(
    [
        *WIDTHS, "Int8", "UInt16", "Int64", "int32[pyarrow]", "float32", "float64", "Float32", "double[pyarrow]", "bool",
        "boolean", "category", "string", "datetime64[ns]", "datetime64[us, Europe/Berlin]", "timedelta64[s]",
        "timestamp[ms][pyarrow]",
    ]
)  # fmt: skip
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(lambda t: t.strip() == t)


@st.composite
def frames(draw):
    rows = draw(st.sampled_from([0, 1, 2, 3, 40]))
    names = draw(
        st.lists(NAMES, min_size=1, max_size=4, unique=True).filter(lambda n: len(n) > 1 or not set(LIKELY) & set(n[0]))
    )
    data = {}
    for name in names:
        dtype, rate = draw(DTYPES), draw(st.sampled_from([0.0, 0.3, 1.0]))
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        values = pd.Series(rng.integers(0, 100, rows))
        if dtype in ("bool", "boolean"):
            values = values % 2 == 1
        elif dtype in ("category", "string"):
            values = values.astype(str)
        elif "[" in dtype and not dtype.startswith(("int", "double")):
            values = (
                pd.to_datetime(values, unit="D")
                if "time" in dtype and "delta" not in dtype
                else pd.to_timedelta(values, unit="D")
            )
            values = values.dt.tz_localize("Europe/Berlin") if "Berlin" in dtype else values
        column = values.astype(dtype)
        if not (dtype in WIDTHS or dtype == "bool"):
            column = column.mask(pd.Series(rng.random(rows) < rate, dtype=bool))
        data[name] = column
    return pd.DataFrame(data)


def check_any_mix(frame, tmp_path):
    schema = Schema(columns=tuple(Column(name=str(n)) for n in frame.columns), public_rows=max(len(frame), 1))
    try:
        release = fit(frame, epsilon=1.0, delta=1e-6, schema=schema, model="independent", seed=0)
    except RefusedError:
        return
    for n_rows in (0, 1, 7):
        rows = release.sample(n_rows, seed=0)
        assert len(rows) == n_rows
        wanted = [("category" if str(t) == "category" else str(t)) for t in frame.dtypes]
        assert [str(t) for t in rows.dtypes] == wanted
    for name in ("a.csv", "a.parquet"):
        write_rows(release.sample_blocks(7, seed=0), release, tmp_path / name, force=True)
        again = load_table(tmp_path / name).frame
        assert (len(again), [str(n) for n in again.columns]) == (7, [str(n) for n in frame.columns])
    check_same_files(release, 7, tmp_path, (".parquet", ".csv"))


RELAXED = {
    "deadline": None, "database": None, "derandomize": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
}  # fmt: skip


@settings(max_examples=12, **RELAXED)
@given(frames())
def test_any_mix_of_types_comes_back(tmp_path, frame):
    check_any_mix(frame, tmp_path)


@pytest.mark.slow
@settings(max_examples=300, **RELAXED)
@given(frames())
def test_any_mix_of_types_comes_back_deep(tmp_path, frame):
    check_any_mix(frame, tmp_path)


def test_a_named_index_comes_back():
    index = pd.MultiIndex.from_arrays([np.arange(300) % 4, pd.Series(["a", "b"] * 150)], names=["ward", "arm"])
    frame = pd.DataFrame({"x": np.arange(300.0)}, index=index)
    rows = fit(frame, epsilon=5.0, model="independent", seed=0).sample(20, seed=0)
    assert rows.index.names == ["ward", "arm"]
    assert str(rows.index.dtypes["ward"]) == "int64"
    assert list(rows.columns) == ["x"]
    assert fit(frame.reset_index(drop=True), epsilon=5.0, model="independent").sample(3).index.tolist() == [0, 1, 2]


def test_codes_in_number_columns_stay_numbers():
    frame = pd.DataFrame({"code": np.arange(500, dtype="int16") % 5, "y": np.arange(500) % 2 == 0})
    columns = (Column(name="code", kind=Kind.CATEGORY, outside=Outside.NULL), Column(name="y"))
    rows = fit(frame, epsilon=5.0, schema=Schema(columns=columns, public_rows=500), model="independent").sample(50)
    assert str(rows["code"].dtype) in ("int16", "Int16")
    assert set(rows["code"].dropna()) <= {0, 1, 2, 3, 4}
