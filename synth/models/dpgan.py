"""DP-GAN: a generator against a critic trained with DP-SGD; the generator sees rows only through the critic.

The critic is bilinear in a row's one-hot codes, ``f(x) = x W x``, under the ridge-penalised integral probability metric
``max_W E_real f - E_fake f - |W|^2 / 2`` (a kernel GAN: Li et al. 2017, arXiv:1705.08584; Unterthiner et al. 2018,
arXiv:1708.08819). It looks at all pairs of columns, and its real part has per-row gradients of one known norm, so clipping
never bites and noise averages out over steps. Only the real part is private: a Poisson sample, clipped per row, summed and
noised by the trusted core. The fake part is data-free, of fixed size, and added afterwards: the critic is set to its best
response to the current fakes. Large batches help, as Bie, Kamath and Zhang (2023, arXiv:2302.02936) found; unlike theirs, this
critic's real gradient does not depend on its state, so that its steps are averaged and the generator may take many per step.

Post-processing of the noisy critic: its diagonal blocks give way to the paid one-way tables, and its spectrum is shrunk by
what noise of the known size would put there (Gavish and Donoho 2017, arXiv:1405.7511).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from synth.errors import AccountingError
from synth.models.base import Fitted, Run, require_within
from synth.models.nets.tabular import (
    CALIBRATION_DRAWS,
    column_of,
    draw,
    fold_codes,
    matching_bias,
    one_hot,
    schedule,
    softmaxes,
    torch_generator,
)
from synth.models.one_way import FloatArray, log_shares, measure_one_way
from synth.privacy.budget import RowCount
from synth.privacy.dpsgd import NORM_MARGIN, SgdPlan
from synth.privacy.vault import PrivateTable
from synth.table import Domain, EncodedTable

WARM_UP = 50
ONE_WAY_WEIGHT = 1.0


class Generator(nn.Module):
    """Normal noise through one hidden layer to logits of every column."""

    def __init__(self, latent: int, hidden: int, bias: Tensor, generator: torch.Generator) -> None:
        """Start near the independent columns that ``bias`` (width,) describes."""
        super().__init__()
        self.body, self.out = nn.Linear(latent, hidden), nn.Linear(hidden, len(bias))
        with torch.no_grad():
            for layer, scale in ((self.body, 1.0), (self.out, 0.5)):
                layer.weight.copy_(
                    (torch.rand(layer.weight.shape, generator=generator) * 2 - 1) * scale / math.sqrt(layer.in_features)
                )
            self.body.bias.copy_((torch.rand(hidden, generator=generator) * 2 - 1) / math.sqrt(latent))
            self.out.bias.copy_(bias)

    def forward(self, z: Tensor) -> Tensor:
        """Noise (rows, latent) to logits (rows, width)."""
        logits: Tensor = self.out(torch.tanh(self.body(z)))
        return logits


class Critic(nn.Module):
    """``f(x) = x W x`` on one-hot rows; one linear layer, used once per row."""

    def __init__(self, width: int) -> None:
        """Start at zero: every row alike."""
        super().__init__()
        self.bilinear = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.bilinear.weight)

    def forward(self, x: Tensor) -> Tensor:
        """One-hot rows (rows, width) to scores (rows,)."""
        scores: Tensor = (self.bilinear(x) * x).sum(1)
        return scores


@dataclass(frozen=True, slots=True, kw_only=True)
class DPGAN:
    """Generative adversarial network with a DP-SGD critic.

    Attributes:
        steps: Critic steps.
        batch_size: Rows a Poisson sample is expected to have; ``None``: an eighth of the rows, at least 4,096.
        one_way_share: Part of the Gaussian budget for the one-way tables.
        generator_steps: Per critic step.
        generator_batch: Fakes per step.
        learning_rate: Of the generator (Adam).
        latent: Size of the generator's noise.
        hidden: Width of the generator's hidden layer.
        critic_width: Most one-hot positions the critic looks at; rarer codes share one per column.
    """

    steps: int = 60
    batch_size: int | None = None
    one_way_share: float = 0.1
    generator_steps: int = 16
    generator_batch: int = 1024
    learning_rate: float = 0.01
    latent: int = 16
    hidden: int = 256
    critic_width: int = 512

    def __post_init__(self) -> None:
        require_within(
            self,
            {
                "steps": (1, 1_000_000),
                "batch_size": (1, 1e9),
                "one_way_share": (1e-3, 0.9),
                "generator_steps": (1, 100_000),
                "generator_batch": (2, 1_000_000),
                "learning_rate": (1e-6, 10),
                "latent": (1, 1024),
                "hidden": (1, 65_536),
                "critic_width": (1, 16_384),
            },
        )

    def fit(self, data: PrivateTable, run: Run) -> Fitted:
        """Measure the one-way tables, then play the game with what is left."""
        run.progress.phase("measuring one-way tables")
        one_way = measure_one_way(data, share=self.one_way_share)
        sizes, public = data.domain.sizes, torch_generator(np.random.default_rng(run.seed))
        fold = fold_codes(one_way, self.critic_width)
        critic = Critic(int(fold.max()) + 1)
        plan = self.plan(data.rows, len(sizes))
        offsets = torch.tensor(data.domain.offsets)

        def real_loss(module: nn.Module, codes: Tensor, normals: object) -> Tensor:  # noqa: ARG001 - the core's signature
            scores: Tensor = module(one_hot(fold[codes + offsets], critic.bilinear.in_features))
            return -scores

        run.progress.phase("calibrating noise")
        gradients = data.noisy_gradients(critic, real_loss, plan)
        run.progress.spent(data.ledger.spent())
        game = _Game(self, one_way, fold, critic, gradients.noise_std, data.rows.estimate, public)
        run.progress.phase("training", plan.steps)
        for step in range(1, plan.steps + 1):
            gradients.step()
            game.critic_step(step)
            for _ in range(self.generator_steps):
                game.generator_step(plan.steps * self.generator_steps)
            run.progress.advance()
        return Fitted(game.finished(one_way), {"latent": self.latent, "hidden": self.hidden})

    def plan(self, rows: RowCount, columns: int) -> SgdPlan:
        """Constants of the run, from the row count's rung and the number of columns."""
        batch = self.batch_size if self.batch_size is not None else max(4096, rows.rung // 8)
        rate = min(1.0, batch / rows.rung)
        norm = columns * (1 + 2 * NORM_MARGIN)  # of every row's gradient, and the margin that clipping takes off
        return SgdPlan(steps=self.steps, sample_rate=rate, divisor=rate * rows.estimate, max_grad_norm=norm)

    def sample(self, fitted: Fitted, domain: Domain, n_rows: int, rng: np.random.Generator) -> EncodedTable:
        """Draw noise, then every column from its softmax."""
        generator = Generator(
            int(fitted.facts["latent"]), int(fitted.facts["hidden"]), torch.zeros(domain.width), torch_generator(rng)
        )
        generator.load_state_dict({name: torch.from_numpy(values) for name, values in fitted.tensors.items()})
        source = torch_generator(rng)
        with torch.no_grad():
            logits = generator(torch.randn(n_rows, generator.body.in_features, generator=source))
            uniforms = torch.rand(n_rows, len(domain.sizes), generator=source)
            parts = logits.split(list(domain.sizes), 1)
            codes = torch.stack([draw(p.softmax(1), uniforms[:, j]) for j, p in enumerate(parts)], 1)
        return EncodedTable(domain, codes.numpy().astype(np.int32))


class _Game:
    """The data-free side: everything here is a function of noisy gradients and paid tables."""

    def __init__(
        self,
        options: DPGAN,
        one_way: Sequence[FloatArray],
        fold: Tensor,
        critic: Critic,
        noise_std: float,
        rows: int,
        public: torch.Generator,
    ) -> None:
        self._options, self._critic, self._public = options, critic, public
        self._sizes = [len(p) for p in one_way]
        self._target = torch.from_numpy(np.concatenate(one_way)).float()
        self._fold = torch.zeros(len(fold), critic.bilinear.in_features).scatter_(1, fold[:, None], 1.0)
        columns = torch.zeros(critic.bilinear.in_features, dtype=torch.long).scatter_(0, fold, column_of(self._sizes))
        self._mask = (columns[:, None] != columns[None, :]).float()
        folded = self._fold.T @ self._target
        self._independent = torch.outer(folded, folded) * self._mask
        self._real, self._goal = torch.zeros_like(self._mask), self._independent
        self._noise_std, self._rows = noise_std, rows
        bias = torch.from_numpy(log_shares(one_way, rows)).float()
        self._generator = Generator(options.latent, options.hidden, bias, public)
        self._average = copy.deepcopy(self._generator)
        self._optimizer = torch.optim.Adam(self._generator.parameters(), lr=options.learning_rate, betas=(0.9, 0.99))
        self._played = 0

    def critic_step(self, step: int) -> None:
        """SGD with step size 1/t on the ridge objective: its optimum's real part is the mean of the noisy gradients."""
        grad = self._critic.bilinear.weight.grad
        if grad is None:
            raise AccountingError("the critic has no gradient; draw one before its step")
        symmetric = -(grad + grad.T) / 2
        self._real += (symmetric - self._real) / step
        noise = self._noise_std / math.sqrt(2 * step)
        if step == 1 or step % 5 == 0:
            self._goal = (
                self._independent + shrunk((self._real * self._mask) - self._independent, noise, len(self._sizes)) * self._mask
            )

    def generator_step(self, total: int) -> None:
        """One Adam step, of ``total``, against the critic's best response to the current fakes."""
        rate = self._options.learning_rate * schedule(self._played, total, WARM_UP)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        z = torch.randn(self._options.generator_batch, self._options.latent, generator=self._public)
        shares = softmaxes(self._generator(z), self._sizes)
        fakes = shares @ self._fold
        with torch.no_grad():
            best = (self._goal - fakes.T @ fakes / len(fakes)) * self._mask
            self._critic.bilinear.weight.copy_(best)
        score = 2 * (fakes * (fakes.detach() @ best)).sum(1).mean()  # gradient of E_fake f for a symmetric W
        loss = (shares.mean(0) - self._target).square().sum() * ONE_WAY_WEIGHT - score
        self._optimizer.zero_grad()
        torch.autograd.backward(100 * loss)
        self._optimizer.step()
        self._played += 1
        keep = min(0.99, self._played / (self._played + 9))
        with torch.no_grad():
            for mean, now in zip(self._average.parameters(), self._generator.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)

    def finished(self, one_way: Sequence[FloatArray]) -> dict[str, np.ndarray]:
        """The averaged generator, its output biases moved until its one-way tables are the paid ones."""
        with torch.no_grad():
            z = torch.randn(CALIBRATION_DRAWS, self._options.latent, generator=self._public)
            parts = self._average(z).split(self._sizes, 1)
            targets = [torch.from_numpy(p).float() for p in one_way]
            shift = torch.cat([matching_bias(part, t) for part, t in zip(parts, targets, strict=True)])
            self._average.out.bias.add_(shift)
        return {name: values.numpy() for name, values in self._average.state_dict().items()}


def shrunk(excess: Tensor, noise_std: float, columns: int, strength: float = 100.0) -> Tensor:
    """Shrink the eigenvalues of a noisy symmetric matrix by what noise alone would show.

    Symmetric noise of standard deviation ``s`` has eigenvalues up to ``tau = 2 s sqrt(width)``: ``e`` becomes
    ``sign(e) sqrt(e^2 - tau^2)`` (zero inside). Where noise is small next to the critic's scale, ``tau`` is reduced further,
    as the generator's low rank regularises by itself.
    """
    values, vectors = torch.linalg.eigh(excess)
    tau = 2 * noise_std * math.sqrt(len(values))
    tau *= min(1.0, strength * tau / columns)
    kept = values.sign() * (values.square() - tau * tau).clamp_min(0).sqrt()
    matrix: Tensor = (vectors * kept) @ vectors.T
    return matrix
