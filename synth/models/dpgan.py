"""DP-GAN: a generator against a critic trained with DP-SGD; the generator sees rows only through the critic.

The critic is bilinear in a row's one-hot codes (``nets.adversarial``), so it looks at all pairs of columns, for each class of
a class target apart, and its real part has per-row gradients of one known norm: clipping never bites and noise averages out
over steps. Only the real part is private: a Poisson sample, clipped per row, summed and noised by the trusted core. The fake
part is data-free, of fixed size, and added afterwards: the critic is set to its best response to the current fakes. Large
batches help, as Bie, Kamath and Zhang (2023, arXiv:2302.02936) found; unlike theirs, this critic's real gradient does not
depend on its state, so that its steps are averaged and the generator may take many per step.

Warm, generator and critic first play for the measured mixture, for free; the noisy critic is shrunk towards it, joins the
tables (its entries are their cells), and the generator's rows are raked. Cold, the noisy critic is shrunk towards independence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from synth.errors import InputError
from synth.models.base import Fitted, Run, require_within
from synth.models.measured.evidence import Evidence, Table
from synth.models.measured.finished import coarse_domain, finished_rows, independent_rows
from synth.models.measured.stage import Draw, Learnt, finish, measure
from synth.models.measured.warm import LEFT_OUT, TABLE_SHARE, trains
from synth.models.nets.adversarial import Critic, Game, Generator, Sight
from synth.models.nets.autoregressive import even_uniforms
from synth.models.nets.tabular import CALIBRATION_DRAWS, fold_codes, schedule, torch_generator
from synth.models.one_way import FloatArray, log_shares, measure_one_way
from synth.privacy.budget import RowCount
from synth.privacy.clipping import FLAT, NORM_MARGIN, Clipping
from synth.privacy.dpsgd import SgdPlan
from synth.privacy.vault import PrivateTable
from synth.table import Domain, EncodedTable

WARM_UP = 50
PRETRAINING_STEPS = 800
WARM_RATE = 0.3  # of the generator after a warm start, as part of its learning rate


@dataclass(frozen=True, slots=True, kw_only=True)
class DPGAN:
    """Generative adversarial network with a DP-SGD critic.

    Attributes:
        warm_start: Measure tables of pairs first, play for a mixture fitted to them, and rake.
        table_share: Part of the Gaussian budget for tables of pairs, with a warm start.
        steps: Critic steps.
        batch_size: Rows a Poisson sample is expected to have; ``None``: an eighth of the rows, at least 4,096.
        one_way_share: Part of the Gaussian budget for the one-way tables, without a warm start.
        generator_steps: Per critic step.
        generator_batch: Fakes per step.
        learning_rate: Of the generator (Adam).
        latent: Size of the generator's noise.
        hidden: Width of the generator's hidden layer.
        critic_width: Most one-hot positions the critic looks at; rarer codes share one per column.
        clipping: "flat", and nothing else: all gradients have one norm, which is public, and clipping there cuts none.
    """

    warm_start: bool = True
    table_share: float = TABLE_SHARE
    steps: int = 60
    batch_size: int | None = None
    one_way_share: float = 0.1
    generator_steps: int = 16
    generator_batch: int = 1024
    learning_rate: float = 0.01
    latent: int = 16
    hidden: int = 256
    critic_width: int = 512
    clipping: str = FLAT

    def __post_init__(self) -> None:
        if Clipping(kind=self.clipping).kind != FLAT:
            raise InputError(
                f"clipping {self.clipping!r} has no use for this model: all rows' gradients have one norm, which is public, "
                "and it clips there, cutting none; leave clipping at flat, or choose --model hybrid or dpvae"
            )
        require_within(
            self,
            {
                "table_share": (0.05, 0.7),
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
        """Tables and mixture, or one-way tables alone; then play the game with what is left."""
        public = torch_generator(np.random.default_rng(run.seed))
        if not self.warm_start:
            return self._fit_cold(data, run, public)
        budget = data.ledger.budget.epsilon, data.ledger.working_delta
        training = trains(data.rows, *budget, len(data.domain.names), table_share=self.table_share)
        learnt = measure(data, run, share=self.table_share if training else None, source=public)
        return learnt if isinstance(learnt, Fitted) else self._fit_warm(learnt, run, public, training=training)

    def _fit_warm(self, learnt: Learnt, run: Run, public: torch.Generator, *, training: bool) -> Fitted:
        """Play for the mixture, then for the rows; rake."""
        data, domain = learnt.view, learnt.groups.domain
        sight = Sight.splitting(domain.sizes, fold_codes(learnt.coarse, self.critic_width), split_column(learnt))
        critic = Critic(sight)
        known = sight.moments(learnt.mixture.shares, learnt.mixture.weights)
        game = self._game(sight, critic, learnt.coarse, data.rows, known, public)
        run.progress.phase("pre-training", PRETRAINING_STEPS)
        for step in range(PRETRAINING_STEPS):
            game.generator_step(self.learning_rate * schedule(step, PRETRAINING_STEPS, WARM_UP), self.generator_batch)
            run.progress.advance()
        if training:
            noise = self._play(data, sight, critic, game, self.learning_rate * WARM_RATE, run)
            learnt = replace(learnt, evidence=sharpened(learnt.evidence, sight, game.seen(), noise))
        run.progress.phase("raking")
        generator = game.finished(CALIBRATION_DRAWS)
        tensors, facts = finish(learnt, evenly(generator, domain.sizes), np.random.default_rng(run.seed))
        if not training:
            facts["notes"].append(LEFT_OUT)
        run.progress.spent(data.ledger.spent())
        tensors |= {f"net_{name}": values for name, values in released(generator).items()}
        return Fitted(tensors, facts | {"latent": self.latent, "hidden": self.hidden})

    def _fit_cold(self, data: PrivateTable, run: Run, public: torch.Generator) -> Fitted:
        """Measure the one-way tables, then play with what is left."""
        run.progress.phase("measuring one-way tables")
        one_way = measure_one_way(data, share=self.one_way_share)
        sight = Sight(sizes=data.domain.sizes, fold=fold_codes(one_way, self.critic_width))
        critic = Critic(sight)
        shares = torch.from_numpy(np.concatenate(one_way)).float()
        known = sight.moments(shares[None], torch.ones(1))
        game = self._game(sight, critic, one_way, data.rows, known, public)
        self._play(data, sight, critic, game, self.learning_rate, run)
        return Fitted(released(game.finished(CALIBRATION_DRAWS)), {"latent": self.latent, "hidden": self.hidden})

    def _game(
        self,
        sight: Sight,
        critic: Critic,
        one_way: Sequence[FloatArray],
        rows: RowCount,
        known: Tensor,
        public: torch.Generator,
    ) -> Game:
        bias = torch.from_numpy(log_shares(one_way, rows.estimate)).float()
        generator = Generator(self.latent, self.hidden, bias, public)
        return Game(sight, critic, generator, torch.from_numpy(np.concatenate(one_way)).float(), known, public)

    def _play(self, data: PrivateTable, sight: Sight, critic: Critic, game: Game, peak: float, run: Run) -> Noise:
        """DP-SGD of the critic with all that is left of the budget; the generator follows.

        Returns:
            Noise of the critic's mean.
        """
        plan = self.plan(data.rows, len(sight.sizes))

        def real_loss(module: nn.Module, codes: Tensor, normals: object) -> Tensor:  # noqa: ARG001 - the core's signature
            scores: Tensor = module(codes)
            return -scores

        run.progress.phase("calibrating noise")
        gradients = data.noisy_gradients(critic, real_loss, plan)
        run.progress.spent(data.ledger.spent())
        run.progress.phase("training", gradients.steps_left)
        total, seen = plan.steps * self.generator_steps, torch.zeros(1)
        for step in gradients.steps([seen, *game.state()]):
            seen += 1
            game.critic_step(int(seen), gradients.noise_std)
            for k in range(self.generator_steps):
                rate = peak * schedule(step * self.generator_steps + k, total, WARM_UP)
                game.generator_step(rate, self.generator_batch)
            run.progress.advance()
        drawn = (1 - plan.sample_rate) / (plan.steps * plan.sample_rate * data.rows.rung)
        return Noise(gradients.noise_std / math.sqrt(2 * plan.steps), drawn)

    def plan(self, rows: RowCount, columns: int) -> SgdPlan:
        """Constants of the run, from the row count's rung and the number of columns."""
        batch = self.batch_size if self.batch_size is not None else max(4096, rows.rung // 8)
        rate = min(1.0, batch / rows.rung)
        norm = columns * (1 + 2 * NORM_MARGIN)  # of every row's gradient, and the margin that clipping takes off
        uncounted = Clipping(count_weight=0.0)  # nothing is cut, so there is nothing to learn from a count
        return SgdPlan(steps=self.steps, sample_rate=rate, divisor=rate * rows.estimate, max_grad_norm=norm, clipping=uncounted)

    def sample(self, fitted: Fitted, domain: Domain, n_rows: int, rng: np.random.Generator) -> EncodedTable:
        """Draw noise, then every column from its softmax; rake after a warm start."""
        if "groups" in fitted.tensors:
            tensors = {name[4:]: values for name, values in fitted.tensors.items() if name.startswith("net_")}
            coarse = coarse_domain(fitted, domain)
            return finished_rows(fitted, domain, evenly(restored(fitted, tensors), coarse.sizes), n_rows, rng)
        if "one_way" in fitted.tensors:
            return independent_rows(fitted, domain, n_rows, rng)
        generator, source = restored(fitted, fitted.tensors), torch_generator(rng)
        uniforms = torch.rand(n_rows, generator.body.in_features + len(domain.sizes), generator=source)
        return EncodedTable(domain, generator.draw_rows(uniforms, domain.sizes).numpy().astype(np.int32))


@dataclass(frozen=True, slots=True)
class Noise:
    """Of an off-diagonal entry of the critic's mean, as a share of rows.

    Attributes:
        sd: Standard deviation of the privacy noise.
        drawn: Variance from sampling rows, per unit of the share itself.
    """

    sd: float
    drawn: float


def sharpened(evidence: Evidence, sight: Sight, seen: Tensor, noise: Noise) -> Evidence:
    """Tables of pairs together with what the noisy critic says of the same cells, by inverse variance. Post-processing."""
    if len(torch.unique(sight.fold)) < len(sight.fold) - max(sight.classes - 1, 0):
        return evidence  # codes share positions, so that cells are not seen apart
    moments, places = seen.double().numpy(), np.split(sight.fold.numpy(), np.cumsum(sight.sizes)[:-1])
    tables = []
    for table in evidence.tables:
        *pair, last = table.columns
        if len(pair) == 2 and last == sight.split:
            found = np.moveaxis(moments[:, places[pair[0]]][:, :, places[pair[1]]], 0, -1)
        elif len(pair) == 1 and sight.split not in table.columns:
            found = moments[:, places[pair[0]]][:, :, places[last]].sum(0)
        else:
            tables.append(table)
            continue
        classes = sight.classes if len(pair) == 1 else 1
        variance = classes * noise.sd**2 + noise.drawn * np.maximum(found, 0)
        own = np.broadcast_to(table.sd, table.shares.shape) ** 2
        shares = (table.shares * variance + found * own) / (variance + own)
        tables.append(Table(columns=table.columns, shares=shares, sd=np.sqrt(variance * own / (variance + own))))
    return Evidence(domain=evidence.domain, rows=evidence.rows, tables=tuple(tables))


def split_column(learnt: Learnt) -> int:
    """The class target whose classes the tables were measured for, or -1."""
    return next((table.columns[2] for table in learnt.evidence.tables if len(table.columns) == 3), -1)


def evenly(generator: Generator, sizes: tuple[int, ...]) -> Draw:
    """Rows of the generator from evenly spread uniform numbers."""
    width = generator.body.in_features + len(sizes)
    return lambda rows, rng: generator.draw_rows(even_uniforms(rows, width, rng), sizes)


def released(generator: Generator) -> dict[str, np.ndarray]:
    """Its weights by name."""
    return {name: values.numpy() for name, values in generator.state_dict().items()}


def restored(fitted: Fitted, arrays: dict[str, np.ndarray]) -> Generator:
    """A generator with released weights."""
    width = len(arrays["out.bias"])
    generator = Generator(int(fitted.facts["latent"]), int(fitted.facts["hidden"]), torch.zeros(width), torch.Generator())
    generator.load_state_dict({name: torch.from_numpy(values) for name, values in arrays.items()})
    return generator
