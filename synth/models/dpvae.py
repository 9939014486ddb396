"""DP-VAE: encoder, prior and decoder learn from rows of the measured mixture, then from the rows themselves by DP-SGD.

Numbers enter as bins, so all likelihoods are categorical. Cold (without the warm start), output biases start at the paid
one-way tables and DP-SGD learns everything else. Either way, after training, biases are moved until the model's one-way
tables are the paid ones; after a warm start its rows are raked as well (all post-processing).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from synth.errors import ArtifactError
from synth.models.base import Fitted, Run, require_within
from synth.models.given import Given, Weighted
from synth.models.measured.clipped import clipping_note
from synth.models.measured.finished import coarse_domain, conditioned_rows, finished_rows, independent_rows
from synth.models.measured.stage import Draw, Learnt, finish, measure
from synth.models.measured.warm import LEFT_OUT, TABLE_SHARE, descend, logit_noise, pretrain, trains, warm_plan
from synth.models.nets.autoregressive import even_uniforms, smooth_bases
from synth.models.nets.tabular import CALIBRATION_DRAWS, fold_codes, torch_generator
from synth.models.nets.vae import VAE, Shape
from synth.models.one_way import independent_where, log_shares, measure_one_way
from synth.privacy.budget import RowCount
from synth.privacy.clipping import FLAT, Clipping
from synth.privacy.dpsgd import Normals, SgdPlan
from synth.privacy.vault import PrivateTable
from synth.table import Domain, EncodedTable

MAX_WEIGHTS = 1_500_000  # of the skip layer
REFERENCE_NOISE = 7e-4  # of a logit's mean gradient, where a peak rate of 2 was best (Adult, epsilon 1, cold)
WARM_RATE = 0.5  # of that rate after a warm start, which leaves less to learn


@dataclass(frozen=True, slots=True, kw_only=True)
class DPVAE:
    """Variational autoencoder, encoder and decoder under DP-SGD.

    Attributes:
        warm_start: Measure tables of pairs first, learn from a mixture fitted to them, and rake.
        table_share: Part of the Gaussian budget for tables of pairs, with a warm start.
        steps: DP-SGD steps; ``None``: 60 to 400 (warm: 100 to 400), more with more epsilon.
        batch_size: Rows a Poisson sample is expected to have; ``None``: 1/32 of the rows, at least 1,024 (warm: an eighth,
            1,024 to 8,192).
        one_way_share: Part of the Gaussian budget for the one-way tables, without a warm start.
        learning_rate: Peak rate of SGD with momentum 0.9; warm-up and cosine decay around it. ``None``: less where the
            noise is larger.
        max_grad_norm: Clipping norm of a row's gradient.
        clipping: How it is bounded: "flat", "adaptive", "per_layer" or "normalized".
        clip_quantile: Share of rows that an adaptive norm leaves uncut.
        latent: Size of the latent.
        components: Normals in the prior.
    """

    warm_start: bool = True
    table_share: float = TABLE_SHARE
    steps: int | None = None
    batch_size: int | None = None
    one_way_share: float = 0.1
    learning_rate: float | None = None
    max_grad_norm: float = 1.0
    clipping: str = FLAT
    clip_quantile: float = 0.5
    latent: int = 2
    components: int = 12

    def __post_init__(self) -> None:
        require_within(
            self,
            {
                "table_share": (0.05, 0.7),
                "steps": (1, 1_000_000),
                "batch_size": (1, 1e9),
                "one_way_share": (1e-3, 0.9),
                "learning_rate": (1e-6, 1e3),
                "max_grad_norm": (1e-6, 1e6),
                "clip_quantile": (1e-3, 1 - 1e-3),
                "latent": (1, 256),
                "components": (1, 1024),
            },
        )
        self._bound()

    def fit(self, data: PrivateTable, run: Run) -> Fitted:
        """Tables and mixture, or one-way tables alone; then train with what is left."""
        public = torch_generator(np.random.default_rng(run.seed))
        if not self.warm_start:
            return self._fit_cold(data, run, public)
        budget = data.ledger.budget.epsilon, data.ledger.working_delta
        training = trains(data.rows, *budget, len(data.domain.names), table_share=self.table_share)
        learnt = measure(data, run, share=self.table_share if training else None, source=public)
        return learnt if isinstance(learnt, Fitted) else self._fit_warm(learnt, run, public, training=training)

    def _fit_warm(self, learnt: Learnt, run: Run, public: torch.Generator, *, training: bool) -> Fitted:
        """Learn from the mixture, then from the rows; rake."""
        data, domain = learnt.view, learnt.groups.domain
        model = self._warm_model(domain, learnt.log_shares(), public)

        def normals(size: tuple[int, ...]) -> Tensor:
            return torch.randn(size, generator=public)

        pretrain(model, lambda codes: model.row_losses(codes, normals), learnt, run, public)
        note = LEFT_OUT
        if training:
            plan = self.plan(data.rows, data.ledger.budget.epsilon, len(domain.names))
            run.progress.phase("calibrating noise")
            gradients = data.noisy_gradients(model, row_loss, plan)
            run.progress.spent(data.ledger.spent())
            peak = self._peak_rate(logit_noise(gradients, plan, len(domain.sizes)))
            descend(model, gradients, plan, peak, run)
            note = clipping_note(gradients, plan)
        run.progress.phase("raking")
        rng = np.random.default_rng(run.seed)
        targets = [torch.from_numpy(p).float() for p in learnt.coarse]
        model.draw_rows(even_uniforms(CALIBRATION_DRAWS, model.uniforms_per_row(), rng), targets)
        tensors, facts = finish(learnt, evenly(model), rng)
        facts["notes"].append(note)
        run.progress.spent(data.ledger.spent())
        return Fitted(tensors | {f"net_{name}": values for name, values in released(model).items()}, facts)

    def _fit_cold(self, data: PrivateTable, run: Run, public: torch.Generator) -> Fitted:
        """Measure the one-way tables, then train with what is left."""
        run.progress.phase("measuring one-way tables")
        one_way = measure_one_way(data, share=self.one_way_share)
        domain = data.domain
        room = max(2 * len(domain.sizes), min(768, MAX_WEIGHTS // domain.width))
        shape = self._shape(domain, fold_codes(one_way, room))
        model = VAE(shape, torch.from_numpy(log_shares(one_way, data.rows.estimate)).float(), public)
        plan = self.plan(data.rows, data.ledger.budget.epsilon, len(domain.names))
        run.progress.phase("calibrating noise")
        gradients = data.noisy_gradients(model, row_loss, plan)
        run.progress.spent(data.ledger.spent())
        descend(model, gradients, plan, self._peak_rate(logit_noise(gradients, plan, len(domain.sizes))), run)
        run.progress.phase("matching one-way tables")
        uniforms = torch.rand(CALIBRATION_DRAWS, model.uniforms_per_row(), generator=public)
        model.draw_rows(uniforms, [torch.from_numpy(p).float() for p in one_way])
        return Fitted(released(model) | {"fold": shape.fold.numpy()}, {"notes": [clipping_note(gradients, plan)]})

    def _bound(self) -> Clipping:
        return Clipping(kind=self.clipping, quantile=self.clip_quantile)

    def _peak_rate(self, noise: float) -> float:
        """Rate for a given noise of a logit's mean gradient."""
        if self.learning_rate is not None:
            return self.learning_rate
        cold = min(max(2.0 * math.pow(REFERENCE_NOISE / noise, 0.75), 0.1), 3.0)
        return cold * WARM_RATE if self.warm_start else cold

    def _shape(self, domain: Domain, fold: Tensor) -> Shape:
        target = domain.names.index(domain.target) if domain.target is not None else -1
        return Shape(sizes=domain.sizes, target=target, fold=fold, latent=self.latent, components=self.components)

    def _warm_model(self, domain: Domain, bias: Tensor, public: torch.Generator) -> VAE:
        basis = torch.block_diag(*smooth_bases(domain))  # type: ignore[no-untyped-call]
        return VAE(self._shape(domain, torch.arange(domain.width)), bias.clone(), public, basis)

    def plan(self, rows: RowCount, epsilon: float, columns: int = 1) -> SgdPlan:
        """Constants of the run, from the row count's rung, epsilon and the number of columns."""
        steps, batch = self.steps, self.batch_size
        if not self.warm_start:
            steps = steps if steps is not None else round(min(max(200 * math.sqrt(epsilon), 60), 400))
            batch = batch if batch is not None else max(1024, rows.rung // 32)
        return warm_plan(
            rows,
            epsilon,
            columns,
            steps=steps,
            batch_size=batch,
            max_grad_norm=self.max_grad_norm,
            clipping=self._bound(),
        )

    def sample(self, fitted: Fitted, domain: Domain, n_rows: int, rng: np.random.Generator) -> EncodedTable:
        """Draw latents from the prior, then the columns in order; rake after a warm start."""
        if "groups" in fitted.tensors:
            return finished_rows(fitted, domain, evenly(self._warm(fitted, domain, rng)), n_rows, rng)
        if "fold" not in fitted.tensors:
            return independent_rows(fitted, domain, n_rows, rng)
        cold, source = self._cold(fitted, domain, rng)
        codes = cold.draw_rows(torch.rand(n_rows, cold.uniforms_per_row(), generator=source))
        return EncodedTable(domain, codes.numpy().astype(np.int32))

    def sample_where(
        self, fitted: Fitted, domain: Domain, given: Sequence[Given], n_rows: int, rng: np.random.Generator
    ) -> Weighted:
        """The same under conditions on columns."""
        if "groups" in fitted.tensors:
            model = self._warm(fitted, domain, rng)
            width = model.uniforms_per_row()
            return conditioned_rows(
                fitted, domain, lambda rows, g, r: model.draw_where(even_uniforms(rows, width, r), g), given, n_rows, rng
            )
        if "fold" not in fitted.tensors:
            return independent_where(fitted, domain, given, n_rows, rng)
        cold, source = self._cold(fitted, domain, rng)
        codes, mass = cold.draw_where(torch.rand(n_rows, cold.uniforms_per_row(), generator=source), given)
        return Weighted(codes.numpy().astype(np.int32), mass.double().numpy())

    def _warm(self, fitted: Fitted, domain: Domain, rng: np.random.Generator) -> VAE:
        """The released network on groups of codes."""
        tensors = {name[4:]: values for name, values in fitted.tensors.items() if name.startswith("net_")}
        coarse = coarse_domain(fitted, domain)
        return restored(self._warm_model(coarse, torch.zeros(coarse.width), torch_generator(rng)), tensors)

    def _cold(self, fitted: Fitted, domain: Domain, rng: np.random.Generator) -> tuple[VAE, torch.Generator]:
        """The released network on codes, and a source of uniform numbers."""
        tensors, source = dict(fitted.tensors), torch_generator(rng)
        shape = self._shape(domain, torch.from_numpy(tensors.pop("fold")))
        return restored(VAE(shape, torch.zeros(domain.width), source), tensors), source


def row_loss(module: nn.Module, codes: Tensor, normals: Normals) -> Tensor:
    """Negative evidence lower bound of each row, for DP-SGD."""
    losses: Tensor = module.row_losses(codes, normals)  # type: ignore[operator]
    return losses


def evenly(model: VAE) -> Draw:
    """Rows of the model from evenly spread uniform numbers."""
    return lambda rows, rng: model.draw_rows(even_uniforms(rows, model.uniforms_per_row(), rng))


def released(model: VAE) -> dict[str, np.ndarray]:
    """Arrays that drawing needs: all but the encoder."""
    model.skip.clear()
    return {name: values.numpy() for name, values in model.state_dict().items() if not name.startswith("encoder")}


def restored(model: VAE, arrays: dict[str, np.ndarray]) -> VAE:
    """The model with released weights.

    Raises:
        ArtifactError: Some are missing.
    """
    tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
    if any(not name.startswith("encoder") for name in model.load_state_dict(tensors, strict=False).missing_keys):
        raise ArtifactError("the model lacks weights; copy it again, or fit again")
    return model
