"""What the types of a table declare."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from synth.errors import InputError, SchemaError
from synth.kinds import Kind, Outside
from synth.privacy.ingest import load_table
from synth.reading.frames import with_storage
from synth.schema import Column, Schema, undeclared

TABLE = pa.table(
    {
        "i": pa.array([1], pa.uint8()),
        "f": pa.array([1.5], pa.float32()),
        "b": pa.array([True]),
        "s": pa.array(["x"]),
        "l": pa.array(["x"], pa.large_string()),
        "c": pa.array(["x"]).dictionary_encode(),
        "k": pa.array([3], pa.int64()).dictionary_encode(),
        "d": pa.array([Decimal("1.50")], pa.decimal128(6, 2)),
        "day": pa.array([dt.date(2020, 1, 31)]),
        "t": pa.array([dt.time(8)], pa.time64("us")),
        "z": pa.array([dt.datetime(2020, 1, 31)], pa.timestamp("ms", tz="Europe/Berlin")),
        "p": pa.array([dt.timedelta(1)], pa.duration("s")),
    }
)


def test_arrow_types_declare_kinds_and_are_kept():
    loaded = load_table(TABLE)
    schema = with_storage(undeclared(tuple(TABLE.schema.names)), loaded)
    assert {c.name: (c.kind, c.dtype) for c in schema.columns} == {
        "i": (Kind.INTEGER, "uint8"),
        "f": (None, "float"),
        "b": (Kind.BOOLEAN, "bool"),
        "s": (None, "text"),
        "l": (None, "large_string"),
        "c": (Kind.CATEGORY, "category"),
        "k": (Kind.CATEGORY, "category[int64]"),
        "d": (Kind.DECIMAL, "decimal128(6, 2)"),
        "day": (Kind.DATETIME, "date32[day]"),
        "t": (Kind.TIME, "time64[us]"),
        "z": (Kind.DATETIME, "timestamp[ms, tz=Europe/Berlin]"),
        "p": (Kind.DURATION, "duration[s]"),
    }
    assert schema["d"].precision == 2


def test_pandas_types_and_the_named_index():
    frame = pd.DataFrame(
        {
            "n": np.array([1, 2], dtype="int32"),
            "m": pd.array([1, None], dtype="Int8"),
            "o": ["a", None],
            "c": pd.Categorical([1, 2]),
            "z": pd.to_datetime(["2020-01-01"] * 2).tz_localize("UTC"),
        },
        index=pd.Index(["u", "v"], name="key"),
    )
    loaded = load_table(frame)
    assert (loaded.index, list(loaded.frame.columns)) == (("key",), ["key", "n", "m", "o", "c", "z"])
    assert loaded.dtypes == {"n": "int32", "m": "Int8", "c": "category[int64]", "z": "datetime64[ns, UTC]"}
    schema = with_storage(undeclared(tuple(loaded.frame.columns)), loaded)
    assert schema.index_columns == ("key",)
    assert [schema[name].nullable for name in ("n", "m", "c")] == [False, True, True]
    assert load_table(frame.reset_index(drop=True)).index == ()


def test_what_the_schema_says_goes_first():
    loaded = load_table(TABLE)
    code = Column(name="i", kind=Kind.CATEGORY, dtype="string", outside=Outside.NULL)
    schema = with_storage(Schema(columns=(code, Column(name="k", kind=Kind.INTEGER, dtype="int64"))), loaded)
    assert (schema["i"].kind, schema["i"].dtype, schema["k"].kind) == (Kind.CATEGORY, "string", Kind.INTEGER)
    with pytest.raises(SchemaError, match="hold no datetime"):
        with_storage(Schema(columns=(Column(name="i", kind=Kind.DATETIME),)), loaded)
    for name, outside, kept in (("c", Outside.CLIP, None), ("i", Outside.OTHER, None), ("i", Outside.NULL, Outside.NULL)):
        assert with_storage(Schema(columns=(Column(name=name, outside=outside),)), loaded).columns[0].outside is kept


def test_other_objects_are_refused():
    with pytest.raises(InputError, match="not list"):
        load_table([1])
    with pytest.raises(InputError, match="no columns"):
        load_table(pd.DataFrame())
