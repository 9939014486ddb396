"""One run in several processes: they begin alike, and the others follow the ledger that the lead keeps.

All do the same work with the same noisy answers, so all must have been started alike. Only the lead has a ledger and a
checkpoint on disk; where it goes on after an interruption, it tells the others what the run has done and was answered, and all
are given the same answers again. That is public once the run is released. Nothing about rows is kept to compare them with
later: a digest of them would tell two neighbouring tables apart.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synth.entity import ROW
from synth.errors import InputError
from synth.privacy.budget import Budget
from synth.privacy.checkpoint import packed, unpacked
from synth.privacy.kept import KeptLedger
from synth.privacy.keyed import surroundings
from synth.privacy.lake import table_files
from synth.privacy.ledger import Ledger
from synth.privacy.parts import exact_fingerprint
from synth.privacy.past import Past
from synth.processes import several

if TYPE_CHECKING:
    from synth.privacy.workers import Workers


def crew(data: Any, *, entity: bool, keyed: bool, own_rows: bool) -> Workers | None:
    """The processes of this run, where there are several; those of a library that set them up before as well.

    Args:
        data: What is fitted.
        entity: Whether an entity is protected.
        keyed: Whether noise comes from a key.
        own_rows: Whether the user says that no row of a frame is in another process's.

    Raises:
        InputError: The run cannot be shared out.
    """
    if not several() and "torch.distributed" not in sys.modules:
        return None
    from synth.privacy.workers import join

    workers = join()
    if workers is None:
        return None
    if keyed:
        raise InputError("a noise key repeats the fit of one process; fit without --noise-key, or in one process")
    if not isinstance(data, str | Path):
        if not own_rows:
            raise InputError(
                "each process would add its frame's rows to those of the others: give a file, of which each reads its part, or "
                "say own_rows=True if no row is in the frames of two processes"
            )
        if entity:
            raise InputError(
                "rows of one entity must lie in one process: give a file, whose rows are shared out by their entity, or fit in "
                "one process"
            )
    return workers


def check_alike(workers: Workers, settings: dict[str, Any], data: Any) -> None:
    """Stop before any row is parsed where the processes would not do the same.

    Args:
        workers: All of them.
        settings: Everything that steers the run, plain types. Public.
        data: What is fitted; files must be the same ones.

    Raises:
        InputError: Other settings, another version of a library, or other files.
    """
    around = surroundings()
    versions = {"Python": around["python"], "synth (its program text)": around["program"][:12], **around["versions"]}
    own: dict[str, Any] = json.loads(json.dumps(settings))  # as it reaches the others
    lead = workers.told(lambda: {"settings": own, "versions": versions})
    found = [
        f"worker {workers.rank} was started with another {name} than the first one"
        for name in own
        if own[name] != lead["settings"].get(name)
    ] + [
        f"worker {workers.rank} has {name} {version}, the first one {lead['versions'].get(name)}"
        for name, version in versions.items()
        if version != lead["versions"].get(name)
    ]
    _stop(workers, found[:1], "start all of them by one command, on machines with the same installation")
    files = table_files(str(data)) if isinstance(data, str | Path) else []
    if not workers.alike(exact_fingerprint(files)):
        raise InputError(
            "the workers do not see the same files, so that rows might count twice or not at all; give all the same"
        )


def _stop(workers: Workers, found: Sequence[str], advice: str) -> None:
    """Raise the first complaint of any process in all of them."""
    values, _ = workers.merged(found, np.ones(len(found), dtype=np.int64))
    complaints = workers.told(lambda: values[:1])
    if complaints:
        raise InputError(f"{complaints[0]}; {advice}")


def tell(workers: Workers, book: Ledger, seed: int) -> None:
    """The lead tells the others, who wait for it, what they need to do as it does: budget, seed, and what was done before."""
    kept = book if isinstance(book, KeptLedger) else None
    past = None if kept is None else kept.past.to_dict()
    workers.told(lambda: {"budget": asdict(book.budget), "seed": seed, "past": past})
    if kept is not None:
        workers.told(lambda: np.frombuffer(packed(kept.checkpoint), dtype=np.uint8))


def follow(workers: Workers, unit: str = ROW) -> tuple[Ledger, int]:
    """The ledger of a process that does not lead, in memory, and the run's seed."""
    facts = workers.told(dict)
    budget = Budget(**facts["budget"])
    if facts["past"] is None:
        return Ledger(budget, unit=unit), int(facts["seed"])
    kept = unpacked(workers.told(dict).tobytes())
    return KeptLedger.following(budget, Past.from_dict(facts["past"]), kept, unit=unit), int(facts["seed"])
