"""Workbooks: cells as texts, one named sheet."""

import sys

import pandas as pd
import pytest

from synth.errors import InputError
from synth.reading.formats import open_source
from synth.reading.source import ReadOptions


def test_workbooks(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["n", "s", "day", None], [1, "é", pd.Timestamp("2020-01-31").to_pydatetime(), None], [2.5, None, None]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    source = open_source(tmp_path / "a.xlsx")
    assert source.table().to_pylist() == [
        {"n": "1", "s": "é", "day": "2020-01-31"},
        {"n": "2.5", "s": None, "day": None},
    ]
    book.create_sheet("more").append(["x"])
    book.save(tmp_path / "b.xlsx")
    with pytest.raises(InputError, match="2 sheets; name one with --sheet"):
        open_source(tmp_path / "b.xlsx")
    assert open_source(tmp_path / "b.xlsx", ReadOptions(sheet="more")).header.names == ["x"]
    with pytest.raises(InputError, match="no sheet 'none'"):
        open_source(tmp_path / "b.xlsx", ReadOptions(sheet="none"))


def test_without_the_library_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "a.xlsx").write_text("x")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(InputError, match=r"synth-dp\[excel\]"):
        open_source(tmp_path / "a.xlsx")
