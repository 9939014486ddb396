"""Run another generator: ``driver.py script train.csv schema.json epsilon delta seed rows out.csv options``.

Executed by the generator's own interpreter, with pandas and numpy of whatever age. It reads the rows as the public schema
says, hands plain numbers and texts to ``generate`` of the script, and writes its rows like the file it read.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

DAY = 86_400


def facts(column: dict[str, Any]) -> dict[str, Any]:
    """What a generator needs to know of a column of the schema; dates are whole days since 1970.

    Returns:
        ``name``, ``number``, ``whole``, ``low``, ``high``, ``digits``, ``categories`` (``None`` if open), ``nullable``.
    """
    kind, bounds = column["kind"], column.get("bounds")
    low, high = bounds or (None, None)
    if kind == "datetime" and bounds:
        low, high = (int(days(pd.Series([end])).iloc[0]) for end in bounds)
    categories = ["true", "false"] if kind == "boolean" else column.get("categories")
    return {
        "name": column["name"],
        "number": kind in ("integer", "decimal", "float", "datetime"),
        "whole": kind in ("integer", "datetime"),
        "low": low,
        "high": high,
        "digits": column.get("precision"),
        "categories": categories,
        "nullable": column.get("nullable", True),
    }


def days(texts: pd.Series, pattern: str | None = None) -> pd.Series:
    """Dates as whole days since 1970; NaN where there is none."""
    stamps = pd.to_datetime(texts, format=pattern, errors="coerce")
    return (stamps - pd.Timestamp(0)).dt.total_seconds() // DAY


def read(path: str, schema: dict[str, Any]) -> pd.DataFrame:
    """Rows as the schema says: numbers clipped to their bounds, texts outside their categories missing.

    A missing value of a column that has none becomes the lowest number or the first category.
    """
    missing = schema.get("missing", ["", "NA", "N/A", "NaN", "nan", "null", "NULL"])
    raw = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=missing)
    out = {}
    for column in schema["columns"]:
        known, cells = facts(column), raw[column["name"]]
        if known["number"]:
            date = column["kind"] == "datetime"
            values = days(cells, column.get("format")) if date else pd.to_numeric(cells, errors="coerce").astype(float)
            values = values.clip(known["low"], known["high"])
            values = values if known["nullable"] else values.fillna(known["low"])
            out[known["name"]] = values.astype(np.int64) if known["whole"] and values.notna().all() else values
            continue
        texts = cells.str.lower() if column["kind"] == "boolean" else cells
        if known["categories"] is not None:
            texts = texts.where(texts.isin(known["categories"]))
            texts = texts if known["nullable"] else texts.fillna(known["categories"][0])
        out[known["name"]] = texts.astype(object).where(texts.notna(), None)
    return pd.DataFrame(out)


def write(frame: pd.DataFrame, path: str, schema: dict[str, Any]) -> None:
    """Rows in the form of the file that was read: whole numbers whole, dates as dates."""
    out = {}
    for column in schema["columns"]:
        known, cells = facts(column), frame[column["name"]]
        if not known["number"]:
            out[known["name"]] = cells.astype(object)
            continue
        values = pd.to_numeric(cells, errors="coerce").astype(float).clip(known["low"], known["high"])
        if column["kind"] == "datetime":
            stamps = pd.to_datetime(values.round() * DAY, unit="s")
            out[known["name"]] = stamps.dt.strftime(column.get("format") or "%Y-%m-%d")
        elif known["whole"]:
            out[known["name"]] = values.round().astype("Int64")
        else:
            out[known["name"]] = values if known["digits"] is None else values.round(known["digits"])
    pd.DataFrame(out).to_csv(path, index=False)


def load(script: str) -> Callable[..., pd.DataFrame]:
    """``generate`` of a file."""
    spec = importlib.util.spec_from_file_location("peer", script)
    if spec is None or spec.loader is None:
        raise ImportError(script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., pd.DataFrame] = module.generate
    return found


def main(arguments: list[str]) -> None:
    """Read, generate, write."""
    script, train, said, epsilon, delta, seed, rows, out, options = arguments
    with open(said, encoding="utf-8") as file:
        schema = json.load(file)
    os.chdir(os.path.dirname(os.path.abspath(out)))  # some libraries litter the current folder
    made = load(script)(
        read(train, schema), [facts(column) for column in schema["columns"]], epsilon=float(epsilon), delta=float(delta),
        seed=int(seed), rows=int(rows), options=json.loads(options), target=schema.get("target"),
    )  # fmt: skip
    write(made, out, schema)


if __name__ == "__main__":
    main(sys.argv[1:])
