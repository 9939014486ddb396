"""lab version."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn

from synth.models.base import Fitted, Run
from synth.models.measured.evidence import Evidence, Table, as_tables
from synth.models.measured.groups import choose_groups
from synth.models.measured.mixture import MixturePlan, fit_mixture
from synth.models.measured.rake import Cells, effective, fit_multipliers, resample, row_weights
from synth.models.nets.autoregressive import Autoregressive, even_uniforms
from synth.models.nets.tabular import schedule, torch_generator
from synth.models.one_way import log_shares, measure_one_way, pack, unpack
from synth.privacy.dpsgd import SgdPlan
from synth.privacy.vault import PrivateTable, sigma_for
from synth.table import Domain, EncodedTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Hybrid:
    one_way_share: float = 0.05
    table_share: float = 0.45
    components: int = 800
    rank: int = 16
    smooth: float = 50.0
    ridge: float = 2.0
    pre_rows: int = 65536
    pre_steps: int = 300
    pre_rate: float = 0.03
    steps: int = 200
    batch: int = 1024
    rate: float = 5.0
    clip: float = 1.0
    pool: int = 65536
    slack: float = 0.7
    rake: bool = True
    sgd: bool = True
    even: bool = True
    verbose: bool = False

    def fit(self, data: PrivateTable, run: Run) -> Fitted:
        t0 = time.time()

        def say(*a):
            if self.verbose:
                print(f"   {time.time() - t0:5.1f}", *a, flush=True)

        public = torch_generator(np.random.default_rng(run.seed))
        one_way = measure_one_way(data, share=self.one_way_share)
        rows = data.rows.estimate
        d = len(data.domain.names)
        target = data.domain.names.index(data.domain.target) if data.domain.target else -1
        split = target if target >= 0 and data.domain.sizes[target] <= 3 else -1
        rest = [j for j in range(d) if j != split]
        subsets = list(combinations(rest, 2))
        if split >= 0:
            subsets = [(*s, split) for s in subsets]
        sigma = sigma_for(data.ledger, self.table_share, len(subsets))
        groups = choose_groups(one_way, data.domain, rows=rows, sigma=sigma, widest=min(32, max(4, 2000 // d)))
        domain = groups.domain
        view = data.coarsen(groups.maps)
        names = domain.names
        cells = [math.prod(domain.sizes[j] for j in s) for s in subsets]
        share = self.table_share if self.sgd else None
        measured = view.noisy_marginals(
            [tuple(names[j] for j in s) for s in subsets], share=share, weights=[c ** (2 / 3) for c in cells]
        )
        say("measured", domain.sizes, sigma)
        coarse = groups.merge(one_way)
        sd1 = sigma_for(data.ledger, self.one_way_share, d) / rows
        ones = [Table(columns=(j,), shares=p, sd=np.full(len(p), sd1)) for j, p in enumerate(coarse)]
        evidence = Evidence(domain=domain, rows=rows, tables=(*as_tables(domain, measured, rows), *ones))
        logs = torch.from_numpy(log_shares(coarse, rows)).float()
        plan = MixturePlan(components=self.components, rank=self.rank, smooth=self.smooth, ridge=self.ridge)
        mixture = fit_mixture(evidence, logs, plan, split=split, source=public, advance=lambda: None)
        say("mixture")
        drawn = mixture.draw_rows(domain, self.pre_rows, public)
        model = Autoregressive(domain, logs)
        self._pretrain(model, drawn, public)
        say("pretrained")
        if self.sgd:
            rate = min(1.0, self.batch / data.rows.rung)
            sgd = SgdPlan(steps=self.steps, sample_rate=rate, divisor=rate * rows, max_grad_norm=self.clip)
            gradients = view.noisy_gradients(model, lambda m, c, n: m(c), sgd)
            opt = torch.optim.SGD(model.parameters(), lr=self.rate, momentum=0.9)
            for step in range(self.steps):
                for g in opt.param_groups:
                    g["lr"] = self.rate * schedule(step, self.steps, 10)
                gradients.step()
                opt.step()
            say("dp-sgd", gradients.noise_std)
        rng = np.random.default_rng(run.seed + 1)
        model.draw_rows(even_uniforms(16384, d, rng), [torch.from_numpy(p).float() for p in coarse])
        tensors = {
            "bias": model.bias.numpy(),
            "skip": (model.skip.weight * model.skip.mask).detach().numpy(),
            "one_way": pack(one_way),
        }
        for j, g in enumerate(groups.maps):
            tensors[f"groups_{j}"] = g
        if self.rake:
            pool = model.draw_rows(even_uniforms(self.pool, d, rng))
            numbered, multipliers = fit_multipliers(pool, evidence, slack=self.slack)
            ess = effective(row_weights(multipliers, numbered.index(pool)))
            say("raked, ess", ess)
            tensors["multipliers"] = multipliers.numpy()
            tensors["columns"], tensors["strides"], tensors["offsets"] = numbered.columns, numbered.strides, numbered.offsets
        return Fitted(tensors, {})

    def _pretrain(self, model, drawn, public):
        opt = torch.optim.Adam(model.parameters(), lr=self.pre_rate)
        for step in range(self.pre_steps):
            for g in opt.param_groups:
                g["lr"] = self.pre_rate * schedule(step, self.pre_steps, 10)
            batch = drawn[torch.randint(len(drawn), (2048,), generator=public)]
            opt.zero_grad()
            model(batch).mean().backward()
            opt.step()

    def sample(self, fitted: Fitted, domain: Domain, n_rows: int, rng: np.random.Generator) -> EncodedTable:
        t = {k: torch.from_numpy(np.asarray(v)) for k, v in fitted.tensors.items()}
        maps = [fitted.tensors[f"groups_{j}"] for j in range(len(domain.names))]
        sizes = tuple(int(m.max()) + 1 for m in maps)
        coarse = Domain(names=domain.names, sizes=sizes, target=domain.target)
        model = Autoregressive(coarse, t["bias"])
        with torch.no_grad():
            model.skip.weight.copy_(t["skip"])
        factor = 2 if self.rake else 1
        d = len(sizes)
        u = even_uniforms(n_rows * factor, d, rng) if self.even else torch.from_numpy(rng.random((n_rows * factor, d))).float()
        codes = model.draw_rows(u)
        if self.rake:
            numbered = Cells(t["columns"].numpy(), t["strides"].numpy(), t["offsets"].numpy(), len(t["multipliers"]))
            w = row_weights(t["multipliers"], numbered.index(codes))
            codes = codes[resample(w, n_rows, float(rng.random()))]
        out = np.empty((n_rows, d), dtype=np.int32)
        one_way = unpack(fitted.tensors["one_way"], domain)
        perm = rng.permutation(n_rows)
        for j, m in enumerate(maps):
            if sizes[j] == domain.sizes[j]:
                out[:, j] = codes[:, j].numpy()
                continue
            order = np.argsort(m, kind="stable")
            cum = np.concatenate([[0.0], np.cumsum(np.maximum(one_way[j][order], 1e-9))])
            starts = np.searchsorted(m[order], np.arange(sizes[j] + 1))
            g = codes[:, j].numpy()
            lo, hi = cum[starts[g]], cum[starts[g + 1]]
            pos = np.searchsorted(cum, lo + rng.random(n_rows) * (hi - lo), side="right") - 1
            out[:, j] = order[np.clip(pos, starts[g], starts[g + 1] - 1)]
        return EncodedTable(domain, out[perm])
