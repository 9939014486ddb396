"""A file or frame into the vault. Text files are read as texts: the schema, not a guess about the rows, says what they are.

Parsers quote the offending line in their errors, so none of their messages is passed on.
"""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from synth.encoding.regenerate import check_providers
from synth.encoding.values import check_header, numbers
from synth.errors import InputError, SchemaError
from synth.privacy.frame import PrivateFrame
from synth.privacy.ledger import Ledger
from synth.privacy.randomness import Entropy, os_entropy
from synth.schema import DEFAULT_MISSING, Column, Kind, Schema, undeclared

DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": ","}
LIKELY = (";", "\t", "|", ",")
MAX_COLUMNS = 10_000
BLOCK_BYTES = 1 << 24  # the parser wants a line to fit in a block


def read_table(path: Path, *, delimiter: str | None = None, encoding: str = "utf-8") -> pd.DataFrame:
    """Read a whole table: CSV or TSV (also gzipped) as texts, Parquet with its types.

    Args:
        path: The file; its suffix says the format.
        delimiter: Of a text file; by default a comma, a tab for ``.tsv``.
        encoding: Of a text file.

    Raises:
        InputError: The file cannot be read as a table with unique column names. No rows are no error: that an empty
            table is empty, and one with a row is not, shows in the paid row count or not at all.
    """
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a directory; name the file in it")
    if not path.exists():
        raise InputError(f"there is no file {str(path)!r}; check the path")
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in (".parquet", ".pq"):
        frame = _read_parquet(path)
    elif suffix in DELIMITERS or not suffix:
        frame = _read_text(path, delimiter if delimiter is not None else DELIMITERS.get(suffix, ","), encoding)
    else:
        raise InputError(f"files of type {suffix!r} are not read; use .csv, .tsv (also .gz) or .parquet")
    return frame


def read_header(path: Path, delimiter: str, encoding: str) -> list[str]:
    """Column names of a text file.

    Raises:
        InputError: Empty file, unreadable first line, duplicate or empty names, or a likely wrong delimiter.
    """
    try:
        opened = gzip.open if path.suffix.lower() == ".gz" else open
        marked = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
        with opened(path, "rt", encoding=marked, newline="") as text:
            names = next(csv.reader(text, delimiter=delimiter), [])
    except (UnicodeError, LookupError):
        raise InputError(f"{path.name} is not text in encoding {encoding!r}; pass --encoding, such as latin-1") from None
    except (OSError, EOFError, csv.Error, TypeError) as error:
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
    _check_names(names, path)
    return names


def _check_names(names: list[str], path: Path) -> None:
    """Names are public, but the first line of a file without a header is not: nothing that looks like data is quoted."""
    for i, name in enumerate(names):
        if not name.strip():
            raise InputError(f"column {i + 1} of {path.name} has no name; give every column a name")
        if name in names[:i]:
            shown = f"columns {names.index(name) + 1} and {i + 1}" if looks_like_data(name) else f"two columns named {name!r}"
            text = f"{path.name} has {shown}" + (" with one name" if looks_like_data(name) else "")
            raise InputError(f"{text}; rename one of them")


def looks_like_data(name: str) -> bool:
    """Whether a column name reads as a number, a date or a missing value."""
    cell = pd.Series([name], dtype=object)
    number, stamp = Column(name="x", kind=Kind.FLOAT), Column(name="x", kind=Kind.DATETIME)
    return name.strip() in DEFAULT_MISSING or any(numbers(cell, c, ())[0] == numbers(cell, c, ())[0] for c in (number, stamp))


def _read_text(path: Path, delimiter: str, encoding: str) -> pd.DataFrame:
    if len(delimiter) != 1:
        raise InputError(f"a delimiter is one character, not {delimiter!r}")
    names = read_header(path, delimiter, encoding)
    options = {
        "read_options": pyarrow.csv.ReadOptions(
            block_size=BLOCK_BYTES, encoding=encoding, column_names=names, skip_rows=0, skip_rows_after_names=0
        ),
        "parse_options": pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        "convert_options": pyarrow.csv.ConvertOptions(
            column_types={name: pa.dictionary(pa.int32(), pa.string()) for name in names}, strings_can_be_null=False
        ),
    }
    try:
        table = pyarrow.csv.read_csv(path, **options)
    except pa.ArrowInvalid as error:
        reason = str(error)
        if "UTF8" in reason or "UTF-8" in reason:
            hint = "pass --encoding, such as latin-1"
            raise InputError(f"{path.name} is not text in encoding {encoding!r}; {hint}") from None
        raise InputError(
            f"{path.name} has lines with another number of fields than its header; check --delimiter and the quoting"
        ) from None
    except (OSError, UnicodeError, pa.ArrowException) as error:
        raise InputError(f"cannot read {path.name}: {type(error).__name__}") from None
    frame: pd.DataFrame = table.slice(1).to_pandas()
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path.name} is not a readable Parquet file: {type(error).__name__}") from None
    fields = []
    for field in table.schema:
        if pa.types.is_nested(field.type) or pa.types.is_binary(field.type):
            raise InputError(f"column {field.name!r} of {path.name} holds lists, structs or bytes; flatten or drop it")
        fields.append(field.with_type(pa.timestamp("s")) if pa.types.is_date(field.type) else field)
    frame: pd.DataFrame = table.cast(pa.schema(fields)).to_pandas(ignore_metadata=True, integer_object_nulls=True)
    frame.columns = frame.columns.astype(str)
    return frame


def open_frame(frame: pd.DataFrame, schema: Schema | None, ledger: Ledger, *, entropy: Entropy = os_entropy) -> PrivateFrame:
    """Put a frame behind a ledger.

    Args:
        frame: Raw rows; its header is public.
        schema: Declared facts; ``None`` declares the header only.
        ledger: Of this run.
        entropy: Source of secret bytes.

    Raises:
        InputError: The header does not match, or the table asks for what is not supported.
    """
    names = [str(name) for name in frame.columns]
    if schema is None:
        if len(set(names)) < len(names):
            check_header(names, undeclared(tuple(dict.fromkeys(names))))
        bare = next((i for i, name in enumerate(names) if looks_like_data(name)), None)
        if bare is not None:
            raise InputError(
                f"the name of column {bare + 1} reads as a value: if the table lacks a header line, add one; if it is a name "
                "indeed, declare it in a schema"
            )
        schema = undeclared(tuple(names))
    check_header(names, schema)
    if schema.entity is not None:
        raise InputError(
            f"the schema declares the entity column {schema.entity!r}, but this version protects single rows only; "
            "keep one row per person and take 'entity' out of the schema"
        )
    check_learnable(schema)
    renamed = frame.set_axis(names, axis=1)[[c.name for c in schema.modelled]].reset_index(drop=True)
    return PrivateFrame(renamed, schema, ledger, entropy)


def check_learnable(schema: Schema) -> None:
    """Refuse what no model can learn, before anything is spent.

    Raises:
        SchemaError: Free text, nothing to learn at all, or values that cannot be made.
    """
    text = next((c.name for c in schema.columns if c.kind is Kind.TEXT), None)
    if text is not None:
        raise SchemaError(
            f"column {text!r} is free text, which cannot be learnt privately: drop it, or declare it as kind pii (made by "
            "Faker), identifier (made from a pattern) or category (values that many rows share)"
        )
    if not schema.modelled:
        raise SchemaError("all columns are identifiers or personal data, so there is nothing to learn; add other columns")
    if schema.target is not None and schema.target not in {c.name for c in schema.modelled}:
        raise SchemaError(
            f"the target {schema.target!r} is made anew for each row, so nothing predicts it; name another target"
        )
    check_providers(schema)
