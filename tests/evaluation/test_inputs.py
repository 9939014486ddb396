from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluation.inputs import as_texts, check_overlap, is_excess, overlap, prepare, repeated, sample_rows, text_hashes
from synth.errors import InputError
from synth.schema import Schema


def test_permuted_keeps_columns_and_breaks_rows(real: pd.DataFrame, schema: Schema) -> None:
    tables = prepare(real, None, real, schema)
    for name in schema.names:
        assert sorted(tables.permuted[name].astype(str)) == sorted(tables.real[name].astype(str))
    assert overlap(tables.permuted, tables.real) < 0.01
    assert tables.target == "ill"


def test_streams_are_apart_and_repeatable(real: pd.DataFrame, schema: Schema) -> None:
    tables = prepare(real, None, real, schema, seed=3)
    assert tables.rng(1).integers(1 << 40) == tables.rng(1).integers(1 << 40)
    assert tables.rng(1).integers(1 << 40) != tables.rng(2).integers(1 << 40)


def test_overlap_counts_exact_rows(real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> None:
    tables = prepare(real, holdout, real, schema)
    assert overlap(tables.real.iloc[:10], tables.real) == 1.0
    assert overlap(tables.holdout, tables.real) == 0.0
    assert check_overlap(tables.real, tables.holdout, tables.synthetic).notes == ()


def test_a_few_leaked_rows_are_warned_about(real: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> None:
    leaked = pd.concat([holdout, real.iloc[:60]])
    tables = prepare(real, leaked, holdout.iloc[:400], schema)
    first, second = check_overlap(tables.real, tables.holdout, tables.synthetic).notes
    assert "4.8% of the holdout rows" in first
    assert "100.0% of the synthetic rows" in second


def test_tables_with_few_distinct_rows_do_not_alarm() -> None:
    rng = np.random.default_rng(0)
    real, holdout, synthetic = (pd.DataFrame({"c": rng.choice(["a", "b"], 300)}) for _ in range(3))
    assert repeated(real) == 1.0
    assert check_overlap(real, holdout, synthetic).notes == ()
    assert not is_excess(1.0, 1.0, 300)


def test_samples_are_seeded_and_differ_between_tables(real: pd.DataFrame) -> None:
    first, again, other = sample_rows(real, 100, 0, 0), sample_rows(real, 100, 0, 0), sample_rows(real, 100, 0, 1)
    assert first.equals(again)
    assert not first.equals(other)
    assert len(first) == 100
    assert overlap(first, real) == 1.0
    assert sample_rows(real, None, 0, 0) is sample_rows(real, 5000, 0, 0) is real
    with pytest.raises(InputError, match="at least 20 rows"):
        sample_rows(real, 19, 0, 0)


def test_rows_hash_by_their_texts_whatever_the_dtypes(real: pd.DataFrame) -> None:
    texts = real.astype(str)
    hashes = text_hashes(texts)
    assert (text_hashes(texts.astype("category")) == hashes).all()
    assert (text_hashes(real[["age"]]) == text_hashes(texts[["age"]])).all()
    assert len(np.unique(hashes)) == len(texts.drop_duplicates())
    assert (text_hashes(texts[texts.columns[::-1]]) != hashes).all()
    gap = pd.DataFrame({"a": ["x", None, "nan"], "b": pd.Categorical(["x", None, "nan"])})
    assert text_hashes(gap[["a"]])[1] == text_hashes(gap[["b"]])[1] == text_hashes(gap[["a"]])[2]


def test_packed_texts_are_unpacked_and_nothing_else(real: pd.DataFrame) -> None:
    packed = real.assign(job=real["job"].astype("category"))
    plain = as_texts(packed)
    assert plain["job"].dtype == object
    assert plain["job"].tolist() == real["job"].tolist()
    assert plain["age"].dtype == real["age"].dtype
    assert as_texts(real) is real
