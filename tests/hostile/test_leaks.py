"""Every byte that a fit leaves anywhere, temporary files and debugging output included, is searched for values of the rows."""

import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = (
    "CANARY7c1",
    "canary7c1",
    "918273.645",
    "9.18273645",
    "918273645",
    "7418529630",
    "7.41852963",
    "2031-05-17",
    "17/05/2031",
)
STAMP = 1936742400  # 2031-05-17, in seconds
NUMBERS = (918273.645, 7418529630.0, float(STAMP))

# keeps whatever is deleted or moved, logs at every level, and reports every warning
WATCHER = """
import logging, os, shutil, sys, warnings
keep = os.environ["KEEP"]
logging.basicConfig(level=0, filename=os.path.join(keep, "log"))
warnings.simplefilter("always")
def watch(event, arguments):
    if event in ("os.remove", "os.rename", "shutil.rmtree") and not str(arguments[0]).startswith(keep):
        path = os.fspath(arguments[0])
        if isinstance(path, str) and os.path.isfile(path):
            with open(path, "rb") as old, open(os.path.join(keep, f"{len(os.listdir(keep))}"), "wb") as new:
                new.write(old.read())
sys.addaudithook(watch)
"""


def needles():
    """The canary values as texts in two encodings and as numbers in two byte orders."""
    for text in TEXTS:
        yield text.encode()
        yield text.encode("utf-16-le")
    for number in NUMBERS:
        for form in ("<d", ">d", "<q", ">q"):
            yield struct.pack(form, number if form.endswith("d") else int(number))


def table(n=400):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "town": rng.choice(["Ulm", "Aix"], n),
            "pay": np.round(rng.lognormal(3, 1, n), 2).astype(str),
            "number": rng.integers(0, 5000, n).astype(str),
            "day": (np.datetime64("2020-01-01") + rng.integers(0, 700, n)).astype(str),
        }
    )
    frame.loc[41] = ["CANARY7c1", "918273.645", "7418529630", "2031-05-17"]
    return frame.to_csv(index=False)


def fit(place, content, *arguments, encoding="utf-8"):
    """Run ``synth fit`` in a process that is watched; every byte it wrote, and its exit code."""
    for name in ("work", "tmp", "keep", "watch", "in"):
        (place / name).mkdir()
    (place / "watch" / "sitecustomize.py").write_text(WATCHER)
    (place / "in" / "t.csv").write_text(content, encoding=encoding)
    folders = {"TMPDIR": place / "tmp", "HOME": place / "work", "KEEP": place / "keep", "XDG_CACHE_HOME": place / "work"}
    environment = {
        **os.environ, **{key: str(value) for key, value in folders.items()}, "SYNTH_DEBUG": "1", "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{place / 'watch'}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONFAULTHANDLER": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "synth", "fit", str(place / "in" / "t.csv"), *arguments, "-o", "m.synth"]
    done = subprocess.run(command, cwd=place / "work", env=environment, capture_output=True, timeout=300, check=False)
    written = {"stdout": done.stdout, "stderr": done.stderr}
    for folder in ("work", "tmp", "keep"):
        for path in (place / folder).rglob("*"):
            if path.is_file():
                written[f"{folder}/{path.name}"] = path.read_bytes()
                if zipfile.is_zipfile(path):
                    with zipfile.ZipFile(path) as file:
                        written |= {f"{folder}/{path.name}/{name}": file.read(name) for name in file.namelist()}
    return written, done.returncode


def tells_nothing(written):
    for name, content in written.items():
        assert not [needle for needle in needles() if needle in content], name


def test_the_search_finds_what_is_there():
    leaky = [
        b"x,CANARY7c1",
        "a 7418529630".encode("utf-16-le"),
        np.array([1.0, 918273.645]).tobytes(),
        np.array([STAMP]).tobytes(),
    ]
    for content in leaky:
        with pytest.raises(AssertionError):
            tells_nothing({"x": content})
    tells_nothing({"x": b"nothing of the kind"})


FITS = {
    "independent": ("-e", "3", "-m", "independent"),
    "DP-SGD": ("-e", "8", "-m", "dpvae", "--set", "warm_start=false", "--set", "steps=3", "--set", "batch_size=64"),
    "as JSON": ("-e", "3", "-m", "independent", "--json"),
}


@pytest.mark.parametrize("case", FITS)
def test_no_value_of_a_row_is_written_anywhere(tmp_path, case):
    written, code = fit(tmp_path, table(), *FITS[case])
    assert code == 0, written["stderr"]
    assert {"work/m.synth", "work/m.synth.ledger.jsonl", "work/m.synth/receipt.json"} <= set(written)
    assert any(name.startswith("keep/") for name in written), "the watcher saw nothing"
    tells_nothing(written)


FAILURES = {
    "ragged": (table() + "CANARY7c1,918273.645\n", (), 2),
    "quote": (table() + '"CANARY7c1,918273.645,7418529630,2031-05-17\n', (), 2),
    "too little budget": (table(), ("-e", "0.0001"), 3),
    "canary as header": ("\n".join(table().splitlines()[42:]), (), 2),
    "wrong delimiter": (table(), ("--delimiter", ";"), 2),
    "wrong encoding": (table() + "CANARY7c1\u00e9,1,1,2031-05-17\n", ("--encoding", "ascii"), 2),
}


@pytest.mark.parametrize("case", FAILURES)
def test_no_failure_tells_a_value(tmp_path, case):
    """Nor where a row stands in the header's place."""
    content, extra, expected = FAILURES[case]
    written, code = fit(tmp_path, content, "-e", "1", "-m", "independent", *extra)
    assert code == expected, written["stderr"]
    assert "work/m.synth" not in written
    tells_nothing(written)
