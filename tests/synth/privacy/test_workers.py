"""Several processes against one: forked workers on gloo, of which this process is one."""

import os
import socket
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.distributed as dist
from scipy.stats import chi2

from synth.errors import AccountingError, WorkerError
from synth.privacy import workers
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.clipping import Clipping
from synth.privacy.dpsgd import NoisyGradient, SgdPlan
from synth.privacy.ledger import Ledger
from synth.privacy.mechanisms import (
    exact_agreed,
    exact_whole,
    exponential_choice,
    named_values,
    noisy_counts,
    noisy_gradient_sum,
)
from synth.privacy.randomness import Several
from synth.privacy.vault import PrivateTable
from synth.privacy.workers import Workers, join
from synth.table import Domain

ALARM = 1e-7
NO_NOISE = 1e-6  # rounds to nothing


@pytest.mark.parametrize("me", [0, 1])
def test_counts_of_all_workers_get_one_answer(crew, me):
    def task(crew):
        assert isinstance(crew, Several)
        return noisy_counts(np.arange(6).reshape(2, 3) * 10**crew.rank, sigma=NO_NOISE, entropy=crew)

    assert all(np.array_equal(found, np.arange(6).reshape(2, 3) * 111) for found in crew(task, me=me))


@pytest.mark.statistical
def test_noise_is_that_of_one_process_whatever_the_number_of_workers(crew):
    """Sum of squares of 20,000 cells, and all workers hold the same answer; false-alarm rate 2 ALARM."""
    found = crew(lambda crew: noisy_counts(np.zeros(20_000, np.int64), sigma=50.0, entropy=crew))
    assert all(np.array_equal(one, found[0]) for one in found)
    statistic = ((found[0] / 50) ** 2).sum()
    assert chi2.isf(1 - ALARM, 20_000) < statistic < chi2.isf(ALARM, 20_000)


@pytest.mark.parametrize("me", [0, 2])
def test_only_the_lead_learns_exact_sums(crew, me):
    totals = crew(lambda crew: crew.total(np.array([crew.rank + 1]), "counts"), me=me)
    assert [t.tolist() for t in totals] == [[6], [0], [0]]


@pytest.mark.parametrize("me", [0, 1])
def test_values_are_merged_before_a_threshold_is_applied(crew, me):
    held = [{"a": 3, "é\n": 40}, {"a": 4}, {}]

    def task(crew):
        mine = held[crew.rank]
        counts = np.array(list(mine.values()), dtype=np.int64)
        named = named_values(list(mine), counts, sigma=NO_NOISE, threshold=6, entropy=crew)
        own = int(bool(mine))
        numbers = named_values([0.1] * own, np.ones(own, np.int64), sigma=NO_NOISE, threshold=1, entropy=crew)
        return [len(named), named["a"], named["é\n"], numbers[0.1]]

    assert [found.tolist() for found in crew(task, me=me)] == [[2, 7, 40, 2]] * 3


@pytest.mark.parametrize("me", [0, 1])
def test_a_choice_is_made_by_the_scores_of_all_rows(crew, me):
    """Each worker alone would choose another option than all together."""
    held = [[5, 4, 0], [0, 4, 5]]

    def task(crew):
        scores = [Fraction(int(v)) for v in exact_whole(np.array(held[crew.rank]), crew)]
        return exponential_choice(scores, sensitivity=Fraction(1), epsilon=1e4, entropy=crew)

    assert [int(found) for found in crew(task, size=2, me=me)] == [1, 1]


def test_workers_are_alike_or_not(crew):
    found = crew(lambda crew: [crew.alike(b"same"), crew.alike(b"own" * crew.rank)])
    assert [f.tolist() for f in found] == [[True, False]] * 3


def test_a_worker_counts_the_uses_of_its_bytes(crew):
    def task(crew):
        noisy_counts(np.zeros(3, np.int64), sigma=1.0, entropy=crew)
        return crew.reads

    reads = [int(found) for found in crew(task)]
    assert reads[0] > 0
    assert reads[1:] == [0, 0]


def test_work_is_cut_alike(crew):
    assert [int(found) for found in crew(lambda crew: exact_agreed(crew.rank + 5, crew))] == [5, 5, 5]
    assert exact_agreed(3, os.urandom) == 3


def test_one_process_keeps_its_counts():
    counts = np.array([1, 2])
    assert exact_whole(counts, os.urandom) is counts


def test_clipped_sums_are_those_of_one_process(crew, net, loss):
    codes = np.random.default_rng(3).integers(0, 2, (11, 4))
    codes[:, -1] = 0

    def task(crew, rows=None):
        mine = codes[crew.rank * 4 : crew.rank * 4 + 4] if rows is None else rows  # 4, 4 and 3 rows
        module = net()
        plan = SgdPlan(steps=1, sample_rate=0.5, divisor=11.0, clipping=Clipping(kind="adaptive"))
        found = NoisyGradient(module, lambda m, c, _: loss(m, c), plan, 1e-9, lambda: (mine.astype(np.uint16), None), crew)
        for _ in found.steps([]):
            gradient = torch.cat([p.grad.flatten() for p in module.parameters()]).numpy()
        return [*gradient, found.counted, found._clip.norm]

    alone = task(os.urandom, codes)
    for found in crew(task):
        distance = np.linalg.norm(np.array(found[:-2]) - alone[:-2])
        assert distance < 1e-5 * max(1, np.linalg.norm(alone[:-2])) + 3 * 2.0**-14
        assert found[-2:] == pytest.approx(alone[-2:], abs=0.02)  # one cell of the grid is 0.005 of a row's score
        assert abs(alone[-2]) > 1


def test_a_row_moves_a_sum_of_rounded_shards_by_no_more(crew):
    """Its worker alone rounds another number: the bound is that of one process."""
    from synth.privacy.mechanisms import grid_bits, rounded_sensitivity

    size, rng = 40, np.random.default_rng(0)
    base = rng.normal(size=(3, size))
    row = rng.normal(size=size)
    row /= np.linalg.norm(row)

    def task(crew):
        sums = [base[crew.rank] + (crew.rank == 1) * extra for extra in (0, row)]
        return [noisy_gradient_sum(s, max_grad_norm=1.0, noise_multiplier=1e-9, entropy=crew) for s in sums]

    without, with_row = crew(task)[0]
    assert np.linalg.norm(with_row - without) <= rounded_sensitivity(size)
    assert np.linalg.norm(without - base.sum(0)) < 3 * np.sqrt(size) * 2.0 ** -grid_bits(size)


def test_a_row_that_moves_the_borders_between_shards_moves_the_sum_by_no_more(crew):
    """One row more in front, and each worker hands rows to the next: all of them round another number, the same way."""
    from synth.privacy.mechanisms import grid_bits, rounded_sensitivity

    size, grid = 400, 2.0 ** -grid_bits(400)
    row = np.full(size, (np.floor(1 / (np.sqrt(size) * grid)) + 0.06) * grid)
    row /= max(1, np.linalg.norm(row))
    before = [np.full(size, 0.49 * grid)] * 3
    after = [np.full(size, 0.51 * grid)] * 2
    after.append(np.sum(before, axis=0) + row - np.sum(after, axis=0))

    def task(crew):
        sums = before[crew.rank], after[crew.rank]
        return [noisy_gradient_sum(s, max_grad_norm=1.0, noise_multiplier=1e-9, entropy=crew) for s in sums]

    without, with_row = crew(task)[0]
    assert np.linalg.norm(with_row - without) <= rounded_sensitivity(size)


def test_a_sharded_table_answers_like_the_whole(crew):
    codes = np.random.default_rng(1).integers(0, 3, (90, 2))
    domain = Domain(names=("a", "b"), sizes=(3, 3))

    def task(crew):
        book = Ledger(Budget(epsilon=100.0, delta=1e-6))
        book.set_rows(declared_rows(90))
        table = PrivateTable(codes[crew.rank :: 3], domain, declared_rows(90), book, entropy=crew)
        (joint,) = table.noisy_marginals([("a", "b")], share=0.5)
        place = table.choose_table(
            [(("a",), np.bincount(codes[:, 0], minlength=3).astype(float)), (("b",), np.zeros(3))],
            weights=[1.0, 1.0], biases=[0.0, 0.0], epsilon=5.0,
        )  # fmt: skip
        return [*joint.counts.ravel(), place]

    found = crew(task)
    assert np.abs(found[0][:9] - np.histogram2d(codes[:, 0], codes[:, 1], bins=3)[0].ravel()).max() <= 3
    assert found[0][9] == 1
    assert all(np.array_equal(one, found[0]) for one in found)


def test_workers_that_depart_from_each_other_are_stopped(crew):
    def task(crew):
        with pytest.raises(AccountingError, match="depart from each other"):
            noisy_counts(np.zeros(3, np.int64), sigma=1.0 + crew.rank, entropy=crew)
        return 1

    assert [int(found) for found in crew(task)] == [1, 1, 1]


def test_a_lost_worker_ends_the_run_and_the_charge_stands(crew, tmp_path):
    path = tmp_path / "ledger.jsonl"

    def task(crew):
        book = Ledger(Budget(epsilon=1.0, delta=1e-6), path if crew.leads else None)
        book.set_rows(declared_rows(90))
        table = PrivateTable(np.zeros((5, 1), int), Domain(names=("a",), sizes=(2,)), declared_rows(90), book, entropy=crew)
        with pytest.raises(WorkerError, match="another worker of this run is gone"), book.settled():
            table.noisy_marginals([("a",)], share=0.5)
        return len(book.events)

    assert [int(found) for found in crew(task, size=2, dies=(1,))] == [1]
    lines = path.read_text(encoding="utf-8").splitlines()
    assert '"event"' in lines[-2]
    assert '"failed"' in lines[-1]


def test_a_process_alone_joins_nobody(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert join() is None


def test_a_group_of_one_is_alone(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        assert join() is None
    finally:
        dist.destroy_process_group()


def test_a_group_is_set_up_as_torchrun_says(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    child = os.fork()
    monkeypatch.setenv("RANK", "1" if child == 0 else "0")
    if child == 0:
        try:
            join().told(dict)
        finally:
            os._exit(0)
    crew = join()
    try:
        assert (crew.rank, crew.size, crew.leads) == (0, 2, True)
        assert crew.told(lambda: {"a": [1, None]}) == {"a": [1, None]}
        assert len(crew(7)) == 7
    finally:
        os.waitpid(child, 0)
        dist.destroy_process_group()


def test_others_that_cannot_be_found_are_a_sentence(monkeypatch):
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(WorkerError, match="start the run with torchrun"):
        join()


def test_another_backend_gets_a_group_on_the_cpu_beside_it(crew, monkeypatch):
    def task(_):
        monkeypatch.setattr(workers.dist, "get_backend", lambda: "nccl")
        beside = join()
        assert isinstance(beside, Workers)
        values, counts = beside.merged(["a"], np.array([1]))
        return beside.told(lambda: [*values, *counts.tolist()]) == ["a", 3] and beside.total(np.array([1]), "x")[0]

    assert [int(found) for found in crew(task)] == [3, 0, 0]
