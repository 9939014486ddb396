"""Several sites: what leaves one is exact numbers plus all of its noise, never the numbers themselves."""

import json
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import chi2

from synth.errors import AccountingError, SiteError
from synth.privacy import sites as sites_module
from synth.privacy.budget import Budget, declared_rows
from synth.privacy.ledger import Ledger
from synth.privacy.mechanisms import (
    exact_agreed,
    exact_whole,
    exponential_choice,
    grid_bits,
    named_values,
    noisy_counts,
    noisy_gradient_sum,
    noisy_size,
    selection_threshold,
    spread,
)
from synth.privacy.randomness import Apart, Several, os_entropy
from synth.privacy.shares import sigma_for
from synth.privacy.sites import DEPART, FINE, GARBLED, GONE, WRONG, Sites, commitment, gone
from synth.privacy.vault import PrivateTable
from synth.table import Domain

ALARM = 1e-7
NO_NOISE = 1e-6  # rounds to nothing
FACTS = {"schema": "s"}
DOMAIN = Domain(names=("a", "b"), sizes=(2, 2))


def joined(task):
    """A task of a site that has joined."""
    return lambda exchange, rank: task(Sites(exchange, FACTS), rank)


def sent(room, kind):
    """Contents of all messages of a kind, by round and site."""
    split = [[message.partition(b"\n") for message in messages] for messages in room.left]
    return [[part[2] for part in parts] for parts in split if json.loads(parts[0][0])["kind"] == kind]


def test_sites_are_apart_and_not_workers(room):
    def task(sites, rank):
        assert isinstance(sites, Apart)
        assert not isinstance(sites, Several)
        assert len(sites(5)) == 5
        return sites.rank, sites.size, sites.seed, spread(sites), spread(os_entropy)

    assert room(2, seed=9).run(joined(task)) == [(0, 2, 9, 2**0.5, 1.0), (1, 2, 9, 2**0.5, 1.0)]


def test_answers_without_noise_are_those_of_pooled_rows(room):
    """Tables, row count and gradient sums of three sites add up to those of all rows."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, size=(90, 2))
    whole = np.bincount(codes[:, 0] * 3 + codes[:, 1], minlength=9).reshape(3, 3)
    gradients = rng.normal(size=(3, 40)) * 0.1

    def task(sites, rank):
        own = codes[rank::3]
        table = np.bincount(own[:, 0] * 3 + own[:, 1], minlength=9).reshape(3, 3)
        noisy = noisy_gradient_sum(gradients[rank], max_grad_norm=1.0, noise_multiplier=1e-12, entropy=sites)
        size = noisy_size(len(own), sigma=NO_NOISE, entropy=sites)
        return noisy_counts(table, sigma=NO_NOISE, entropy=sites), size, noisy

    for table, size, noisy in room(3).run(joined(task)):
        assert np.array_equal(table, whole)
        assert size == 90
        assert np.abs(noisy - gradients.sum(axis=0)).max() <= 1.5 * 2.0 ** -grid_bits(40)


@pytest.mark.statistical
def test_what_leaves_is_exact_plus_the_whole_noise_and_the_answer_has_the_noise_of_all(room):
    """Sums of squares over 20,000 cells a site, and of the answer; false-alarm rate at most 8 ALARM."""
    cells, sigma = 20_000, 50.0
    held = [np.arange(cells) % 97 * (rank + 1) for rank in range(3)]
    here = room(3)
    answers = here.run(joined(lambda sites, rank: noisy_counts(held[rank], sigma=sigma, entropy=sites)))
    (messages,) = sent(here, "sum")
    noise = [np.frombuffer(content, dtype="<i8") - exact for content, exact in zip(messages, held, strict=True)]
    for own in noise:
        assert chi2.isf(1 - ALARM, cells) < ((own / sigma) ** 2).sum() < chi2.isf(ALARM, cells)
    assert all(np.array_equal(answer, sum(held) + sum(noise)) for answer in answers)
    total = (sum(noise) / (sigma * spread(Sites(lambda m: FINE + b'{"rank":0,"size":3,"seed":1}', FACTS)))) ** 2
    assert chi2.isf(1 - ALARM, cells) < total.sum() < chi2.isf(ALARM, cells)


def bytes_that_left(room):
    return b"".join(message for messages in room.left for message in messages)


def test_nothing_else_leaves_a_site(room):
    """All messages of counting, a table and a name; noise is 0 with a chance below 1e-10 a number."""
    held = np.array([123456, 234567, 345678])

    def task(sites, rank):
        noisy_size(987654, sigma=1e10, entropy=sites)
        noisy_counts(held, sigma=1e10, entropy=sites)
        return named_values(["often", "rare"], np.array([500_000, 3]), sigma=10.0, threshold=100, entropy=sites)

    here = room(3)
    assert all(list(named) == ["often"] for named in here.run(joined(task)))
    assert here.kinds == ["join", "commit", "open", "sum", "name"]
    left = bytes_that_left(here)
    assert b"rare" not in left
    assert not any(
        np.array([number], dtype="<i8").tobytes() in left for number in [987654, *held]
    )  # chance below 1e-2: see next
    assert b"987654" not in left


def test_values_have_to_be_named_by_every_site(room):
    held = [{"a": 40, "b": 50, "c": 2}, {"a": 60, "b": 3}, {"a": 50, "d": 80}]

    def task(sites, rank):
        mine = held[rank]
        counts = np.array(list(mine.values()), dtype=np.int64)
        numbers = named_values([0.1], np.array([30]), sigma=NO_NOISE, threshold=6, entropy=sites)
        return named_values(list(mine), counts, sigma=NO_NOISE, threshold=6, entropy=sites), numbers

    here = room(3)
    assert here.run(joined(task)) == [({"a": 150}, {0.1: 90})] * 3
    assert [sorted(v for v, _ in json.loads(one)) for one in sent(here, "name")[1]] == [["a", "b"], ["a"], ["a", "d"]]


def test_thresholds_are_those_of_a_single_release():
    """A site's names leave it: its threshold has to do alone, however many sites there are."""
    assert selection_threshold(10.0, 1e-8) > 10.0 * 5.6


def test_exact_scores_are_nobodys(room):
    def task(sites, rank):
        assert exact_agreed(17, sites) == 1
        with pytest.raises(AccountingError, match="no site may know"):
            exact_whole(np.array([1, 2]), sites)
        with pytest.raises(AccountingError, match="no site may know"):
            exponential_choice([Fraction(1)], sensitivity=Fraction(1), epsilon=1.0, entropy=sites)
        return True

    assert room(2).run(joined(task)) == [True, True]


def test_measurements_say_the_noise_that_is_in_them(room):
    """The ledger has what one site added, the measurement what all of them did."""

    def task(sites, rank):
        ledger = Ledger(Budget(epsilon=1.0, delta=1e-6))
        ledger.set_rows(declared_rows(1000))
        table = PrivateTable(np.zeros((5, 2), dtype=np.int32), DOMAIN, ledger.rows, ledger, (), sites)
        (found,) = table.noisy_marginals([("a",)], share=0.25)
        assert ledger.events[0].sigma == pytest.approx(sigma_for(ledger, 0.25))
        return float(found.sigma) / ledger.events[0].sigma, found.counts.tolist(), table.coarsen([np.array([0, 0])] * 2).spread

    (ratio, counts, coarse), other = room(2).run(joined(task))
    assert ratio == pytest.approx(2**0.5)
    assert coarse == pytest.approx(2**0.5)
    assert other[1] == counts


def test_sites_that_ask_other_questions_are_stopped(room):
    here = room(2)
    errors = here.run(joined(lambda sites, rank: noisy_counts(np.zeros(2 + rank, np.int64), sigma=1.0, entropy=sites)))
    assert [str(e) for e in errors] == [DEPART] * 2
    errors = room(2).run(joined(lambda sites, rank: sites.agree("the weather", str(rank))))
    assert all("differ in the weather" in str(e) for e in errors)
    assert room(2).run(joined(lambda sites, rank: sites.agree("the weather", "fine"))) == [None, None]


def test_a_site_that_is_gone_ends_the_run(room):
    def task(sites, rank):
        if rank == 1:
            raise ValueError("secret 42")
        return sites.pooled(np.zeros(1, np.int64), "")

    here = room(3)
    found = here.run(joined(task))
    assert [str(found[0]), str(found[2])] == [GONE] * 2
    assert b"42" not in bytes_that_left(here)


@pytest.mark.parametrize("same", [True, False])
def test_the_first_site_hands_in_the_release(room, same):
    here = room(2)
    found = here.run(joined(lambda sites, rank: sites.close("x" if same else f"x{rank}", b"file\n%d" % rank)))
    assert found == [same] * 2
    assert here.release == b"file\n0"


# --- a coordinator, or another site, that does not keep to the rules


class Liar:
    """Answers as told; joins honestly."""

    def __init__(self, *told, rank=0, size=2):
        self.told, self.heard = list(told), []
        self.first = FINE + json.dumps({"rank": rank, "size": size, "seed": 1}).encode()

    def __call__(self, message):
        self.heard.append(message)
        if len(self.heard) == 1:
            return self.first
        told = self.told.pop(0)
        return told(self.heard) if callable(told) else told


@pytest.mark.parametrize(
    "told",
    [
        b"+{",
        b"+[]",
        b"+" + b"[" * 100_000,
        b'+{"rank": 0}',
        b'+{"rank": "x", "size": 2, "seed": 1}',
        b'+{"rank":2,"size":2,"seed":1}',
        b'+{"rank":0,"size":1e999,"seed":1}',
        b'+{"rank":0,"size":10000000,"seed":1}',
        b'+{"rank":0,"size":2,"seed":-1}',
    ],
)
def test_joining_somebody_who_makes_no_sense(told):
    with pytest.raises(SiteError) as error:
        Sites(lambda message: told, FACTS)
    assert str(error.value) == GARBLED


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (WRONG + b"a sentence", "a sentence"),
        (b"", GARBLED),
        (b"-", GARBLED),
        (b"-\x1b[2J", GARBLED),
        (b"-" + b"x" * 501, GARBLED),
    ],
)
def test_refusals_are_shown_only_where_they_are_harmless(told, text):
    with pytest.raises(SiteError) as error:
        Sites(lambda message: told, FACTS)
    assert str(error.value) == text


def test_sums_of_another_shape_are_not_taken():
    with pytest.raises(SiteError, match="cannot be"):
        Sites(Liar(FINE + b"1234567"), FACTS).pooled(np.zeros(1, np.int64), "")


def test_only_what_a_site_named_comes_back():
    told = FINE + json.dumps([["a", 7], ["poison", 10**6]]).encode()
    assert Sites(Liar(told), FACTS).shared([("a", 3), ("b", 4)], "") == [("a", 7)]


@pytest.mark.parametrize("told", [b"7", b'[["a"]]', b'[["a", "x"]]', b"[[[], 1]]", b'[["a", 1e999]]'])
def test_names_that_make_no_sense(told):
    with pytest.raises(SiteError, match="cannot be"):
        Sites(Liar(FINE + told), FACTS).shared([("a", 3)], "")


def listed(*texts):
    return FINE + json.dumps(list(texts)).encode()


def content(message):
    return message.partition(b"\n")[2].decode()


ABOUT = "(1,) 2.0"
OTHERS = b"\0" * 32 + np.array([5], dtype="<i8").tobytes()
PROMISED = commitment(1, ABOUT, OTHERS)


def own_first(heard):
    return listed(content(heard[1]), PROMISED)


def counted(*told):
    return Sites(Liar(*told), FACTS).committed(np.array([3]), 2.0)


def test_an_honest_count():
    assert counted(own_first, lambda heard: listed(content(heard[2]), OTHERS.hex())).tolist() == [8]


@pytest.mark.parametrize(
    "told",
    [
        [FINE + b"7"],
        [FINE + b"[7]"],
        [listed("mine is missing", PROMISED)],
        [lambda heard: listed(content(heard[1]))],
        [own_first, lambda heard: listed(content(heard[2]))],
        [own_first, lambda heard: listed("00", OTHERS.hex())],
        [own_first, lambda heard: listed(content(heard[2]), "no hex")],
    ],
)
def test_a_count_that_makes_no_sense(told):
    with pytest.raises(SiteError, match="cannot be"):
        counted(*told)


def test_nobody_chooses_a_count_after_seeing_another():
    """Neither by opening something else, nor by copying a commitment together with its opening."""
    later = OTHERS[:32] + np.array([10**6], dtype="<i8").tobytes()
    with pytest.raises(SiteError, match="changed its row count"):
        counted(own_first, lambda heard: listed(content(heard[2]), later.hex()))
    with pytest.raises(SiteError, match="changed its row count"):
        counted(lambda heard: listed(*[content(heard[1])] * 2), lambda heard: listed(*[content(heard[2])] * 2))


@pytest.mark.parametrize(("number", "possible"), [(0, True), (-11, True), (-13, False), (-(10**6), False)])
def test_others_have_no_fewer_rows_than_none(number, possible):
    """Within six standard deviations: a common number far below a site's own would steer its rates beyond what it has."""
    others = OTHERS[:32] + np.array([number], dtype="<i8").tobytes()
    told = lambda heard: listed(content(heard[1]), commitment(1, ABOUT, others))  # noqa: E731
    asked = told, lambda heard: listed(content(heard[2]), others.hex())
    if possible:
        assert counted(*asked).tolist() == [3 + number]
        return
    with pytest.raises(SiteError, match="counts of the other sites cannot be"):
        counted(*asked)


def test_a_commitment_hides_what_is_opened_later():
    """Two commitments to one number have nothing in common, and the number is not among the bytes sent."""
    liars = [Liar(own_first, lambda heard: listed(content(heard[2]), OTHERS.hex())) for _ in range(2)]
    for liar in liars:
        Sites(liar, FACTS).committed(np.array([3]), 2.0)
    first, second = (content(liar.heard[1]) for liar in liars)
    assert first != second
    assert len(first) == 64
    assert gone().endswith(b"\n")
    assert sites_module.NONCE == 32
