"""The same rows seen otherwise, by public choices: with some of their columns, or behind the ledger of one of several tries.

Releases nothing, costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from synth.privacy.ledger import Ledger
from synth.privacy.vault import PrivateTable


def with_columns(table: PrivateTable, names: Sequence[str]) -> PrivateTable:
    """Some of the columns, in the order they have."""
    domain = table.domain.only(names)
    places = [table.domain.names.index(name) for name in domain.names]
    public = None if table.public is None else table.public.only(domain)
    fewer = table.seen(domain, lambda codes: codes.only(places), public, table.merged)
    fewer.measured = tuple(m for m in table.measured if set(m.names) <= set(domain.names))
    return fewer


def behind(table: PrivateTable, ledger: Ledger) -> PrivateTable:
    """The same codes behind another ledger, whose charges are part of this one's (see ``attempts``)."""
    part = table.seen(table.domain, lambda codes: codes, table.public, table.merged, ledger)
    part.measured = table.measured
    return part
