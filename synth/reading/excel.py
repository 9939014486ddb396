"""Workbooks, through openpyxl (extra ``excel``). Cells have no type per column, so they are read as texts."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth.errors import InputError
from synth.reading.source import ReadOptions, Source, check_names, spell, text_batches, text_header

SUFFIXES = (".xlsx", ".xlsm")


def load_openpyxl() -> Any:
    """The library.

    Raises:
        InputError: It is not installed.
    """
    try:
        import openpyxl
    except ImportError:
        raise InputError('workbooks need openpyxl: pip install "synth-dp[excel]"') from None
    return openpyxl


def open_excel(path: Path, options: ReadOptions) -> Source:
    """One sheet of a workbook; its first row is the header.

    Raises:
        InputError: No workbook, or several sheets and none named.
    """
    library = load_openpyxl()
    names = [str(spell(cell) or "") for cell in next(_rows(library, path, options.sheet), [])]
    while names and not names[-1]:
        names.pop()
    check_names(names, path.name)
    header = text_header(names)

    def rows() -> Iterator[list[str | None]]:
        every = _rows(library, path, options.sheet)
        next(every, None)
        for row in every:
            if len(row) > len(names) and any(cell is not None for cell in row[len(names) :]):
                raise InputError(f"{path.name} has cells beyond its header; give every column a name")
            yield [spell(cell) for cell in row[: len(names)]] + [None] * (len(names) - len(row))

    def batches() -> Iterator[pa.RecordBatch]:
        return text_batches(rows(), header)

    return Source(name=path.name, header=header, typed=False, batches=batches)


def _rows(library: Any, path: Path, sheet: str | None) -> Iterator[tuple[Any, ...]]:
    faults = (
        OSError,
        KeyError,
        ValueError,
        TypeError,
        EOFError,
        SyntaxError,
        zipfile.BadZipFile,
        library.utils.exceptions.InvalidFileException,
    )
    try:
        book = library.load_workbook(path, read_only=True, data_only=True)
    except faults as error:
        raise InputError(f"{path.name} is not a readable workbook: {type(error).__name__}") from None
    try:
        if sheet is None and len(book.sheetnames) != 1:
            raise InputError(f"{path.name} has {len(book.sheetnames)} sheets; name one with --sheet")
        if sheet is not None and sheet not in book.sheetnames:
            raise InputError(f"{path.name} has no sheet {sheet!r}; it has {', '.join(map(repr, book.sheetnames))}")
        yield from book[sheet or book.sheetnames[0]].iter_rows(values_only=True)
    except faults as error:
        raise InputError(f"{path.name} is not a readable workbook: {type(error).__name__}") from None
    finally:
        book.close()
