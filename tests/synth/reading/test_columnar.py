"""Parquet and Arrow files keep their types and a named index."""

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

from synth.errors import InputError
from synth.reading.formats import open_source


def test_columnar_files_keep_types_and_the_named_index(tmp_path):
    frame = pd.DataFrame({"key": ["u", "v"], "n": pd.array([1, None], dtype="Int8"), "c": pd.Categorical(["x", "y"])})
    frame.set_index("key").to_parquet(tmp_path / "a.parquet")
    frame.to_parquet(tmp_path / "b.parquet", index=True)
    pyarrow.feather.write_feather(frame, str(tmp_path / "a.feather"))
    table = pa.Table.from_pandas(frame)
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    for name in ("a.parquet", "b.parquet", "a.feather", "a.arrow"):
        source = open_source(tmp_path / name)
        assert source.typed
        assert source.header.names == ["key", "n", "c"]
        assert source.index == (("key",) if name == "a.parquet" else ())
        assert source.header.field("n").type == pa.int8()
        assert pa.types.is_dictionary(source.header.field("c").type)
        assert source.table().num_rows == 2


def test_bytes_and_lists_are_no_cells(tmp_path):
    for cell in (b"x", [1]):
        pd.DataFrame({"a": [cell]}).to_parquet(tmp_path / "a.parquet")
        with pytest.raises(InputError, match="holds lists, structs or bytes"):
            open_source(tmp_path / "a.parquet")
