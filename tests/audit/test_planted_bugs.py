"""The audit is audited: bugs are planted in the production code, and each must be contradicted by a check.

The unmodified code passes the same checks; each errs with a chance below 1e-6, so that all of them together raise a false alarm
in one of ten thousand runs at most. Patches reach into private names on purpose: a bug would sit there.
"""

import hashlib
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import synth.models.dpvae
import synth.privacy.accounting
import synth.privacy.ballot as ballot
import synth.privacy.cells as cells
import synth.privacy.clipping as clipping
import synth.privacy.dpsgd as dpsgd
import synth.privacy.frame as frame
import synth.privacy.ingest as ingest
import synth.privacy.local as local
import synth.privacy.mechanisms as mechanisms
import synth.privacy.minimizer as minimizer
import synth.privacy.prepare as prepare
import synth.privacy.signs as signs
import synth.privacy.sites as sites
import synth.privacy.units as units
import synth.privacy.vault as vault
import synth.privacy.whole as whole
from evaluation.audit.checks import CHECKS
from evaluation.audit.families import watched_fit
from evaluation.audit.probes import LOUD
from synth.privacy import exact
from synth.privacy.budget import RowCount
from synth.privacy.events import GaussianEvent
from synth.privacy.journal import KeptStepCount
from synth.privacy.kept import KeptLedger
from synth.privacy.ledger import Ledger
from synth.privacy.randomness import Apart

BUGS = {}


def bug(name, check):
    """Register a planted bug with the check that has to see it."""

    def register(plant):
        BUGS[name] = (check, plant)
        return plant

    return register


class Stream:
    """Entropy that a seed decides; starts again after ``period`` draws, if given."""

    def __init__(self, seed, period=None):
        self.seed, self.draws, self.period = seed, 0, period

    def __call__(self, n_bytes):
        place = self.draws if self.period is None else self.draws % self.period
        self.draws += 1
        return hashlib.shake_128(f"{self.seed}/{place}".encode()).digest(n_bytes)


def less_noise(patch, factor):
    """``rounded_gaussian`` with ``factor`` times the noise."""
    real = mechanisms.rounded_gaussian
    patch.setattr(mechanisms, "rounded_gaussian", lambda size, sigma, entropy: real(size, factor * sigma, entropy))


@bug("noise halved", "gradients")
def _(patch):
    less_noise(patch, 0.5)


@bug("noise 20 % too small", "gradients")
def _(patch):
    less_noise(patch, 0.8)


@bug("noise of tables halved", "tables")
def _(patch):
    less_noise(patch, 0.5)


@bug("Laplace noise halved", "laplace tables")
def _(patch):
    real = mechanisms.two_sided_geometric
    patch.setattr(mechanisms, "two_sided_geometric", lambda size, scale, entropy: real(size, scale / 2, entropy))


@bug("a gradient over all rows that is not clipped", "whole gradient")
def _(patch):
    real = whole.whole_plan
    patch.setattr(whole, "whole_plan", lambda rows, norm, cap=1: real(rows, 5 * norm, cap))
    noise = whole.one_gradient
    patch.setattr(whole, "one_gradient", lambda m, o, p, e, *rest: noise(m, o, p, replace(e, sigma=e.sigma / 5), *rest))


@bug("noise of a gradient over all rows halved", "whole gradient")
def _(patch):
    real = whole.one_gradient
    patch.setattr(whole, "one_gradient", lambda m, o, p, e, *rest: real(m, o, p, replace(e, sigma=e.sigma / 2), *rest))


@bug("noise of trained weights halved", "minimizer")
def _(patch):
    less_noise(patch, 0.5)


@bug("sensitivity of trained weights taken for a fourth", "minimizer")
def _(patch):
    patch.setattr(minimizer, "LIPSCHITZ", minimizer.LIPSCHITZ / 4)


@bug("cells kept as if epsilon were half as much again", "randomised words")
def _(patch):
    real = local.response_of
    patch.setattr(local, "response_of", lambda size, epsilon: real(size, 1.5 * epsilon))


@bug("noise of randomised numbers halved", "randomised numbers")
def _(patch):
    real = cells.two_sided_geometric
    patch.setattr(cells, "two_sided_geometric", lambda size, scale, entropy: real(size, scale / 2, entropy))


@bug("noise missing after the first step", "gradients")
def _(patch):
    real, calls = dpsgd.noisy_gradient_sum, []

    def first_only(exact_sum, *, max_grad_norm, noise_multiplier, entropy):
        calls.append(1)
        if len(calls) == 1:
            return real(exact_sum, max_grad_norm=max_grad_norm, noise_multiplier=noise_multiplier, entropy=entropy)
        return exact_sum

    patch.setattr(dpsgd, "noisy_gradient_sum", first_only)


@bug("sampling rate doubled, not accounted", "gradients")
def _(patch):
    real = units.poisson_sample
    patch.setattr(units, "poisson_sample", lambda n, rate, entropy: real(n, min(1.0, 2 * rate), entropy))


@bug("shuffling instead of Poisson sampling", "sampling")
def _(patch):
    left = []

    def shuffled(n, rate, entropy):
        size = round(n * rate)
        if len(left) < size:
            seed = np.frombuffer(entropy(32), dtype=np.uint32).tolist()
            left[:] = np.random.default_rng(seed).permutation(n).tolist()
        return np.array([left.pop() for _ in range(size)], dtype=np.int64)

    patch.setattr(units, "poisson_sample", shuffled)


@bug("tries are not held to what the event says of them", "best of tries")
def _(patch):
    import synth.privacy.attempts as attempts

    real = attempts.AttemptLedger._grant

    def generous(self, budget):
        real(self, replace(budget, epsilon=40.0))

    patch.setattr(attempts.AttemptLedger, "_grant", generous, raising=False)
    patch.setattr(attempts.AttemptLedger, "_check", lambda self, events: None)


@bug("no clipping", "gradients")
def _(patch):
    patch.setattr(clipping, "clip_factors", lambda squared, c: torch.ones_like(squared.double()))


@bug("clipping per batch", "gradients")
def _(patch):
    def whole(squared, c):
        total = float(squared.double().sum().sqrt())
        return torch.full_like(squared.double(), min(1.0, c * squared.shape[1] / max(total, 1e-30)))

    patch.setattr(clipping, "clip_factors", whole)


@bug("real and fake rows clipped together (sensitivity 2C)", "sensitivity")
def _(patch):
    real, fakes = dpsgd.exact_closed_form_sum, 8

    def paired(module, loss, codes, c, weights=None, kind="flat"):
        codes, fake = codes[weights > 0], np.zeros(sum(p.numel() for p in module.parameters()))  # without what fills the chunk
        fake[5 + 4] = -LOUD / 2  # weight from input 4 to output 0 of the probe, where the loud row of the check is
        total = np.zeros(len(fake))
        for i in range(max(len(codes), fakes)):
            own = real(module, loss, codes[i : i + 1], 1e9)[0] if i < len(codes) else np.zeros(len(fake))
            both = own + (fake if i < fakes else 0)
            total += both * min(1.0, c / max(float(np.linalg.norm(both)), 1e-30))
        return total, 0.0

    patch.setattr(dpsgd, "exact_closed_form_sum", paired)


@bug("gradient divided by the realised batch size", "sensitivity")
def _(patch):
    real, sampled, sizes = dpsgd.noisy_gradient_sum, units.poisson_sample, []

    def counted(n, rate, entropy):
        found = sampled(n, rate, entropy)
        sizes.append(len(found))
        return found

    def divided(exact_sum, **options):
        return real(exact_sum, **options) * 4 / max(sizes[-1], 1)

    patch.setattr(units, "poisson_sample", counted)
    patch.setattr(dpsgd, "noisy_gradient_sum", divided)


@bug("count of unclipped rows not noised", "clipping")
def _(patch):
    real = dpsgd.noisy_gradient_sum

    def bare(exact_sum, **options):
        return np.append(real(exact_sum, **options)[:-1], exact_sum[-1])

    patch.setattr(dpsgd, "noisy_gradient_sum", bare)


@bug("adaptive norm from the exact count", "clipping")
def _(patch):
    real, seen = dpsgd.noisy_gradient_sum, []

    def noted(exact_sum, **options):
        seen.append(float(exact_sum[-1]))
        return real(exact_sum, **options)

    learn = clipping.ClipState.learn
    patch.setattr(dpsgd, "noisy_gradient_sum", noted)
    patch.setattr(clipping.ClipState, "learn", lambda self, share: learn(self, (1 + seen[-1] / 1000) / 2))


@bug("norms of layers add up to more than the norm", "clipping")
def _(patch):
    patch.setattr(clipping, "layer_norm", lambda norm, layers: norm)


@bug("count left out of the sensitivity", "clipping")
def _(patch):
    patch.setattr(dpsgd, "joint_norm", lambda norm, weight: norm)


@bug("count by row without a person's weights", "clipping")
def _(patch):
    real = dpsgd.exact_closed_form_sum

    def unweighed(module, loss, codes, norm, weights=None, kind="flat"):
        return real(module, loss, codes, norm, weights, kind)[0], real(module, loss, codes, norm, weights.sign(), kind)[1]

    patch.setattr(dpsgd, "exact_closed_form_sum", unweighed)


@bug("normalized by the mean norm of the batch", "clipping")
def _(patch):
    patch.setattr(clipping, "scale_factors", lambda squared, c: torch.full_like(squared, c / float(squared.sqrt().mean())))


@bug("empty batch skipped", "every step")
def _(patch):
    real = dpsgd.NoisyGradient.step

    def step(self):
        batch, _ = self._exact_batch()
        if len(batch) == 0:
            self._left -= 1
            if self._left < 0:
                raise dpsgd.AccountingError("all steps used")
            return
        real(self)

    patch.setattr(dpsgd.NoisyGradient, "step", step)


@bug("more steps than charged (resume loses count)", "every step")
def _(patch):
    real = dpsgd.NoisyGradient.step

    def step(self):
        real(self)
        self._left += 1

    patch.setattr(dpsgd.NoisyGradient, "step", step)


def seeded(patch, stream):
    """Every table takes its entropy from ``stream()``."""
    real = vault.PrivateTable.__init__

    def init(self, codes, domain, rows, ledger, measured=(), entropy=None, units=None):
        real(self, codes, domain, rows, ledger, measured, stream() if entropy is None else entropy, units)

    patch.setattr(vault.PrivateTable, "__init__", init)


@bug("seed reused for the noise", "fresh noise")
def _(patch):
    seeded(patch, lambda: Stream(7))


@bug("resume replays the noise", "fresh noise")
def _(patch):
    fresh = iter(range(10**9))
    seeded(patch, lambda: Stream(("run", next(fresh)), period=40))


@bug("resume starts the stream of noise again", "interruption")
def _(patch):
    real = vault.PrivateTable.__init__

    def init(self, codes, domain, rows, ledger, measured=(), entropy=None, *rest):
        real(self, codes, domain, rows, ledger, measured, Stream(ledger.run) if entropy is None else entropy, *rest)

    patch.setattr(vault.PrivateTable, "__init__", init)


@bug("resume trusts the checkpoint, not the ledger, for steps drawn", "interruption")
def _(patch):
    real = KeptStepCount.__init__

    def init(self, steps, drawn, write, journal):
        real(self, steps, drawn if drawn <= 27 else 27, write, journal)

    patch.setattr(KeptStepCount, "__init__", init)


@bug("steps are counted after they are drawn", "interruption")
def _(patch):
    def take(self):
        self._taken += 1

    def keep(self, state):
        if self._taken == min(self._counted + self._block, self._steps):
            self._write(self._taken)
            self._counted = self._taken
            self._journal.keep_state(state)

    patch.setattr(KeptStepCount, "take", take)
    patch.setattr(KeptStepCount, "keep", keep)


@bug("resume draws an answer again on its old charge", "interruption")
def _(patch):
    real = KeptLedger.ask
    patch.setattr(KeptLedger, "ask", lambda self, *e, draw, about="": (real(self, *e, draw=draw, about=about), draw())[1])


@bug("bounds from data", "refits")
def _(patch):
    def learnt(rows, declared, columns):
        raw = {c.name: next(rows._PrivateFrame__rows.cells(c.name)) for c in columns}
        return tuple(
            replace(c, bounds=(float(raw[c.name].astype(float).min()), float(raw[c.name].astype(float).max())))
            if c.needs_bounds else c
            for c in columns
        )  # fmt: skip

    patch.setattr(prepare, "_learn_bounds", learnt)


@bug("categories from data", "refits")
def _(patch):
    patch.setattr(frame, "named_values", lambda values, counts, **_: {v: int(c) for v, c in zip(values, counts, strict=True)})


@bug("row count exact in the artifact", "refits")
def _(patch):
    real = prepare._count_rows

    def counted(rows):
        found = real(rows)
        kept = RowCount(
            estimate=sum(rows._PrivateFrame__rows.exact_sizes()), rung=found.rung, highest=found.highest, public=found.public
        )
        rows.ledger.rows = kept
        return kept

    patch.setattr(prepare, "_count_rows", counted)


@bug("missing rate from data", "missing")
def _(patch):
    real = frame.PrivateFrame.noisy_levels

    def levels(self, column, split, *, mu):
        found, _, sigma = real(self, column, split, mu=mu)
        gone = (next(self._PrivateFrame__rows.cells(column.name)).astype(str) == "").sum()
        return found, float(gone), sigma

    patch.setattr(frame.PrivateFrame, "noisy_levels", levels)


@bug("sensitivity of a histogram's levels forgotten", "histogram")
def _(patch):
    patch.setattr(frame, "math", SimpleNamespace(sqrt=lambda _: 1.0))


@bug("sensitivity of products of signs forgotten", "signed tables")
def _(patch):
    patch.setattr(signs, "math", SimpleNamespace(sqrt=lambda x: 1.0 if x == 64 else math.sqrt(x)))


@bug("every teacher sees all rows", "votes")
def _(patch):
    real = ballot.residual_sums
    patch.setattr(ballot, "residual_sums", lambda *a: np.repeat(real(*a).sum(0, keepdims=True), a[1].teachers, axis=0))


@bug("teachers' parts overlap: each row has two teachers", "votes")
def _(patch):
    real = ballot.residual_sums

    def shared(*question):
        sums = real(*question)
        return sums + np.roll(sums, 1, axis=0)

    patch.setattr(ballot, "residual_sums", shared)


@bug("sensitivity of one question charged for all", "votes")
def _(patch):
    patch.setattr(ballot.Ballot, "sensitivity", 1.0)


@bug("noise of votes too small by a factor of two", "votes")
def _(patch):
    less_noise(patch, 0.5)


@bug("exponential mechanism with half the sensitivity", "choices")
def _(patch):
    real = vault.exponential_choice

    def bold(scores, *, sensitivity, epsilon, entropy):
        return real(scores, sensitivity=sensitivity / 2, epsilon=epsilon, entropy=entropy)

    patch.setattr(vault, "exponential_choice", bold)


@bug("ledger entry forgotten", "tables")
def _(patch):
    real = Ledger.charge

    def charge(self, *events):
        kept = [e for e in events if not (isinstance(e, GaussianEvent) and e.what == "one-way table")]
        if kept:
            real(self, *kept)

    patch.setattr(Ledger, "charge", charge)


@bug("delta of partition selection not charged", "categories")
def _(patch):
    patch.setattr(synth.privacy.accounting, "selection_delta", lambda events: 0.0)


@bug("threshold of partition selection too low", "single numbers")
def _(patch):
    patch.setattr(
        frame, "selection_threshold", lambda sigma, delta, **more: mechanisms.selection_threshold(sigma, 20 * delta, **more)
    )


@bug("a row counts once for each public row that it equals", "shared rows")
def _(patch):
    real = frame.exact_digests
    patch.setattr(frame, "exact_digests", lambda *asked: (np.repeat(part, 4) for part in real(*asked)))


def noise_of_a_site(patch, part):
    """Each site adds ``part(noise, size)`` to its exact integers."""
    real = mechanisms._noisy

    def noisy(exact_counts, asked, entropy, draw):
        whole = real(exact_counts, asked, entropy, draw)
        return exact_counts + part(whole - exact_counts, entropy.size) if isinstance(entropy, Apart) else whole

    patch.setattr(mechanisms, "_noisy", noisy)


@bug("noise shared out among the sites", "sites")
def _(patch):
    noise_of_a_site(patch, lambda noise, size: np.rint(noise / math.sqrt(size)).astype(np.int64))


@bug("a site leaves the noise to whoever adds up", "sites' gradients")
def _(patch):
    noise_of_a_site(patch, lambda noise, size: 0 * noise)


@bug("a site tells its row count before the others are bound to theirs", "sites' row count")
def _(patch):
    patch.setattr(sites.Sites, "committed", sites.Sites.pooled)


@bug("a row count is bound to without a nonce", "sites' row count")
def _(patch):
    real = sites.os_entropy
    patch.setattr(sites, "os_entropy", lambda n: bytes(n) if n == sites.NONCE else real(n))


@bug("openings are not held against what was promised", "sites' row count")
def _(patch):
    def trusting(self, noisy, asked):
        about, opening = f"{noisy.shape} {asked}", sites.os_entropy(sites.NONCE) + noisy.astype("<i8").tobytes()
        self._ask("commit", about, sites.commitment(self.rank, about, opening).encode())
        shown = sites._texts(self._ask("open", about, opening.hex().encode()))
        return np.asarray(sum(sites._numbers(bytes.fromhex(text)[sites.NONCE :], noisy.shape) for text in shown))

    patch.setattr(sites.Sites, "committed", trusting)


@bug("what binds a site does not name it", "sites' row count")
def _(patch):
    real = sites.commitment
    patch.setattr(sites, "commitment", lambda rank, about, opening: real(0, about, opening))


@bug("entity declared but rows protected", "unit")
def _(patch):
    real = ingest.open_frame
    none = {"entity": None, "max_rows_per_entity": None, "public_entities": None, "public_rows": 600}
    patch.setattr("synth.api.open_frame", lambda f, schema, *rest, **more: real(f, replace(schema, **none), *rest, **more))
    patch.setattr("synth.api.completed", lambda schema, learnt: schema)


@bug("weights of a person's rows forgotten", "persons")
def _(patch):
    real = units.PrivacyUnits.exact_weights
    patch.setattr(units.PrivacyUnits, "exact_weights", lambda self: (real(self) > 0) * self.scale)


@bug("rows of a person beyond the cap count as well", "persons")
def _(patch):
    def shared(self):
        owner, weights = self._PrivacyUnits__owner, self._PrivacyUnits__weights
        return np.where(owner < 0, weights.max(), weights)

    patch.setattr(units.PrivacyUnits, "exact_weights", shared)


@bug("clipping by row without a person's weights", "persons' gradients")
def _(patch):
    real = units.PrivacyUnits.exact_batch
    patch.setattr(units.PrivacyUnits, "exact_batch", lambda self, taken: (real(self, taken)[0], None))


@bug("rows sampled instead of persons", "persons' gradients")
def _(patch):
    def by_row(self, taken):
        owner, rate = self._PrivacyUnits__owner, len(taken) / max(self.exact_count(), 1)
        return np.flatnonzero(np.random.default_rng().random(len(owner)) < rate), None

    patch.setattr(units.PrivacyUnits, "exact_batch", by_row)


@pytest.fixture
def no_cached_claims():
    """Curves are cached by event; a bug in the accountant must not meet curves from before, nor leave its own behind."""
    from evaluation.audit.claims import _claim_of

    _claim_of.cache_clear()
    yield
    _claim_of.cache_clear()


@pytest.mark.statistical
@pytest.mark.usefixtures("no_cached_claims")
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name, monkeypatch, record_property):
    check, plant = BUGS[name]
    plant(monkeypatch)
    found = CHECKS[check].contradicted(np.random.default_rng())
    record_property("planted bug", (name, check, found))
    assert found


@pytest.mark.statistical
@pytest.mark.parametrize("name", sorted({check for check, _ in BUGS.values()}))
def test_correct_code_passes_the_same_check(name):
    assert not CHECKS[name].contradicted(np.random.default_rng())


def test_early_stopping_on_a_real_loss_is_caught(monkeypatch, record_property):
    """Rows that are all alike have a small loss; steps that were charged and never drawn give it away."""
    whole = watched_fit("dpvae", np.random.default_rng(0))
    assert whole.undrawn() == 0

    def eager(model, gradients, plan, peak, run):
        inner = gradients._inner
        for _ in range(plan.steps):
            gradients.step()
            codes = torch.from_numpy(inner._exact_batch()[0].astype(np.int64))
            with torch.no_grad():
                if float(inner._row_loss(inner._module, codes).mean()) < 50:
                    break

    monkeypatch.setattr(synth.models.dpvae, "descend", eager)
    found = watched_fit("dpvae", np.random.default_rng(0), constant=True).undrawn() > 0
    record_property("planted bug", ("early stopping on a real loss", "families", found))
    assert found


def test_there_are_enough_bugs():
    assert len(BUGS) >= 16
    assert exact.GAP_GRID  # the module that patches stand on
