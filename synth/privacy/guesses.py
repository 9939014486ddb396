"""What columns of texts may be, for the owner's eyes: these read rows without paying, so nothing here may feed a fit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from synth.pattern import SPECIAL
from synth.schema import Column, Kind

MOSTLY = 0.99
MAX_SHAPE = 40  # characters of an identifier
FORMATS = (
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%I:%M %p",
)  # fmt: skip
FLAGS = (
    ("N", "Y"), ("n", "y"), ("no", "yes"), ("No", "Yes"), ("NO", "YES"), ("F", "T"), ("nein", "ja"), ("non", "oui"),
    ("false", "true"),
)  # fmt: skip
PERSONAL = {
    "email": "email", "e_mail": "email", "mail": "email", "phone": "phone_number", "telephone": "phone_number",
    "mobile": "phone_number", "first_name": "first_name", "firstname": "first_name", "given_name": "first_name",
    "last_name": "last_name", "lastname": "last_name", "surname": "last_name", "family_name": "last_name", "name": "name",
    "full_name": "name", "patient_name": "name", "address": "address", "street": "street_address", "ssn": "ssn", "iban": "iban",
}  # fmt: skip
_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+)(,(\d+))?")
_CLASSES = ((r"0-9", str.isdigit), ("A-Z", lambda c: "A" <= c <= "Z"), ("a-z", lambda c: "a" <= c <= "z"))


def personal(name: str) -> Column | None:
    """Personal data by the name of the column, which is public."""
    faker = PERSONAL.get(re.sub(r"[^a-z]+", "_", name.lower()).strip("_"))
    return None if faker is None else Column(name=name, kind=Kind.PII, faker=faker)


def spelled(name: str, values: Sequence[str]) -> Column | None:
    """Numbers with a comma, dates of another format, or flags, among distinct texts that count as categories so far."""
    if not values:
        return None
    flags = next((pair for pair in FLAGS if set(values) == set(pair)), None)
    if flags is not None:
        return Column(name=name, kind=Kind.BOOLEAN, categories=flags)
    comma = [_COMMA.fullmatch(v) for v in values]
    if np.mean([m is not None for m in comma]) >= MOSTLY and any(m is not None and m[3] for m in comma):
        digits = max(len(m[4] or "") for m in comma if m is not None)
        if digits <= 6:
            return Column(name=name, kind=Kind.DECIMAL, precision=digits, decimal_mark=",")
        return Column(name=name, kind=Kind.FLOAT, decimal_mark=",")
    form = next((f for f in FORMATS if np.mean([_reads(v, f) for v in values]) >= MOSTLY), None)
    if form is None:
        return None
    note = "Day or month first? Both read here." if form[:2] == "%d" and _both(values, form) else ""
    kind = Kind.TIME if form.startswith("%I") else Kind.DATETIME
    return Column(name=name, kind=kind, format=form, description=note)


def _both(values: Sequence[str], form: str) -> bool:
    other = form.replace("%d/%m", "%m/%d")
    return other != form and all(_reads(v, other) for v in values)


def _reads(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def shape(values: Sequence[str]) -> str | None:
    """A pattern of distinct texts of one length: a class of characters per place, and what all of them share."""
    if len({len(v) for v in values}) != 1 or not 0 < len(values[0]) <= MAX_SHAPE:
        return None
    parts = []
    for chars in map(set, zip(*values, strict=True)):
        ranges = "".join(text for text, test in _CLASSES if any(test(c) for c in chars))
        if len(chars) == 1 and not ranges:
            parts.append(("\\" if chars & (SPECIAL | {"\\"}) else "") + min(chars))
        elif not all(any(test(c) for _, test in _CLASSES) for c in chars):
            return None
        else:
            parts.append(min(chars) if len(chars) == 1 and ranges != "0-9" else f"[{ranges}]")
    return "".join(_runs(parts))


def _runs(parts: list[str]) -> list[str]:
    out: list[str] = []
    start = 0
    for i in range(1, len(parts) + 1):
        if i == len(parts) or parts[i] != parts[start]:
            times = i - start
            out.append(parts[start] if times == 1 else f"{parts[start]}{{{times}}}")
            start = i
    return out
