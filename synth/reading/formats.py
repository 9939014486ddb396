"""A place to a source: the suffix of a file, or the scheme of a URL, says the format."""

from __future__ import annotations

from pathlib import Path

from synth.errors import InputError
from synth.reading import columnar, excel, jsonlines, text
from synth.reading.compression import split_suffixes
from synth.reading.database import is_url, open_database
from synth.reading.source import ReadOptions, Source

READ_HINT = (
    "use .csv, .tsv, .txt, .jsonl (also .gz, .bz2, .xz, .zst), .parquet, .feather, .arrow, .xlsx, or the URL of a database "
    "with --sql"
)


def open_source(place: str | Path, options: ReadOptions | None = None) -> Source:
    """Open a table by its place.

    Args:
        place: A file, or the URL of a database.
        options: How it is read.

    Raises:
        InputError: Not there, of no known format, or no table.
    """
    options = options or ReadOptions()
    if isinstance(place, str) and is_url(place):
        return open_database(place, options)
    path = Path(place)
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a directory; name the file in it")
    if not path.exists():
        raise InputError(f"there is no file {str(path)!r}; check the path")
    if options.sql is not None:
        raise InputError("--sql goes with the URL of a database, such as sqlite:///x.db; name one instead of a file")
    suffix, packed = split_suffixes(path.name)
    if suffix in text.DELIMITERS or not suffix:
        return text.open_text(path, options, text.DELIMITERS.get(suffix, ","))
    if suffix in jsonlines.SUFFIXES:
        return jsonlines.open_jsonlines(path, options)
    if not packed and suffix in columnar.PARQUET:
        return columnar.open_parquet(path)
    if not packed and suffix in columnar.ARROW:
        return columnar.open_arrow(path)
    if not packed and suffix in excel.SUFFIXES:
        return excel.open_excel(path, options)
    raise InputError(f"files of type {suffix + packed!r} are not read; {READ_HINT}")
