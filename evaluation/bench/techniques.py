"""Every technique at equal epsilon on the same rows: ``python -m evaluation.bench.techniques RESULTS.jsonl [DATASET ...]``.

One record a run, finished runs are not repeated; ``--table`` prints what is recorded. Everything is fitted in this process,
so that CPU seconds are those of fitting alone. The rows are those of ``synth bench``, its scores as well.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from evaluation.baselines.generators import BASELINES
from evaluation.bench.data import Data, load_data
from evaluation.bench.grid import circumstances, read_results
from evaluation.bench.public_rows import split
from evaluation.bench.tables import cell
from evaluation.fidelity.binning import common_codes
from evaluation.fidelity.marginals import column_subsets, mean_distance
from evaluation.inputs import prepare
from evaluation.utility.task import define_task
from evaluation.utility.tstr import train_and_test
from synth.api import fit
from synth.errors import SynthError
from synth.privacy.clipping import CLIPPINGS
from synth.privacy.ingest import read_table
from synth.randomize import randomize
from synth.rehearsal import rehearse
from synth.schema import Kind, Schema
from synth.tuning import tune

DATASETS, EPSILONS, SEEDS, DELTA = ("adult", "diabetes130"), (0.3, 1.0, 3.0), (0, 1, 2), 1e-5
NONE = "none"
Make = Callable[[Data, float, int], pd.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class Technique:
    """One line of the table.

    Attributes:
        name: Of the line.
        noise: Where noise is injected.
        trust: Who sees rows without noise.
        make: Fits to ``data.train`` at an epsilon with a seed, and draws as many rows.
    """

    name: str
    noise: str
    trust: str
    make: Make


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """``synth fit`` and ``synth sample``.

    Attributes:
        model: Synthesizer.
        options: Of the synthesizer.
        public: Whether a tenth of the rows is public (and not private).
        terms: Further arguments of ``synth.fit``.
        for_target: Whether it is asked for the schema's target as its purpose.
    """

    model: str
    options: dict[str, Any] = field(default_factory=dict)
    public: bool = False
    terms: dict[str, Any] = field(default_factory=dict)
    for_target: bool = False

    def __call__(self, data: Data, epsilon: float, seed: int) -> pd.DataFrame:
        """Fit and draw."""
        private, tenth = split(data, seed) if self.public else (data, None)
        terms = self.terms | ({"purpose": data.schema.target} if self.for_target else {})
        release = fit(
            private.train, epsilon=epsilon, delta=DELTA, schema=data.schema, model=self.model, options=self.options,
            seed=seed, public=tenth, **terms,
        )  # fmt: skip
        return release.sample(len(data.train), seed=seed)


def baseline(name: str) -> Make:
    """A generator without privacy."""

    def make(data: Data, _: float, seed: int) -> pd.DataFrame:
        real = prepare(data.train, data.test, data.train, data.schema, seed=seed).real
        return BASELINES[name]().generate(real, data.schema, len(data.train), seed)

    return make


def agreed(data: Data) -> Schema:
    """The schema with open categories taken from the table: what sites, or senders of rows, must agree on."""
    rows = pd.concat([data.train, data.test])
    columns = []
    for column in data.schema.columns:
        if column.kind is None or (column.kind is Kind.CATEGORY and not column.categories):
            values = tuple(sorted(set(rows[column.name].dropna().astype(str)) - set(data.schema.missing)))
            columns.append(replace(column, kind=Kind.CATEGORY, categories=values))
        else:
            columns.append(column)
    return replace(data.schema, columns=tuple(columns))


def randomized(data: Data, epsilon: float, _: int) -> pd.DataFrame:
    """Cells randomised at their source; no seed can reach their noise."""
    with tempfile.TemporaryDirectory() as folder:
        place, made = Path(folder) / "rows.csv", Path(folder) / "randomized.parquet"
        data.train.to_csv(place, index=False)
        randomize(place, made, schema=agreed(data), epsilon=epsilon, bins=8)
        return read_table(made)


def at_sites(data: Data, epsilon: float, seed: int) -> pd.DataFrame:
    """``marginal`` of three sites that pool no rows; each adds all of its noise itself."""
    order = np.random.default_rng(seed).permutation(len(data.train))
    parts = [data.train.iloc[np.sort(part)].reset_index(drop=True) for part in np.array_split(order, 3)]
    release = rehearse(parts, schema=agreed(data), epsilon=epsilon, delta=DELTA, model="marginal", seed=seed)
    return release.sample(len(data.train), seed=seed)


def tuned(data: Data, epsilon: float, seed: int) -> pd.DataFrame:
    """The best of tries with two models, chosen on the private rows."""
    release = tune(
        data.train, epsilon=epsilon, delta=DELTA, schema=data.schema, candidates=("marginal", "independent"), runs=4, seed=seed
    )
    return release.sample(len(data.train), seed=seed)


COUNTS, NET, CELLS = "counts of cells", "clipped gradients", "every cell of every row"
WEIGHTS, VOTES = "the weights of a convex model", "votes of teachers on disjoint parts"
CENTRAL, NOBODY, ALL = "whoever fits", "nobody", "everybody"
VAE = "dpvae, clipping"
TECHNIQUES = (
    Technique(name="hybrid (default)", noise=f"{COUNTS}, then {NET}", trust=CENTRAL, make=Fit(model="hybrid")),
    Technique(name="marginal", noise=COUNTS, trust=CENTRAL, make=Fit(model="marginal")),
    Technique(name="independent, Gaussian noise", noise=COUNTS, trust=CENTRAL, make=Fit(model="independent")),
    Technique(
        name="independent, Laplace noise", noise=COUNTS, trust=CENTRAL,
        make=Fit(model="independent", options={"mechanism": "laplace"}),
    ),
    *(
        Technique(name=f"{VAE} {kind}", noise=NET, trust=CENTRAL, make=Fit(model="dpvae", options={"clipping": kind}))
        for kind in CLIPPINGS
    ),
    Technique(name="marginal, a tenth public", noise=COUNTS, trust=CENTRAL, make=Fit(model="marginal", public=True)),
    Technique(
        name="marginal, 10 columns kept", noise=COUNTS, trust=CENTRAL,
        make=Fit(model="marginal", terms={"max_columns": 10}, for_target=True),
    ),
    Technique(
        name="marginal, race protected", noise=COUNTS, trust=CENTRAL,
        make=Fit(model="marginal", terms={"protect_groups": ("race",)}),
    ),
    Technique(
        name="perturbed", noise=f"{COUNTS}, and {WEIGHTS}", trust=CENTRAL, make=Fit(model="perturbed"),
    ),
    Technique(name="pate", noise=f"{COUNTS}, and {VOTES}", trust=CENTRAL, make=Fit(model="pate")),
    Technique(name="tune: marginal or independent", noise=COUNTS, trust=CENTRAL, make=tuned),
    Technique(name="marginal, three sites", noise=f"{COUNTS}, at each site", trust="each site its own", make=at_sites),
    Technique(name="randomize (local)", noise=CELLS, trust=NOBODY, make=randomized),
    Technique(name="NOT PRIVATE: trees", noise=NONE, trust=ALL, make=baseline("trees")),
    Technique(name="NOT PRIVATE: net", noise=NONE, trust=ALL, make=baseline("net")),
)  # fmt: skip


def run(technique: Technique, dataset: str, data: Data, epsilon: float, seed: int) -> dict[str, Any]:
    """Fit, draw and score; a plain record, with the reason under ``failed`` where the technique refuses."""
    facts = {"technique": technique.name, "dataset": dataset, "epsilon": epsilon, "seed": seed}
    began = time.process_time()
    try:
        drawn = technique.make(data, epsilon, seed)
    except SynthError as error:
        return facts | {"failed": " ".join(str(error).split())} | circumstances()
    seconds = time.process_time() - began
    return facts | {"cpu_seconds": round(seconds, 1), "scores": scores(data, drawn, seed)} | circumstances()


def scores(data: Data, drawn: pd.DataFrame, seed: int) -> dict[str, float]:
    """Mean total variation over one, two and three columns, and boosted trees' score on held-out real rows.

    Columns that ``drawn`` lacks are left out.
    """
    kept = [c for c in data.schema.columns if c.name in drawn.columns]
    schema = replace(data.schema, columns=tuple(kept))
    names = list(schema.names)
    tables = prepare(data.train[names], data.test[names], drawn[names], schema, seed=seed)
    holdout = cast(pd.DataFrame, tables.holdout)
    coded = common_codes([tables.real, tables.synthetic, holdout], schema)
    found = {}
    for order in range(1, min(3, len(names)) + 1):
        subsets = column_subsets(len(names), order, tables.rng(1))
        found[f"tv_{order}way"] = mean_distance(coded.codes[0], coded.codes[1], coded.sizes, subsets).mean
    if schema.target is not None:
        task = define_task(tables.real, schema, schema.target)
        tested = train_and_test(tables.synthetic, holdout, schema, task, seed)
        found |= {f"tstr_{name}": value.value for name, value in tested.items() if name in ("auc", "r2")}
    return {name: round(float(value), 5) for name, value in found.items()}


def table(records: Sequence[dict[str, Any]]) -> str:
    """Markdown: a line per data set and technique; scores and 95 % t-intervals over seeds, one epsilon after the other."""
    steps = " / ".join(f"{epsilon:g}" for epsilon in EPSILONS)
    heads = ("technique", "noise on", "trusted with rows", "data", "seeds", f"3-way TV at {steps}", f"TSTR at {steps}", "CPU s")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for dataset in DATASETS:
        for technique in TECHNIQUES:
            runs = [r for r in records if r["technique"] == technique.name and r["dataset"] == dataset]
            lines += [_line(technique, dataset, runs)] if runs else []
    return "\n".join(lines)


def _line(technique: Technique, dataset: str, runs: Sequence[dict[str, Any]]) -> str:
    by_epsilon = [[r for r in runs if r["epsilon"] == epsilon] for epsilon in EPSILONS]
    by_epsilon = [some for some in by_epsilon if some]
    seeds = min(len({r["seed"] for r in some}) for some in by_epsilon)
    scored = [" / ".join(_scored(some, *score) for some in by_epsilon) for score in (("tv_3way", 4), ("tstr_auc", 3))]
    seconds = [r["cpu_seconds"] for r in runs if "failed" not in r]
    mean = f"{sum(seconds) / len(seconds):.0f}" if seconds else ""
    return "| " + " | ".join([technique.name, technique.noise, technique.trust, dataset, str(seeds), *scored, mean]) + " |"


def _scored(runs: Sequence[dict[str, Any]], name: str, digits: int) -> str:
    found = [r["scores"][name] for r in runs if name in r.get("scores", {})]
    if found:
        return cell(found, digits)
    return next((f"refused: {r['failed']}" for r in runs if "failed" in r), "")


def main(place: Path, datasets: Sequence[str] = DATASETS) -> None:
    """Append a record per run that is not there yet, seed by seed, so that an interrupted table is whole for some seeds."""
    done = {(r["technique"], r["dataset"], r["epsilon"], r["seed"]) for r in read_results(place)}
    for dataset in datasets:
        data = load_data(dataset)
        for seed in SEEDS:
            for technique in TECHNIQUES:
                for epsilon in EPSILONS if technique.noise != NONE else EPSILONS[:1]:
                    if (technique.name, dataset, epsilon, seed) not in done:
                        record = run(technique, dataset, data, epsilon, seed)
                        with place.open("a", encoding="utf-8") as out:
                            out.write(json.dumps(record, sort_keys=True) + "\n")


if __name__ == "__main__":
    if "--table" in sys.argv:
        print(table(read_results(Path(sys.argv[1]))))
    else:
        main(Path(sys.argv[1]), sys.argv[2:] or DATASETS)
