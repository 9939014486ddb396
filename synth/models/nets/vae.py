"""A variational autoencoder of codes: normal latent, mixture prior, decoder that also sees the columns drawn before.

Encoder: a row's features to the mean and scale of a normal latent. Decoder: logits of every column from the latent, plus a
masked linear skip from the columns before it, so the likelihood is autoregressive given the latent (as in PixelVAE, Gulrajani
et al. 2017, arXiv:1611.05013): the latent carries what a linear conditional cannot. Prior: a mixture of normals learnt inside
the same bound (Tomczak and Welling 2018, arXiv:1705.07120, on why a fixed one costs).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from synth.models.given import FREE, Given
from synth.models.nets.tabular import column_of, draw, draw_given, matching_bias
from synth.privacy.layers import OneHotLinear, RowParameter

LOG_2PI = math.log(2 * math.pi)


class VAE(nn.Module):
    """Encoder, mixture prior and autoregressive decoder over ``width`` one-hot outputs and ``inputs`` folded inputs."""

    def __init__(self, shape: Shape, bias: Tensor, public: torch.Generator, basis: Tensor | None = None) -> None:
        """Start near the independent columns that ``bias`` (width,) describes.

        With ``basis`` (width, width), no code folded, one-hots enter and logits leave through it.
        """
        super().__init__()
        self.shape, self.basis = shape, basis
        latent = shape.latent
        start = torch.tensor([0.0, -1.0]).repeat_interleave(latent)
        self.encoder = OneHotLinear(shape.slots(), 2 * latent, basis=basis, bias=start)
        self.decoder = nn.Linear(latent, shape.width, bias=False)
        self.skip = OneHotLinear(shape.slots(), shape.width, mask=shape.mask(), basis=basis)
        self.means = RowParameter(torch.randn(shape.components, latent, generator=public) * 0.5)
        self.scales = RowParameter(torch.zeros(shape.components, latent))
        self.weights = RowParameter(torch.zeros(shape.components))
        self.register_buffer("bias", bias)
        self.bias: Tensor
        with torch.no_grad():
            columns = len(shape.sizes)
            self.encoder.weight.copy_(torch.randn(self.encoder.weight.shape, generator=public) * 0.3 / math.sqrt(columns))
            self.decoder.weight.copy_(torch.randn(self.decoder.weight.shape, generator=public) * 0.3 / math.sqrt(latent))

    def row_losses(self, codes: Tensor, normals: Callable[[tuple[int, int]], Tensor]) -> Tensor:
        """``forward`` on codes of shape (rows, columns)."""
        outputs = codes + torch.tensor(self.shape.offsets)
        losses: Tensor = self(outputs, normals)
        return losses

    def _logits(self, changes: Tensor) -> Tensor:
        logits: Tensor = self.bias + (changes if self.basis is None else changes @ self.basis.T)
        return logits

    def forward(self, outputs: Tensor, normals: Callable[[tuple[int, int]], Tensor]) -> Tensor:
        """Negative evidence lower bound of each row.

        Args:
            outputs: Position of each column's code, shape (rows, columns).
            normals: Secret standard normal draws.

        Returns:
            Shape (rows,), in nats.
        """
        latent, inputs = self.shape.latent, self.shape.fold[outputs]
        encoded = self.encoder(inputs)
        mean, log_scale = encoded[:, :latent], encoded[:, latent:].clamp(-6, 3)
        noise = normals((len(outputs), latent))
        z = mean + noise * log_scale.exp()
        log_q = -(0.5 * noise.square() + log_scale + 0.5 * LOG_2PI).sum(1)
        logits = self._logits(self.decoder(z) + self.skip(inputs))
        log_p = torch.stack([part.logsumexp(1) for part in torch.split(logits, list(self.shape.sizes), 1)], 1)
        bound: Tensor = (log_p - logits.gather(1, outputs)).sum(1) + log_q - self.log_prior(z)
        return bound

    def log_prior(self, z: Tensor) -> Tensor:
        """Log density of the mixture at ``z``, shape (rows,)."""
        rows = len(z)
        means, scales = self.means(rows), self.scales(rows).clamp(-4, 3)
        each = -(0.5 * ((z[:, None, :] - means) / scales.exp()).square() + scales + 0.5 * LOG_2PI).sum(2)
        mixed: Tensor = (each + self.weights(rows).log_softmax(1)).logsumexp(1)
        return mixed

    def draw_latents(self, uniforms: Tensor) -> Tensor:
        """Latents from the prior, shape (rows, latent), from uniform numbers of shape (rows, 1 + latent)."""
        which = draw(self.weights.value.softmax(0)[None], uniforms[:, 0])
        noise = torch.special.ndtri(uniforms[:, 1:].double().clamp(1e-7, 1 - 1e-7)).float()
        latents: Tensor = self.means.value[which] + noise * self.scales.value.clamp(-4, 3).exp()[which]
        return latents

    def uniforms_per_row(self) -> int:
        """Uniform numbers that ``draw_rows`` takes for each row."""
        return 1 + self.shape.latent + len(self.shape.sizes)

    @torch.no_grad()
    def draw_rows(self, uniforms: Tensor, targets: Sequence[Tensor] | None = None) -> Tensor:
        """Codes column by column, shape (rows, columns), in schema order, from uniform numbers.

        With ``targets`` (one distribution per column) each output bias is first moved so that the column's mean
        probability, given the columns drawn before it, is its target.
        """
        return self._walk(uniforms, targets, (FREE,) * len(self.shape.sizes))[0]

    @torch.no_grad()
    def draw_where(self, uniforms: Tensor, given: Sequence[Given]) -> tuple[Tensor, Tensor]:
        """The same under conditions: codes, and the logarithm of each row's weight, shape (rows,)."""
        return self._walk(uniforms, None, given)

    def _walk(self, uniforms: Tensor, targets: Sequence[Tensor] | None, given: Sequence[Given]) -> tuple[Tensor, Tensor]:
        shape, first, mass = self.shape, 1 + self.shape.latent, torch.zeros(len(uniforms))
        logits = self._logits(self.decoder(self.draw_latents(uniforms[:, :first])))
        table = self.skip.table()
        skip = table.contiguous() if self.basis is None else table @ self.basis.T
        codes = torch.zeros(len(uniforms), len(shape.sizes), dtype=torch.long)
        for j in shape.order():
            low, high = shape.offsets[j], shape.offsets[j] + shape.sizes[j]
            if targets is not None:
                shift = matching_bias(logits[:, low:high], targets[j])
                self.bias[low:high] += shift
                logits[:, low:high] += shift
            codes[:, j], more = draw_given(logits[:, low:high].softmax(1), uniforms[:, first + j], given[j])
            mass = mass + more
            logits += skip[shape.fold[codes[:, j] + low]]
        return codes, mass


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
        return (rank[self.slots()][None, :] < rank[column_of(self.sizes)][:, None]).float()

    def slots(self) -> Tensor:
        """Column of each input position, shape (inputs,)."""
        return torch.zeros(self.inputs, dtype=torch.long).scatter_(0, self.fold, column_of(self.sizes))
