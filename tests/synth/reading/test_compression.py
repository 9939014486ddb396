"""Suffixes and round trips of compressed files."""

import pytest

from synth.errors import InputError
from synth.reading.compression import SUFFIXES, create_compressed, open_compressed, split_suffixes


@pytest.mark.parametrize("suffix", ["", *SUFFIXES])
def test_round_trips(tmp_path, suffix):
    path = tmp_path / f"a.csv{suffix}"
    with create_compressed(path, suffix) as file:
        file.write(b"x" * 1000)
    assert (path.read_bytes() == b"x" * 1000) == (suffix == "")
    with open_compressed(path) as file:
        assert file.read() == b"x" * 1000


def test_suffixes():
    assert split_suffixes("A.v2.CSV.GZ") == (".csv", ".gz")
    assert split_suffixes("a.parquet") == (".parquet", "")
    assert split_suffixes("a") == ("", "")


def test_what_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        open_compressed(tmp_path / "none.csv")
