"""DP-VAE: encoder and decoder trained with DP-SGD on the per-row evidence lower bound.

Encoder: one-hot row to the mean and scale of a normal latent. Decoder: logits of every column from the latent, plus a
masked linear skip from the columns before it, so the likelihood is autoregressive given the latent (as in PixelVAE, Gulrajani
et al. 2017, arXiv:1611.05013): the latent carries what a linear conditional cannot. Prior: a mixture of normals learnt inside
the same bound (Tomczak and Welling 2018, arXiv:1705.07120, on why a fixed one costs). Numbers enter as bins, so all
likelihoods are categorical; output biases start at the paid one-way tables and, after training, are moved until the model's
one-way tables are the paid ones (post-processing).
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
from synth.models.nets.tabular import (
    CALIBRATION_DRAWS,
    column_of,
    draw,
    fold_codes,
    matching_bias,
    one_hot,
    schedule,
    torch_generator,
)
from synth.models.one_way import log_shares, measure_one_way
from synth.privacy.budget import RowCount
from synth.privacy.dpsgd import Normals, SgdPlan
from synth.privacy.layers import MaskedLinear, RowParameter
from synth.privacy.vault import PrivateTable
from synth.table import Domain, EncodedTable

WARM_UP = 10
MAX_WEIGHTS = 1_500_000  # of the skip layer
REFERENCE_NOISE = 7e-4  # of a logit's mean gradient, where a peak rate of 2 was best (Adult, epsilon 1)
LOG_2PI = math.log(2 * math.pi)


class VAE(nn.Module):
    """Encoder, mixture prior and autoregressive decoder over ``width`` one-hot outputs and ``inputs`` folded inputs."""

    def __init__(self, shape: Shape, bias: Tensor, public: torch.Generator) -> None:
        """Start near the independent columns that ``bias`` (width,) describes."""
        super().__init__()
        self.shape = shape
        latent = shape.latent
        self.encoder = nn.Linear(shape.inputs, 2 * latent)
        self.decoder = nn.Linear(latent, shape.width, bias=False)
        self.skip = MaskedLinear(shape.mask(), bias=False)
        self.means = RowParameter(torch.randn(shape.components, latent, generator=public) * 0.5)
        self.scales = RowParameter(torch.zeros(shape.components, latent))
        self.weights = RowParameter(torch.zeros(shape.components))
        self.register_buffer("bias", bias)
        self.bias: Tensor
        with torch.no_grad():
            columns = len(shape.sizes)
            self.encoder.weight.copy_(torch.randn(self.encoder.weight.shape, generator=public) * 0.3 / math.sqrt(columns))
            self.encoder.bias.zero_()
            self.encoder.bias[latent:] = -1.0
            self.decoder.weight.copy_(torch.randn(self.decoder.weight.shape, generator=public) * 0.3 / math.sqrt(latent))

    def forward(self, x: Tensor, outputs: Tensor, normals: Normals) -> Tensor:
        """Negative evidence lower bound of each row.

        Args:
            x: Folded one-hot rows, shape (rows, inputs).
            outputs: Position of each column's code, shape (rows, columns).
            normals: Secret standard normal draws.

        Returns:
            Shape (rows,), in nats.
        """
        latent = self.shape.latent
        encoded = self.encoder(x)
        mean, log_scale = encoded[:, :latent], encoded[:, latent:].clamp(-6, 3)
        noise = normals((len(x), latent))
        z = mean + noise * log_scale.exp()
        log_q = -(0.5 * noise.square() + log_scale + 0.5 * LOG_2PI).sum(1)
        logits = self.bias + self.decoder(z) + self.skip(x)
        log_p = torch.stack([part.logsumexp(1) for part in logits.split(list(self.shape.sizes), 1)], 1)
        bound: Tensor = (log_p - logits.gather(1, outputs)).sum(1) + log_q - self.log_prior(z)
        return bound

    def log_prior(self, z: Tensor) -> Tensor:
        """Log density of the mixture at ``z``, shape (rows,)."""
        rows = len(z)
        means, scales = self.means(rows), self.scales(rows).clamp(-4, 3)
        each = -(0.5 * ((z[:, None, :] - means) / scales.exp()).square() + scales + 0.5 * LOG_2PI).sum(2)
        mixed: Tensor = (each + self.weights(rows).log_softmax(1)).logsumexp(1)
        return mixed

    def draw_latents(self, rows: int, source: torch.Generator) -> Tensor:
        """Latents from the prior, shape (rows, latent)."""
        which = torch.multinomial(self.weights.value.softmax(0), rows, replacement=True, generator=source)
        noise = torch.randn(rows, self.shape.latent, generator=source)
        return self.means.value[which] + noise * self.scales.value.clamp(-4, 3).exp()[which]

    def draw_rows(self, rows: int, source: torch.Generator, targets: Sequence[Tensor] | None = None) -> Tensor:
        """Codes column by column, shape (rows, columns), in schema order.

        With ``targets`` (one distribution per column) each output bias is first moved so that the column's mean
        probability, given the columns drawn before it, is its target.
        """
        shape = self.shape
        logits = self.bias + self.decoder(self.draw_latents(rows, source))
        uniforms = torch.rand(rows, len(shape.sizes), generator=source)
        skip = (self.skip.weight * self.skip.mask).T.contiguous()
        codes = torch.zeros(rows, len(shape.sizes), dtype=torch.long)
        for j in shape.order():
            low, high = shape.offsets[j], shape.offsets[j] + shape.sizes[j]
            if targets is not None:
                shift = matching_bias(logits[:, low:high], targets[j])
                self.bias[low:high] += shift
                logits[:, low:high] += shift
            codes[:, j] = draw(logits[:, low:high].softmax(1), uniforms[:, j])
            logits += skip[shape.fold[codes[:, j] + low]]
        return codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of a network; everything public.

    Attributes:
        sizes: Codes per column.
        target: Column that is drawn last, or -1.
        fold: Input position of each output position, shape (width,).
        latent: Size of the latent.
        components: Of the prior.
    """

    sizes: tuple[int, ...]
    target: int
    fold: Tensor
    latent: int
    components: int

    @property
    def width(self) -> int:
        """Output positions."""
        return sum(self.sizes)

    @property
    def inputs(self) -> int:
        """Input positions."""
        return int(self.fold.max()) + 1

    @property
    def offsets(self) -> list[int]:
        """First output position of each column."""
        return [int(v) for v in np.cumsum((0, *self.sizes[:-1]))]

    def order(self) -> list[int]:
        """Columns as they are drawn: as in the schema, the target last."""
        rest = [j for j in range(len(self.sizes)) if j != self.target]
        return rest if self.target < 0 else [*rest, self.target]

    def mask(self) -> Tensor:
        """Which inputs an output may see: those of columns drawn before its own; shape (width, inputs)."""
        rank = torch.empty(len(self.sizes), dtype=torch.long)
        rank[torch.tensor(self.order())] = torch.arange(len(self.sizes))
        of_output = rank[column_of(self.sizes)]
        of_input = torch.zeros(self.inputs, dtype=torch.long).scatter_(0, self.fold, of_output)
        return (of_input[None, :] < of_output[:, None]).float()


@dataclass(frozen=True, slots=True, kw_only=True)
class DPVAE:
    """Variational autoencoder, encoder and decoder under DP-SGD.

    Attributes:
        steps: DP-SGD steps; ``None``: 60 to 400, more with more epsilon.
        batch_size: Rows a Poisson sample is expected to have; ``None``: 1/32 of the rows, at least 1,024.
        one_way_share: Part of the Gaussian budget for the one-way tables.
        learning_rate: Peak rate of SGD with momentum 0.9; warm-up and cosine decay around it. ``None``: less where the
            noise is larger.
        max_grad_norm: Clipping norm of a row's gradient.
        latent: Size of the latent.
        components: Normals in the prior.
    """

    steps: int | None = None
    batch_size: int | None = None
    one_way_share: float = 0.1
    learning_rate: float | None = None
    max_grad_norm: float = 1.0
    latent: int = 2
    components: int = 12

    def __post_init__(self) -> None:
        require_within(
            self,
            {
                "steps": (1, 1_000_000),
                "batch_size": (1, 1e9),
                "one_way_share": (1e-3, 0.9),
                "learning_rate": (1e-6, 1e3),
                "max_grad_norm": (1e-6, 1e6),
                "latent": (1, 256),
                "components": (1, 1024),
            },
        )

    def fit(self, data: PrivateTable, run: Run) -> Fitted:
        """Measure the one-way tables, then train with what is left."""
        run.progress.phase("measuring one-way tables")
        one_way = measure_one_way(data, share=self.one_way_share)
        domain, public = data.domain, torch_generator(np.random.default_rng(run.seed))
        room = max(2 * len(domain.sizes), min(768, MAX_WEIGHTS // domain.width))
        shape = self._shape(domain, fold_codes(one_way, room))
        model = VAE(shape, torch.from_numpy(log_shares(one_way, data.rows.estimate)).float(), public)
        plan = self.plan(data.rows, data.ledger.budget.epsilon)
        offsets = torch.tensor(shape.offsets)

        def row_loss(module: nn.Module, codes: Tensor, normals: Normals) -> Tensor:
            outputs = codes + offsets
            losses: Tensor = module(one_hot(shape.fold[outputs], shape.inputs), outputs, normals)
            return losses

        run.progress.phase("calibrating noise")
        gradients = data.noisy_gradients(model, row_loss, plan)
        run.progress.spent(data.ledger.spent())
        peak = self._peak_rate(gradients.noise_std / math.sqrt(plan.steps), len(domain.sizes))
        optimizer = torch.optim.SGD(model.parameters(), lr=peak, momentum=0.9)
        run.progress.phase("training", plan.steps)
        for step in range(plan.steps):
            for group in optimizer.param_groups:
                group["lr"] = peak * schedule(step, plan.steps, WARM_UP)
            gradients.step()
            optimizer.step()
            run.progress.advance()
        run.progress.phase("matching one-way tables")
        with torch.no_grad():
            model.draw_rows(CALIBRATION_DRAWS, public, [torch.from_numpy(p).float() for p in one_way])
            model.skip.weight.mul_(model.skip.mask)
        tensors = {name: values.numpy() for name, values in model.state_dict().items() if not name.startswith("encoder")}
        tensors["fold"] = shape.fold.numpy()
        return Fitted(tensors, {})

    def _peak_rate(self, noise_std: float, columns: int) -> float:
        """Rate for a given noise of the mean gradient: a logit sums the noise of one input per column."""
        if self.learning_rate is not None:
            return self.learning_rate
        signal = REFERENCE_NOISE / (noise_std * math.sqrt(columns))
        return min(max(2.0 * math.pow(signal, 0.75), 0.1), 3.0)

    def _shape(self, domain: Domain, fold: Tensor) -> Shape:
        target = domain.names.index(domain.target) if domain.target is not None else -1
        return Shape(sizes=domain.sizes, target=target, fold=fold, latent=self.latent, components=self.components)

    def plan(self, rows: RowCount, epsilon: float) -> SgdPlan:
        """Constants of the run, from the row count's rung and epsilon."""
        steps = self.steps if self.steps is not None else round(min(max(200 * math.sqrt(epsilon), 60), 400))
        batch = self.batch_size if self.batch_size is not None else max(1024, rows.rung // 32)
        rate = min(1.0, batch / rows.rung)
        return SgdPlan(steps=steps, sample_rate=rate, divisor=rate * rows.estimate, max_grad_norm=self.max_grad_norm)

    def sample(self, fitted: Fitted, domain: Domain, n_rows: int, rng: np.random.Generator) -> EncodedTable:
        """Draw latents from the prior, then the columns in order."""
        source = torch_generator(rng)
        tensors = {name: torch.from_numpy(values) for name, values in fitted.tensors.items()}
        shape = self._shape(domain, tensors.pop("fold"))
        model = VAE(shape, tensors["bias"], source)
        lost = [name for name in model.load_state_dict(tensors, strict=False).missing_keys if not name.startswith("encoder")]
        if lost:
            raise ArtifactError("the model lacks weights; copy it again, or fit again")
        with torch.no_grad():
            codes = model.draw_rows(n_rows, source)
        return EncodedTable(domain, codes.numpy().astype(np.int32))
