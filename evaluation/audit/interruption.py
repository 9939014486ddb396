"""A run that is interrupted and goes on, also from an old copy of its checkpoint: what was paid for once is drawn once.

The parts share a ledger and a checkpoint on disk, as `synth fit` and `synth fit --resume` do. Each stops between a draw and
the moment at which it would be kept, where a repetition would be easiest.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats

from evaluation.audit.ledgers import DELTA
from evaluation.audit.probes import FAR, Probed, ProbeLoss, probe_codes, probe_domain, seen
from evaluation.audit.sightings import GATE, Finding
from synth.privacy.accounting import epsilon_of
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.chain import read_ledger
from synth.privacy.checkpoint import read_checkpoint
from synth.privacy.dpsgd import SgdPlan
from synth.privacy.kept import KeptLedger
from synth.privacy.ledger import Ledger
from synth.privacy.past import read_past
from synth.privacy.vault import PrivateTable

FloatArray = npt.NDArray[np.float64]

EPSILON, SIDE, STEPS = 4.0, 24, 60
STOPS = (25, 10, STEPS)  # steps after which each part dies; the last goes to the end
SHARE = 0.1


def interruption(rng: np.random.Generator) -> Finding:
    """A noisy table is answered alike in every part; no more steps are drawn than were charged; no noise is repeated."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        book: Ledger = KeptLedger(Budget(epsilon=EPSILON, delta=DELTA), folder / "ledger", folder / "checkpoint", {}, 0)
        tables, steps, parts, copy = [], [], [], b""
        for number, stop in enumerate(STOPS):
            if number:
                kept = read_checkpoint(folder / "checkpoint")
                book = KeptLedger.going_on(folder / "ledger", folder / "checkpoint", kept)
            answer, released = _part(book, stop, rng)
            tables.append(answer)
            steps += released
            parts.append(len(released))
            if number == 0:
                copy = (folder / "checkpoint").read_bytes()
            (folder / "checkpoint").write_bytes(copy)  # the next part goes on from an old one
        budget, past = read_past(read_ledger(folder / "ledger"), book.run)
    again = any(not np.array_equal(tables[0], other) for other in tables[1:])
    over = sum(parts) > STEPS or epsilon_of(past.events, DELTA) > budget.epsilon
    rows = np.array(steps)
    unit = rows / np.linalg.norm(rows, axis=1)[:, None]
    largest = float(np.abs(np.triu(unit @ unit.T, 1)).max()) * math.sqrt(rows.shape[1])
    limit = float(stats.norm.isf(GATE / (2 * math.comb(len(rows), 2)))) * 1.1  # a little wider than normal
    drawn = " + ".join(map(str, parts))
    return Finding(
        check="interruption", attacks="a run that is interrupted twice, and goes on from an old checkpoint",
        contradicted=bool(again or over or largest > limit), significance=GATE, canaries=len(rows),
        detail=f"{drawn} of {STEPS} steps drawn; table answered {'differently' if again else 'alike'}; largest correlation "
        f"of noise {largest:.1f} standard errors",
    )  # fmt: skip


def _part(book: Ledger, stop: int, rng: np.random.Generator) -> tuple[FloatArray, list[FloatArray]]:
    """One part of the run on an empty table: the answer to its table, and the noise of its steps."""
    rows = declared_rows(int(0.1 / DELTA))
    book.set_rows(rows)
    codes = probe_codes(SIDE, np.zeros(SIDE * SIDE, dtype=bool), 0, rng)
    table, module = PrivateTable(codes, probe_domain(SIDE), rows, book), Probed(SIDE)
    (answer,) = table.noisy_marginals([("input", "output")], share=SHARE)
    gradients = table.noisy_gradients(module, ProbeLoss(1.0), SgdPlan(steps=STEPS, sample_rate=0.1, divisor=FAR))
    released: list[FloatArray] = []
    for _ in gradients.steps(list(module.parameters())):
        released.append(seen(module, 1.0))
        if len(released) == stop:
            break
    return answer.counts, released
