"""What ``protect_groups`` brings small groups, and what large ones lose: ``python -m evaluation.bench.groups RESULTS.jsonl``.

Adult at epsilon 1, with and without. Of every group of the protected column: the total variation of the other columns from
the real rows of the group (columns given the group, mean over columns), and the AUC of boosted trees trained on synthetic
and tested on the group's held-out real rows. ``--table`` prints what is recorded.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from evaluation.bench.data import Data, load_data
from evaluation.bench.grid import circumstances, read_results
from evaluation.bench.tables import cell
from evaluation.fidelity.binning import common_codes
from evaluation.fidelity.marginals import column_subsets, mean_distance
from evaluation.inputs import prepare
from evaluation.utility.groups import find_groups, gaps_of
from evaluation.utility.models import LEARNERS
from evaluation.utility.task import define_task
from evaluation.utility.trial import REAL, SYNTHETIC, run_trial
from synth.api import fit

DATASET, EPSILON, DELTA, SEEDS = "adult", 1.0, 1e-5, (0, 1, 2)
ALL = "(all)"
MODELS, COLUMNS = ("marginal", "hybrid"), ("race",)


def run(data: Data, model: str, column: str, seed: int, *, protected: bool) -> dict[str, Any]:
    """Fit, draw as many rows as there are real ones, score every group; a plain record."""
    began = time.process_time()
    release = fit(
        data.train, epsilon=EPSILON, delta=DELTA, schema=data.schema, model=model, seed=seed,
        protect_groups=[column] if protected else (),
    )  # fmt: skip
    drawn = release.sample(len(data.train), seed=seed)
    seconds = time.process_time() - began
    return {
        "model": model, "column": column, "seed": seed, "protected": protected, "epsilon": EPSILON,
        "cpu_seconds": round(seconds, 1), "groups": scores(data, drawn, column, seed), **circumstances(),
    }  # fmt: skip


def scores(data: Data, drawn: pd.DataFrame, column: str, seed: int) -> dict[str, dict[str, float]]:
    """By group: its share, distance of its share and of the other columns, AUC after real and after synthetic rows."""
    tables = prepare(data.train, data.test, drawn, data.schema, seed=seed)
    test = cast(pd.DataFrame, tables.holdout)
    task = define_task(tables.real, tables.schema, str(data.schema.target))
    trial = run_trial({SYNTHETIC: tables.synthetic, REAL: tables.real}, test, tables.schema, task, seed, LEARNERS[:1])
    coded = common_codes([tables.real, tables.synthetic], tables.schema)
    place, found = tables.schema.names.index(column), {}
    real, synthetic = (tables.real[column].astype(str), tables.synthetic[column].astype(str))
    for group in find_groups(tables.real, trial.test, tables.schema[column]):
        mine = [coded.codes[0][(real == group.label).to_numpy()], coded.codes[1][(synthetic == group.label).to_numpy()]]
        auc = gaps_of(trial, group, LEARNERS[0]).get("auc")
        found[group.label] = {
            "share": group.share,
            "drawn_share": len(mine[1]) / len(synthetic),
            "tv_1way": _distance(mine, coded.sizes, place),
            **({} if auc is None else {"auc": auc.levels[SYNTHETIC], "auc_real": auc.levels[REAL]}),
        }
    subsets = column_subsets(len(coded.names), 3, tables.rng(1))
    found[ALL] = {
        "share": 1.0,
        "drawn_share": 1.0,
        "tv_1way": _distance(coded.codes, coded.sizes, place),
        "tv_3way": mean_distance(coded.codes[0], coded.codes[1], coded.sizes, subsets).mean,
        "auc": trial.results[SYNTHETIC, LEARNERS[0]]["auc"][0],
        "auc_real": trial.results[REAL, LEARNERS[0]]["auc"][0],
    }
    return {name: {k: round(float(v), 5) for k, v in values.items()} for name, values in found.items()}


def _distance(codes: Sequence[np.ndarray[Any, Any]], sizes: np.ndarray[Any, Any], left_out: int) -> float:
    """Mean total variation of single columns between two tables; 1 where one is empty."""
    if not all(map(len, codes)):
        return 1.0
    gaps = []
    for j, size in enumerate(sizes):
        if j != left_out:
            first, second = (np.bincount(c[:, j], minlength=size) / len(c) for c in codes)
            gaps.append(0.5 * np.abs(first - second).sum())
    return float(np.mean(gaps))


def table(records: Sequence[dict[str, Any]]) -> str:
    """Markdown: a line per model and group, with and without, with 95 % t-intervals over seeds."""
    heads = ("model", "group", "share", "TV in group, without", "protected", "AUC in group, without", "protected", "real rows")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    runs: dict[tuple[str, str], dict[bool, list[dict[str, Any]]]] = {}
    for r in records:
        runs.setdefault((r["model"], r["column"]), {False: [], True: []})[r["protected"]].append(r["groups"])
    for (model, column), found in runs.items():
        for label, facts in sorted(found[False][0].items(), key=lambda pair: -pair[1]["share"]):
            cells = [f"`{model}`", label if label == ALL else f"{column} {label}", f"{facts['share']:.3f}"]
            for name in ("tv_1way", "auc"):
                values = [[r[label][name] for r in found[p] if name in r.get(label, ())] for p in (False, True)]
                cells += [cell(v, 3) if v else "" for v in values]
            cells.append(f"{facts['auc_real']:.3f}" if "auc_real" in facts else "")
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(place: Path, models: Sequence[str] = MODELS, columns: Sequence[str] = COLUMNS) -> None:
    """Append a record per run that is not there yet."""
    done = {(r["model"], r["column"], r["seed"], r["protected"]) for r in read_results(place)}
    data = load_data(DATASET)
    wanted = [(m, c, s, p) for s in SEEDS for m in models for c in columns for p in (False, True)]
    for model, column, seed, protected in wanted:
        if (model, column, seed, protected) not in done:
            record = run(data, model, column, seed, protected=protected)
            with place.open("a", encoding="utf-8") as out:
                out.write(json.dumps(record, sort_keys=True) + "\n")


if __name__ == "__main__":
    if "--table" in sys.argv:
        print(table(read_results(Path(sys.argv[1]))))
    else:
        main(Path(sys.argv[1]))
