"""What readers share; refusals of whole files are tested in test_ingest.py."""

from pathlib import Path

import pyarrow as pa
import pytest

from synth.errors import InputError
from synth.privacy.readers import check_names, plain_table


def test_plain_types():
    table = pa.table({"t": ["u", None], "d": pa.array([1, 2], pa.date32()), "n": [1, 2]})
    plain = plain_table(table, "a.parquet")
    assert pa.types.is_dictionary(plain.schema.field("t").type)
    assert plain.schema.field("d").type == pa.timestamp("s")
    assert plain.to_pydict()["t"] == ["u", None]
    for cells in ([[1], [2]], [b"x", b"y"], pa.array([b"x", b"y"], pa.large_binary())):
        with pytest.raises(InputError, match=r"'k' of a\.parquet holds lists"):
            plain_table(pa.table({"k": cells}), "a.parquet")


def test_names_that_read_as_data_are_not_quoted():
    check_names(["a", "b"], Path("x.csv"))
    with pytest.raises(InputError, match="columns 1 and 2 with one name"):
        check_names(["37", "37"], Path("x.csv"))
