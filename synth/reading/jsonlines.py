"""JSON lines: an object per line, numbers as they are spelled."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth.errors import InputError
from synth.reading.compression import FAULTS, open_compressed
from synth.reading.source import ReadOptions, Source, check_names, text_batches, text_header

SUFFIXES = (".jsonl", ".ndjson", ".json")


def open_jsonlines(path: Path, options: ReadOptions) -> Source:
    """A file of JSON objects, one per line, all with the keys of the first, which are the columns.

    A key that only some lines have is refused: whether it is a column would hang on which line comes first.

    Raises:
        InputError: It is none.
    """
    first = next(_objects(path, options.encoding), None)
    if first is None:
        raise InputError(f"{path.name} is empty; it needs an object per line")
    names = list(first)
    check_names(names, path.name)
    header = text_header(names)

    def batches() -> Iterator[pa.RecordBatch]:
        return text_batches(_rows(path, options.encoding, names), header)

    return Source(name=path.name, header=header, typed=False, batches=batches)


def _rows(path: Path, encoding: str, names: list[str]) -> Iterator[list[str | None]]:
    known = set(names)
    for facts in _objects(path, encoding):
        if known != facts.keys():
            raise InputError(f"{path.name} has lines with other keys than its first line; give all lines the same keys")
        yield [_cell(facts[name], path) for name in names]


def _cell(value: Any, path: Path) -> str | None:
    if isinstance(value, list | dict):
        raise InputError(f"{path.name} holds lists or objects inside its lines; flatten them")
    return value if value is None or isinstance(value, str) else str(value)


def _objects(path: Path, encoding: str) -> Iterator[dict[str, Any]]:
    marked = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
    try:
        with open_compressed(path) as stream, io.TextIOWrapper(stream, encoding=marked) as lines:
            for line in lines:
                if line.strip():
                    facts = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
                    if not isinstance(facts, dict):
                        raise InputError(f"{path.name} has lines that are no objects; JSON lines has an object per line")
                    yield facts
    except (UnicodeError, LookupError):
        raise InputError(f"{path.name} is not text in encoding {encoding!r}; pass --encoding, such as latin-1") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path.name} has lines that are not JSON; JSON lines has an object per line") from None
    except FAULTS as error:
        raise InputError(f"cannot read {path.name}: {type(error).__name__}") from None
