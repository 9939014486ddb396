"""Several workers on gloo: forks, of which this process is one."""

import contextlib
import os

import numpy as np
import pytest
import torch.distributed as dist

from synth.privacy.workers import join


@pytest.fixture
def crew(tmp_path):
    """Runs ``task(workers)`` in ``size`` processes and returns what it gave in each; this process is worker ``me``."""
    made = []

    def run(task, size=3, me=0, dies=(), last_words=lambda _: None):
        made.append(tmp_path / f"store{len(made)}")
        children = {}
        for rank in set(range(size)) - {me}:
            child = os.fork()
            if child == 0:
                try:
                    if rank not in dies:
                        answer = _work(task, made[-1], rank, size)
                        np.save(tmp_path / f"{rank}.npy", answer, allow_pickle=False)
                    else:
                        _work(lambda crew: (last_words(crew), os._exit(1)), made[-1], rank, size)
                finally:
                    os._exit(0)
            children[rank] = child
        try:
            mine = _work(task, made[-1], me, size)
        finally:
            for child in children.values():
                os.waitpid(child, 0)
        return [mine if rank == me else np.load(tmp_path / f"{rank}.npy") for rank in range(size) if rank not in dies]

    return run


def _work(task, store, rank, size):
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=size)
    try:
        return np.asarray(task(join()))
    finally:
        with contextlib.suppress(RuntimeError):
            dist.destroy_process_group()
