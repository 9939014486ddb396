"""The default: noisy tables teach an autoregressive net, DP-SGD on rows teaches it the rest, raking ties the two together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synth.errors import ArtifactError, InputError, RefusedError
from synth.models.base import Draw, Fitted, Run, require_within
from synth.models.given import Given, Weighted
from synth.models.measured.clipped import clipping_note
from synth.models.measured.finished import Sampler, coarse_domain, conditioned_rows, independent_rows
from synth.models.measured.groups import is_number, target_of
from synth.models.measured.protect import LEAST_SHARE, MOST_SHARE, SHARE, Protection
from synth.models.measured.regress import regress, share_beside, tilt_target
from synth.models.measured.relearn import relearn_target
from synth.models.measured.settling import ROWS, Steps, settle_products, settle_weights
from synth.models.measured.stage import Learnt, finish, measure
from synth.models.measured.warm import LEFT_OUT, TABLE_SHARE, descend, logit_noise, pretrain, tells, trains, warm_plan
from synth.models.nets.autoregressive import Autoregressive, even_uniforms, target_scores
from synth.models.nets.quick import QuickDraw
from synth.models.nets.tabular import CALIBRATION_DRAWS, torch_generator
from synth.models.one_way import independent_where
from synth.privacy.budget import RowCount
from synth.privacy.clipping import FLAT, Clipping
from synth.privacy.dpsgd import SgdPlan
from synth.privacy.events import GRADIENT
from synth.privacy.shares import burn, burn_training
from synth.privacy.vault import PrivateTable
from synth.table import Domain, EncodedTable

FloatArray = npt.NDArray[np.float64]

MOST_TABLES = 0.65  # of the budget, for tables of pairs and of protected groups
REFERENCE_NOISE = 7.5e-4  # of a logit's mean gradient, where a peak rate of 2 was best (Adult, epsilon 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hybrid:
    """Tables, mixture, autoregressive net, DP-SGD, raking.

    Attributes:
        table_share: Part of the Gaussian budget for tables of pairs; what is left after them trains the net (about 0.1
            goes to one-way tables and to products of signs).
        steps: DP-SGD steps; ``None``: 200 at epsilon 1, 100 to 400, more with more epsilon.
        batch_size: Rows a Poisson sample is expected to have; ``None``: an eighth of the rows, 1,024 to 8,192, at
            most 1,024 for 50 columns and more.
        learning_rate: Peak rate of SGD with momentum 0.9; ``None``: less where the noise is larger.
        max_grad_norm: Clipping norm of a row's gradient.
        clipping: How it is bounded: "flat", "adaptive", "per_layer" or "normalized".
        clip_quantile: Share of rows that an adaptive norm leaves uncut.
        private_training: Whether DP-SGD runs at all. This and the following are switches for ablations.
        smooth_basis: Whether ordered columns pass through scaled cosines.
        target_products: Whether the target sees products of pairs of columns.
        settle: Whether what noise has probably added to the net is taken out of it.
        relearn_target: Whether the target is learnt apart: a class once more from raked rows, a number by a regression.
        rake: Whether drawn rows are weighed by the noisy answers.
        protect_groups: Columns whose small groups get tables of their own (``synth.models.measured.protect``).
        protected_share: Part of the Gaussian budget for these; it is missing in training.
    """

    table_share: float = TABLE_SHARE
    steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    max_grad_norm: float = 1.0
    clipping: str = FLAT
    clip_quantile: float = 0.5
    private_training: bool = True
    smooth_basis: bool = True
    target_products: bool = True
    settle: bool = True
    relearn_target: bool = True
    rake: bool = True
    protect_groups: tuple[str, ...] = ()
    protected_share: float = SHARE

    def __post_init__(self) -> None:
        require_within(
            self,
            {
                "table_share": (0.05, MOST_TABLES),
                "steps": (1, 1_000_000),
                "batch_size": (1, 1e9),
                "learning_rate": (1e-6, 1e3),
                "max_grad_norm": (1e-6, 1e6),
                "clip_quantile": (1e-3, 1 - 1e-3),
                "protected_share": (LEAST_SHARE, MOST_SHARE),
            },
        )
        if self._protection.reserved and self.table_share + self.protected_share > MOST_TABLES:
            raise InputError(f"table_share and protected_share together may take at most {MOST_TABLES:g} of the budget")
        self._bound()

    def fit(self, data: PrivateTable, run: Run) -> Fitted:
        """Measure, fit the mixture, pre-train on its rows, train with what is left, rake."""
        public = torch_generator(np.random.default_rng(run.seed))
        training = self.trains(data.rows, data.ledger.budget.epsilon, data.ledger.working_delta, len(data.domain.names))
        share = self.table_share if training else None
        learnt = measure(data, run, share=share, source=public, protection=self._protection)
        if isinstance(learnt, Fitted):
            return learnt
        domain = learnt.groups.domain
        model = Autoregressive(domain, learnt.log_shares(), self._scores(learnt), smooth=self.smooth_basis)
        pretrain(model, model, learnt, run, public)
        rng = np.random.default_rng(run.seed)
        draw = lambda rows: model.draw_rows(even_uniforms(rows, len(domain.sizes), rng))  # noqa: E731
        paid = training and self.relearn_target and (is_number(data.domain) if data.number is None else data.number)
        asked = share_beside(self.table_share + self._protection.reserved)
        mean = regress(deepcopy(model), learnt, draw, run, share=asked) if paid and is_number(domain) else None
        if paid and mean is None:  # noisy answers left no number, and must not steer what training has
            burn(data.ledger, GRADIENT, asked)
        note = self._train(model, learnt, run, public, apart=mean is not None) if training else LEFT_OUT
        run.progress.phase("raking")
        if mean is not None:
            self._calibrate(model, learnt, rng)
            tilt_target(model, learnt, mean, draw)
        told = tells(data.rows, data.ledger.budget.epsilon, data.ledger.working_delta)  # else raked rows are mostly noise
        if self.relearn_target and told and target_of(domain) >= 0 and not is_number(domain):
            self._calibrate(model, learnt, rng)
            relearn_target(model, learnt, draw)
        self._calibrate(model, learnt, rng)
        tensors, facts = finish(
            learnt, lambda rows, r: model.draw_rows(even_uniforms(rows, len(domain.sizes), r)), rng, rake=self.rake
        )
        model.skip.clear()
        tensors |= {f"net_{name}": values.numpy() for name, values in model.state_dict().items()}
        if self.private_training:
            facts["notes"].append(note)
        run.progress.spent(data.ledger.spent())
        return Fitted(tensors, facts)

    def trains(self, rows: RowCount, epsilon: float, delta: float, columns: int) -> bool:
        """Whether DP-SGD can add anything: from the row count's rung, the budget and the columns alone."""
        taken = self.table_share + self._protection.reserved
        return self.private_training and trains(rows, epsilon, delta, columns, table_share=taken)

    @staticmethod
    def _calibrate(model: Autoregressive, learnt: Learnt, rng: np.random.Generator) -> None:
        """Move output biases onto the one-way tables."""
        uniforms = even_uniforms(CALIBRATION_DRAWS, len(learnt.groups.domain.sizes), rng)
        model.draw_rows(uniforms, [torch.from_numpy(p).float() for p in learnt.coarse])

    @property
    def _protection(self) -> Protection:
        return Protection(names=self.protect_groups, share=self.protected_share)

    def _scores(self, learnt: Learnt) -> Tensor | None:
        domain = learnt.groups.domain
        if domain.target is None or not self.target_products:
            return None
        return target_scores(domain, learnt.coarse, target_means(learnt))

    def _bound(self) -> Clipping:
        return Clipping(kind=self.clipping, quantile=self.clip_quantile)

    def _train(self, model: Autoregressive, learnt: Learnt, run: Run, public: torch.Generator, *, apart: bool) -> str:
        """DP-SGD with all that is left of the budget; burnt if the net turned out too large for it, as noisy answers said.

        Returns:
            What a reader should know of it.
        """
        data = learnt.view
        plan = self.plan(data.rows, data.ledger.budget.epsilon, len(data.domain.names))
        run.progress.phase("calibrating noise")
        try:
            gradients = data.noisy_gradients(model, lambda _, codes, __: model.losses(codes, apart=apart), plan)
        except RefusedError:
            with suppress(RefusedError):  # nothing is left to burn
                burn_training(data.ledger)
            return LEFT_OUT
        run.progress.spent(data.ledger.spent())
        noise = logit_noise(gradients, plan, len(data.domain.sizes))
        peak = self.learning_rate
        if peak is None:
            peak = min(max(2.0 * REFERENCE_NOISE / noise, 0.1), 4.0)
        start, domain = model.skip.weight.detach().clone(), learnt.groups.domain
        products = model.products.weight.detach().clone() if model.products is not None else torch.empty(0)
        steps = Steps(plan, gradients.noise_std, peak, apart=apart)
        descend(model, gradients, plan, peak, run)
        if self.settle:
            rows = learnt.mixture.draw_rows(domain, torch.rand(ROWS, len(domain.sizes) + 1, generator=public))
            if not apart:
                settle_products(model, products, rows, steps)
            settle_weights(model, start, rows, steps, target=target_of(domain))
        return clipping_note(gradients, plan)

    def plan(self, rows: RowCount, epsilon: float, columns: int = 1) -> SgdPlan:
        """Constants of the run, from the row count's rung, epsilon and the number of columns."""
        return warm_plan(
            rows,
            epsilon,
            columns,
            steps=self.steps,
            batch_size=self.batch_size,
            max_grad_norm=self.max_grad_norm,
            clipping=self._bound(),
        )

    def sample(self, fitted: Fitted, domain: Domain, n_rows: int, rng: np.random.Generator) -> EncodedTable:
        """Draw the columns in turn; rake."""
        return self.sampler(fitted, domain)(n_rows, rng)

    def sampler(self, fitted: Fitted, domain: Domain) -> Draw:
        """The same, prepared for many blocks."""
        if "groups" not in fitted.tensors:
            return partial(independent_rows, fitted, domain)
        quick, columns = QuickDraw(self._restored(fitted, domain)), len(domain.sizes)
        return Sampler(fitted, domain, lambda rows, rng: quick.rows(even_uniforms(rows, columns, rng)), quick.many)

    def sample_where(
        self, fitted: Fitted, domain: Domain, given: Sequence[Given], n_rows: int, rng: np.random.Generator
    ) -> Weighted:
        """The same under conditions on columns."""
        if "groups" not in fitted.tensors:
            return independent_where(fitted, domain, given, n_rows, rng)
        model, columns = self._restored(fitted, domain), len(domain.sizes)
        return conditioned_rows(
            fitted, domain, lambda rows, g, r: model.draw_where(even_uniforms(rows, columns, r), g), given, n_rows, rng
        )

    def _restored(self, fitted: Fitted, domain: Domain) -> Autoregressive:
        """The net with released weights."""
        tensors = {name[4:]: torch.from_numpy(values) for name, values in fitted.tensors.items() if name.startswith("net_")}
        coarse = coarse_domain(fitted, domain)
        model = Autoregressive(coarse, tensors["bias"], tensors["scores"], smooth=self.smooth_basis)
        if model.load_state_dict(tensors, strict=False).missing_keys:
            raise ArtifactError("the model lacks weights; copy it again, or fit again")
        return model


def target_means(learnt: Learnt) -> Sequence[FloatArray | None]:
    """For every column but the target, the target's mean rank by code, from the noisy tables; shape (size,) each."""
    domain = learnt.groups.domain
    target = target_of(domain)
    ranks = np.linspace(0, 1, domain.sizes[target])
    sums: dict[int, FloatArray] = {}
    for table in learnt.evidence.tables:
        if target not in table.columns or len(table.columns) < 2:
            continue
        for place, column in enumerate(table.columns):
            if column == target:
                continue
            others = tuple(k for k, c in enumerate(table.columns) if c not in (column, target))
            joint = table.shares.sum(axis=others)
            joint = joint if place < table.columns.index(target) else joint.T
            sums[column] = sums.get(column, np.zeros(joint.shape)) + joint
    overall = float(learnt.coarse[target] @ ranks)
    found: list[FloatArray | None] = []
    for j in range(len(domain.sizes)):
        if j not in sums:
            found.append(None)
            continue
        mass = np.maximum(sums[j].sum(1), 0)
        floor = max(0.01 * mass.sum(), 1e-9)  # noise can leave nothing that is positive
        means = (np.maximum(sums[j], 0) @ ranks + floor * overall) / (np.maximum(sums[j], 0).sum(1) + floor)
        found.append(np.asarray(means, dtype=np.float64))
    return found
