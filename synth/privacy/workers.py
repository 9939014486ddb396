"""Several processes, each with its own rows, that answer as one: exact sums add up at the lead, which alone draws noise.

Every worker runs the same fit on its shard. Wherever a mechanism gets an exact sum, the workers' sums are added at the lead
(worker 0), which adds noise once and tells the noisy answer to all; so all go on with the same public figures. Each row is
sampled where it lies, from its worker's own operating-system entropy: Poisson samples of shards are a Poisson sample of all
rows. All sums are integers, and add up exactly, however the rows are cut into shards. Only clipped sums are rounded by each
worker, to a grid that is finer the more workers there are (``mechanisms.noisy_gradient_sum``).

What crosses the network is exact: sums, and for partition selection counts by value, on their way to the lead. All workers
belong to whoever may see the rows, and their network is theirs; the guarantee is about what the lead releases.

Transport is ``torch.distributed`` with gloo, as noise is drawn on the CPU whatever the rows are trained on.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist

from synth.errors import AccountingError, WorkerError
from synth.privacy.randomness import FreshBytes, Value
from synth.processes import several

IntArray = npt.NDArray[np.int64]

LEAD = 0
PATIENCE = timedelta(hours=2)  # reading may take one worker longer than another


class Workers:
    """The processes of one run. Call it like ``os_entropy``: its bytes are this process's own.

    Attributes:
        rank: Of this process, from 0.
        size: Number of processes.
    """

    def __init__(self, group: Any = None) -> None:
        """Of a ``torch.distributed`` process group on the CPU; by default the one that was initialised."""
        self._group = group
        self._asked, self._own = 0, FreshBytes()
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)

    def __call__(self, n_bytes: int) -> bytes:
        """Bytes of this process's own. Secret."""
        return self._own(n_bytes)

    @property
    def reads(self) -> int:
        """How often its own bytes were asked for. Public."""
        return self._own.reads

    @property
    def leads(self) -> bool:
        """Whether this is the worker that draws noise and writes."""
        return self.rank == LEAD

    def total(self, exact: IntArray, asked: str) -> IntArray:
        """Sum over all workers, at the lead; zeros elsewhere. Private.

        Args:
            exact: Of this worker's rows.
            asked: Public text about the question; all workers must say the same.

        Raises:
            AccountingError: The workers do not ask the same question.
            WorkerError: One is gone.
        """
        self._asked += 1
        if not self.alike(f"{self._asked} {exact.shape} {asked}".encode()):
            raise AccountingError("the workers depart from each other; run them on machines and versions alike")
        parts = torch.from_numpy(exact.ravel().copy())
        with _together():
            dist.reduce(parts, self._global(LEAD), group=self._group)
        return parts.numpy().reshape(exact.shape) if self.leads else np.zeros_like(exact)

    def alike(self, exact: bytes) -> bool:
        """Whether all workers hold the same bytes; nothing else leaves a worker but their digest. Private."""
        digest = int.from_bytes(hashlib.sha256(exact).digest()[:7], "big")
        both = torch.tensor([digest, -digest])
        with _together():
            dist.all_reduce(both, dist.ReduceOp.MAX, group=self._group)
        return int(both[0]) == -int(both[1])

    def merged(self, values: Sequence[Value], exact_counts: IntArray) -> tuple[list[Value], IntArray]:
        """Counts by value of all workers, in order, at the lead; nothing elsewhere. Private."""
        told = json.dumps([list(values), exact_counts.tolist()]).encode()
        if not self.leads:
            with _together():
                self._send(told)
            return [], np.empty(0, dtype=np.int64)
        counts: dict[Value, int] = {}
        for rank in range(self.size):
            with _together():
                theirs = told if rank == LEAD else self._receive(rank)
            for value, count in zip(*json.loads(theirs), strict=True):
                counts[value] = counts.get(value, 0) + count
        found = sorted(counts)
        return found, np.array([counts[value] for value in found], dtype=np.int64)

    def told(self, answer: Callable[[], Any]) -> Any:
        """What the lead answers, to all: an array, or plain JSON. Only the lead asks ``answer``. Public.

        Raises:
            WorkerError: One is gone.
        """
        message = _packed(answer()) if self.leads else b""
        with _together():
            length = torch.tensor([len(message)])
            dist.broadcast(length, self._global(LEAD), group=self._group)
            content = _tensor(message) if self.leads else torch.empty(int(length[0]), dtype=torch.uint8)
            dist.broadcast(content, self._global(LEAD), group=self._group)
        return _unpacked(content.numpy().tobytes())

    def _send(self, message: bytes) -> None:
        dist.send(torch.tensor([len(message)]), self._global(LEAD), group=self._group)
        dist.send(_tensor(message), self._global(LEAD), group=self._group)

    def _receive(self, rank: int) -> bytes:
        length = torch.zeros(1, dtype=torch.int64)
        dist.recv(length, self._global(rank), group=self._group)
        content = torch.empty(int(length[0]), dtype=torch.uint8)
        dist.recv(content, self._global(rank), group=self._group)
        return content.numpy().tobytes()

    def _global(self, rank: int) -> int:
        return rank if self._group is None else dist.get_global_rank(self._group, rank)


def join() -> Workers | None:
    """The run that this process belongs to, as ``torchrun``, Slurm or Ray Train set it up; ``None`` for a process alone.

    Raises:
        WorkerError: The others do not come.
    """
    if dist.is_available() and dist.is_initialized():
        if dist.get_world_size() == 1:
            return None
        return Workers(None if dist.get_backend() == "gloo" else dist.new_group(backend="gloo", timeout=PATIENCE))
    if not several():
        return None
    try:
        dist.init_process_group("gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise WorkerError(
            f"cannot join the other workers ({type(error).__name__}); start the run with torchrun, or unset WORLD_SIZE"
        ) from None
    return Workers()


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise WorkerError(
            f"another worker of this run is gone ({type(error).__name__}); see its own message. What was charged stays charged"
        ) from None


def _tensor(message: bytes) -> torch.Tensor:
    return torch.from_numpy(np.frombuffer(message, dtype=np.uint8).copy())


def _packed(answer: Any) -> bytes:
    if not isinstance(answer, np.ndarray):
        return b"J" + json.dumps(answer, allow_nan=False).encode()
    sink = io.BytesIO()
    np.save(sink, answer, allow_pickle=False)
    return b"A" + sink.getvalue()


def _unpacked(message: bytes) -> Any:
    if message[:1] == b"J":
        return json.loads(message[1:])
    return np.load(io.BytesIO(message[1:]), allow_pickle=False)
