"""The report in headless Chromium: opened from file://, with a proxy that counts every attempt to reach a network."""

import re
import shutil
import socket
import subprocess
import threading

import numpy as np
import pandas as pd
import pytest

from evaluation import evaluate
from evaluation.publish import publish
from synth.api import fit
from synth.schema import Column, Kind, Schema

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine (apt-get install chromium)"),
]


def simulate(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=400)
    frame = pd.DataFrame({"x": x, "z": x + rng.normal(size=400), "sex": rng.choice(["f", "m"], 400)})
    return frame.assign(y=np.where(x + rng.normal(size=400) > 0, "yes", "</script><b>no</b>"), gap=np.where(x > 1, np.nan, x))


@pytest.fixture(scope="module")
def report():
    kinds = {"x": Kind.FLOAT, "z": Kind.FLOAT, "sex": Kind.CATEGORY, "y": Kind.CATEGORY, "gap": Kind.FLOAT}
    schema = Schema(columns=tuple(Column(name=n, kind=k) for n, k in kinds.items()), target="y", name="people & places")
    card = {"epsilon": 1.0, "delta": 1e-5, "model": "hybrid"}
    return evaluate(simulate(0), simulate(1), simulate(2), schema, groups=("sex",), card=card)


@pytest.fixture(scope="module")
def proxy():
    """A listening socket that answers nothing and remembers what it was asked for."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        done = threading.Event()

        def listen():
            while not done.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(1)
                    try:
                        asked.append(connection.recv(200).decode(errors="replace").partition("\r")[0])
                    except TimeoutError:
                        asked.append("a silent connection")

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1], asked
        done.set()
        thread.join()


def open_page(path, profile, port, *options):
    """The finished document and what the console said."""
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--no-first-run", "--disable-default-apps", "--enable-logging=stderr", "--log-level=0",
             f"--user-data-dir={profile}", f"--proxy-server=127.0.0.1:{port}", "--proxy-bypass-list=<-loopback>",
             "--virtual-time-budget=20000"]  # fmt: skip
    command = [CHROMIUM, *flags, *options, path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    return done.stdout, re.findall(r"CONSOLE[:(].*", done.stderr)


def by_the_page(asked):
    """Requests that are not the browser's own."""
    return [line for line in asked if not re.search(r"google|gstatic|gvt1|chrome", line)]


def test_it_draws_every_figure_from_a_file_without_a_network(report, proxy, tmp_path):
    port, asked = proxy
    page = tmp_path / "report.html"
    page.write_text(report.to_html(), encoding="utf-8")
    document, console = open_page(page, tmp_path / "profile", port, "--dump-dom")
    assert console == []
    assert by_the_page(asked) == []
    figures = re.findall(r'class="plot[^"]*" id="(figure-\d+)"', document)
    assert len(figures) == len(report._figures()) > 10
    assert f'data-drawn="{len(figures)}"' in document
    for key in figures:
        start = document.index(f'id="{key}"')
        assert "main-svg" in document[start : start + 2000], key
    assert "do not publish</title>" in document


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The page that may leave, of a small paid fit."""
    kinds = {"x": Kind.FLOAT, "z": Kind.FLOAT, "sex": Kind.CATEGORY, "y": Kind.CATEGORY}
    columns = tuple(
        Column(name=n, kind=k, bounds=(-5, 5)) if k is Kind.FLOAT
        else Column(name=n, kind=k, categories=tuple(sorted(simulate(0)[n].unique())))
        for n, k in kinds.items()
    )  # fmt: skip
    schema = Schema(columns=columns, target="y", name="people & <i>places</i>")
    real, ledger = simulate(0).drop(columns="gap"), tmp_path_factory.mktemp("published") / "ledger.jsonl"
    release = fit(real, epsilon=2.0, delta=1e-5, schema=schema, model="independent", ledger=ledger)
    return publish(real, release.sample(seed=1), release, ledger, epsilon=1.0)


def test_the_published_page_runs_nothing_and_asks_for_nothing(published, proxy, tmp_path):
    port, asked = proxy
    page, paper = tmp_path / "published.html", tmp_path / "published.pdf"
    page.write_text(published.to_html(), encoding="utf-8")
    asked.clear()
    document, console = open_page(page, tmp_path / "profile", port, "--dump-dom")
    assert console == []
    assert by_the_page(asked) == []
    assert "<script" not in document
    assert "<i>places</i>" not in document
    assert document.count('class="column"') == 4
    assert "do not publish" not in document
    open_page(page, tmp_path / "profile", port, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes())) <= 6


def test_errors_would_be_seen(proxy, tmp_path):
    """The two checks above can fail: a page with an error and a request is caught."""
    port, asked = proxy
    page = tmp_path / "bad.html"
    page.write_text('<script src="http://example.org/x.js"></script><script>undefinedFunction()</script>', encoding="utf-8")
    _, console = open_page(page, tmp_path / "profile", port, "--dump-dom")
    assert any("undefinedFunction" in line for line in console)
    assert any("example.org" in line for line in by_the_page(asked))


def test_it_prints_in_black_on_white_within_the_paper(report, proxy, tmp_path):
    port, _ = proxy
    page, paper = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(report.to_html(), encoding="utf-8")
    open_page(page, tmp_path / "profile", port, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    assert paper.read_bytes().startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))
    assert 3 <= pages <= 20
