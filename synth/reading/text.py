"""CSV, TSV and the like, through pyarrow, every cell as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from synth.errors import InputError
from synth.reading.compression import FAULTS, open_compressed
from synth.reading.source import MAX_COLUMNS, ReadOptions, Source, text_header

DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": ",", ".tab": "\t", ".psv": "|"}
LIKELY = (";", "\t", "|", ",")
BLOCK_BYTES = 1 << 24  # the parser wants a line to fit in a block


def open_text(path: Path, options: ReadOptions, default: str = ",") -> Source:
    """A text file.

    Args:
        path: The file; ``.gz``, ``.bz2``, ``.xz`` and ``.zst`` are unpacked.
        options: Delimiter, quote and encoding.
        default: Delimiter that goes with its suffix.

    Raises:
        InputError: It has no usable header, or its lines are no table.
    """
    delimiter = options.delimiter if options.delimiter is not None else default
    if len(delimiter) != 1:
        raise InputError(f"a delimiter is one character, not {delimiter!r}")
    quote = '"' if options.quote is None else options.quote
    if len(quote) > 1 or quote == delimiter:
        raise InputError(f"a quote is one character other than the delimiter, not {quote!r}")
    names = read_header(path, delimiter, options.encoding, quote)
    header = text_header(names)

    def whole() -> pa.Table:
        with guarded(path, options.encoding), open_compressed(path) as stream:
            packed = {name: pa.dictionary(pa.int32(), pa.string()) for name in names}
            return pyarrow.csv.read_csv(stream, **_settings(names, delimiter, quote, options.encoding, packed)).slice(1)

    def batches() -> Iterator[pa.RecordBatch]:
        with guarded(path, options.encoding), open_compressed(path) as stream:
            plain = {name: pa.string() for name in names}
            skip = 1
            for batch in pyarrow.csv.open_csv(stream, **_settings(names, delimiter, quote, options.encoding, plain)):
                skipped, skip = min(skip, len(batch)), max(skip - len(batch), 0)
                if len(batch) > skipped:
                    yield batch.slice(skipped)

    return Source(name=path.name, header=header, typed=False, batches=batches, whole=whole)


def _settings(names: list[str], delimiter: str, quote: str, encoding: str, types: dict[str, pa.DataType]) -> dict[str, Any]:
    return {
        "read_options": pyarrow.csv.ReadOptions(
            block_size=BLOCK_BYTES, encoding=encoding, column_names=names, skip_rows=0, skip_rows_after_names=0
        ),
        "parse_options": pyarrow.csv.ParseOptions(
            delimiter=delimiter, quote_char=quote or False, newlines_in_values=bool(quote)
        ),
        "convert_options": pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=False),
    }


class guarded:
    """Turn parser errors, which quote lines, into sentences that do not."""

    def __init__(self, path: Path, encoding: str) -> None:
        """``path`` and ``encoding`` are for the sentences."""
        self._path, self._encoding = path, encoding

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UnicodeError) or (isinstance(error, pa.ArrowInvalid) and "UTF" in str(error)):
            hint = "pass --encoding, such as latin-1"
            raise InputError(f"{self._path.name} is not text in encoding {self._encoding!r}; {hint}") from None
        if isinstance(error, pa.ArrowInvalid):
            raise InputError(
                f"{self._path.name} has lines with another number of fields than its header; check --delimiter and the quoting"
            ) from None
        if isinstance(error, FAULTS):
            raise InputError(f"cannot read {self._path.name}: {type(error).__name__}") from None


def read_header(path: Path, delimiter: str, encoding: str, quote: str = '"') -> list[str]:
    """Column names of a text file.

    Raises:
        InputError: Empty file, unreadable first line, duplicate or empty names, or a likely wrong delimiter.
    """
    try:
        marked = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
        quoting: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
        with open_compressed(path) as stream, io.TextIOWrapper(stream, encoding=marked, newline="") as text:
            names = next(csv.reader(text, delimiter=delimiter, **quoting), [])
    except (UnicodeError, LookupError):
        raise InputError(f"{path.name} is not text in encoding {encoding!r}; pass --encoding, such as latin-1") from None
    except (*FAULTS, csv.Error, TypeError, ValueError) as error:
        raise InputError(f"cannot read {path.name}: {type(error).__name__}; check the file and --delimiter") from None
    if not names or names == [""]:
        raise InputError(f"{path.name} is empty; it needs a header line and rows")
    if "\0" in "".join(names):
        raise InputError(f"{path.name} is not a text table; use its right suffix, such as .parquet")
    if len(names) == 1:
        other = next((d for d in LIKELY if d != delimiter and d in names[0]), None)
        if other is not None:
            shown = "a tab" if other == "\t" else f"{other!r}"
            flag = "$'\\t'" if other == "\t" else f"{other!r}"
            raise InputError(f"{path.name} has one column with {shown} in its name; pass --delimiter {flag}")
    if len(names) > MAX_COLUMNS:
        raise InputError(f"{path.name} has {len(names)} columns; at most {MAX_COLUMNS} are supported")
    return names
