import csv
import gzip
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pooch
import pytest

from synth import catalog
from synth.catalog import RawFile, card, cards, convert, dataset_path
from synth.errors import InputError
from synth.schema import Kind

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SYNTH_DATA_HOME", ROOT.parent / "shared" / "data"))
HERE = pytest.mark.skipif(not (SHARED / "adult_train.csv").is_file(), reason="no local copy of the data")
NAMES = ("adult", "diabetes130", "randhie")
FILES = (("adult", "train"), ("adult", "test"), ("diabetes130", "train"), ("randhie", "train"))

CARD = """
name = "{name}"
title = "Toy"
description = "Two columns."
license = "CC0-1.0"
origin = "made up"
url = "https://example.org"
bounds_source = "by hand"
{files}
[schema]
[[schema.columns]]
name = "a"
kind = "integer"
bounds = [0, 9]
[[schema.columns]]
name = "b"
kind = "category"
"""
RAW = b"|comment\n1, x.\n\n2, ?.\n"
CSV = b"a,b\n1,x\n2,\n"


def sha(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    """No folder of the user, an empty cache, and no network."""
    monkeypatch.delenv("SYNTH_DATA_HOME", raising=False)
    monkeypatch.delenv("SYNTH_DATASETS_DIR", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(pooch, "retrieve", refuse)


def refuse(url, **options):
    raise ConnectionError("no network in tests")


def toy(monkeypatch, tmp_path, files, name="toy", folder="toy"):
    (tmp_path / "cards" / folder).mkdir(parents=True)
    (tmp_path / "cards" / folder / "card.toml").write_text(CARD.format(name=name, files=files))
    monkeypatch.setenv("SYNTH_DATASETS_DIR", str(tmp_path / "cards"))


def toy_file(file="toy.csv", raw=RAW, content=CSV, raw_sha=None, more=""):
    return f"""
[[files]]
part = "train"
name = "{file}"
sha256 = "{sha(content)}"
[files.raw]
url = "https://example.org/toy.data"
sha256 = "{raw_sha or sha(raw)}"
header = false
comment = "|"
line_end = "."
missing = ["?"]
{more}
"""


def serve(monkeypatch, data):
    """Let pooch 'download' these bytes, checking them as it does."""
    calls = []

    def retrieve(url, known_hash, fname, path):
        calls.append(url)
        if known_hash != f"sha256:{sha(data)}":
            raise ValueError("hash mismatch")
        Path(path).mkdir(parents=True, exist_ok=True)
        (Path(path) / fname).write_bytes(data)
        return str(Path(path) / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    return calls


def test_cards_are_complete():
    assert tuple(c.name for c in cards()) == NAMES
    for one in cards():
        assert one.title
        assert one.description
        assert one.origin
        assert one.license in ("CC-BY-4.0", "public domain")
        assert one.url.startswith("https://")
        assert one.bounds_source == "by hand"
        assert one.schema.target in one.schema.names
        assert one.schema.name == one.name
        assert one.schema.public_rows is None
        assert one.schema.entity is None
        for file in one.files:
            assert len(file.sha256) == 64
            assert (file.raw is None) != (not file.package)
        for column in one.schema.columns:
            assert column.kind is not None
            assert column.bounds is not None or not column.kind.is_numeric


def test_shapes():
    assert {c.name: c.n_columns for c in cards()} == {"adult": 15, "diabetes130": 50, "randhie": 10}
    assert card("adult").parts == ("train", "test")


def test_open_columns_are_those_without_a_codebook():
    assert [c.name for c in card("adult").schema.columns if c.is_open] == []
    opened = [c.name for c in card("diabetes130").schema.columns if c.is_open]
    assert opened == ["weight", "payer_code", "medical_specialty", "diag_1", "diag_2", "diag_3"]


def test_datasets_holds_cards_and_no_python():
    assert not list((ROOT / "datasets").rglob("*.py"))
    assert {p.name for p in (ROOT / "datasets").rglob("*") if p.is_file()} == {"card.toml"}


def test_unknown_names():
    with pytest.raises(InputError, match="no data set 'iris'; known are adult, diabetes130, randhie"):
        card("iris")
    with pytest.raises(InputError, match="no part 'dev'; it has train, test"):
        dataset_path("adult", "dev")


@HERE
@pytest.mark.parametrize(("name", "part"), FILES)
def test_local_copy_obeys_the_card(name, part, monkeypatch):
    """Every value lies in its declared domain, so that declaring it loses nothing."""
    monkeypatch.setenv("SYNTH_DATA_HOME", str(SHARED))
    if name == "randhie":
        pytest.importorskip("statsmodels")
    path = dataset_path(name, part)
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as text:
        rows = csv.reader(text)
        header = next(rows)
        seen = [set(values) for values in zip(*rows, strict=True)]
    schema = card(name).schema
    assert tuple(header) == schema.names
    for column, values in zip(schema.columns, seen, strict=True):
        assert column.nullable or "" not in values, column.name
        values.discard("")
        if column.categories is not None:
            assert values <= set(column.categories), column.name
        elif column.kind.is_numeric:
            low, high = column.numeric_bounds()
            assert all(low <= float(v) <= high for v in values), column.name
            assert column.kind is not Kind.INTEGER or all(v.lstrip("-").isdecimal() for v in values), column.name


@HERE
@pytest.mark.parametrize("part", ["train", "test"])
def test_adult_conversion_inverts_the_published_form(part, monkeypatch):
    """The published bytes, rebuilt from the local copy, have the pinned checksum and convert back to it."""
    monkeypatch.setenv("SYNTH_DATA_HOME", str(SHARED))
    file = card("adult").file(part)
    local = dataset_path("adult", part).read_text()
    end = file.raw.line_end
    lines = [", ".join(f or "?" for f in line.split(",")) + end for line in local.splitlines()[1:]]
    raw = (("|1x3 Cross validator\n" if end else "") + "\n".join(lines) + "\n\n").encode()
    assert sha(raw) == file.raw.sha256
    assert convert(raw, file.raw, card("adult").schema.names).decode() == local


@HERE
def test_diabetes_conversion_inverts_the_published_form(monkeypatch):
    monkeypatch.setenv("SYNTH_DATA_HOME", str(SHARED))
    one = card("diabetes130")
    file = one.file("train")
    content = gzip.decompress(dataset_path("diabetes130").read_bytes())
    tests = {one.schema.index("max_glu_serum"), one.schema.index("A1Cresult")}
    blank = ["None" if i in tests else "?" for i in range(one.n_columns)]
    lines = [
        ",".join(field or gap for field, gap in zip(line.split(","), blank, strict=True))
        for line in content.decode().splitlines()
    ]
    raw = ("\r\n".join(lines) + "\r\n").encode()
    assert sha(raw) == file.raw.member_sha256
    assert convert(raw, file.raw, one.schema.names) == content


def test_convert_small_samples():
    adult = RawFile(url="u", sha256="", header=False, comment="|", line_end=".", missing=("?",))
    assert convert(RAW, adult, ("a", "b")) == CSV
    diabetes = RawFile(url="u", sha256="", missing=("?", "None"))
    assert convert(b"a,b\r\n?,None\r\n3,y.\r\n", diabetes, ("a", "b")) == b"a,b\n,\n3,y.\n"
    with pytest.raises(InputError, match="a line of 3 fields where 2"):
        convert(b"1,2,3\n", adult, ("a", "b"))


def test_download_converts_once(monkeypatch, tmp_path):
    toy(monkeypatch, tmp_path, toy_file())
    calls = serve(monkeypatch, RAW)
    path = dataset_path("toy")
    assert path.read_bytes() == CSV
    assert dataset_path("toy") == path
    assert calls == ["https://example.org/toy.data"]
    assert [p.name for p in path.parent.iterdir()] == ["toy.csv"]
    path.write_bytes(b"damaged")
    assert dataset_path("toy").read_bytes() == CSV
    assert len(calls) == 2


def test_download_of_an_archive_into_gzip(monkeypatch, tmp_path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("toy.data", RAW)
    data = archive.getvalue()
    more = f'member = "toy.data"\nmember_sha256 = "{sha(RAW)}"'
    toy(monkeypatch, tmp_path, toy_file("toy.csv.gz", data, more=more))
    serve(monkeypatch, data)
    path = dataset_path("toy")
    assert gzip.decompress(path.read_bytes()) == CSV
    assert path.read_bytes()[4:8] == bytes(4)  # no time stamp


@pytest.mark.parametrize(
    ("raw", "content", "message"),
    [
        (b"other", CSV, "no longer has the checksum of its card"),
        (RAW, b"other", "did not convert to the file"),
    ],
)
def test_download_with_a_wrong_checksum(monkeypatch, tmp_path, raw, content, message):
    toy(monkeypatch, tmp_path, toy_file(raw=raw, content=content))
    serve(monkeypatch, RAW)
    with pytest.raises(InputError, match=message):
        dataset_path("toy")
    assert not (tmp_path / "cache" / "synth-dp" / "toy.csv").exists()


@pytest.mark.parametrize("member", ["other.data", "toy.data"])
def test_archive_with_another_member(monkeypatch, tmp_path, member):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("toy.data", RAW)
    data = archive.getvalue()
    toy(monkeypatch, tmp_path, toy_file(raw=data, more=f'member = "{member}"\nmember_sha256 = "{sha(b"")}"'))
    serve(monkeypatch, data)
    with pytest.raises(InputError, match="no longer has the checksum of its card"):
        dataset_path("toy")


@pytest.mark.parametrize("name", ["adult", "diabetes130"])
def test_no_network_says_what_to_do(name):
    file = card(name).files[0]
    with pytest.raises(InputError) as caught:
        dataset_path(name)
    text = str(caught.value)
    assert file.raw.url in text
    assert f"put {file.name} into a folder and set SYNTH_DATA_HOME" in text
    assert "\n" not in text


@pytest.mark.parametrize("name", ["toy.csv", "toy.csv.gz"])
def test_local_copy_with_a_wrong_checksum(monkeypatch, tmp_path, name):
    toy(monkeypatch, tmp_path, toy_file(name))
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("SYNTH_DATA_HOME", str(home))
    (home / name).write_bytes(b"a,b\n")
    with pytest.raises(InputError, match="does not have the checksum of its card"):
        dataset_path("toy")
    (home / name).write_bytes(gzip.compress(CSV, mtime=1) if name.endswith(".gz") else CSV)
    assert dataset_path("toy") == home / name


@pytest.mark.parametrize("variable", ["SYNTH_DATA_HOME", "SYNTH_DATASETS_DIR"])
def test_folders_that_are_none(monkeypatch, tmp_path, variable):
    monkeypatch.setenv(variable, str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=f"{variable} names .*nowhere"):
        dataset_path("adult")


def test_own_card_comes_first(monkeypatch, tmp_path):
    toy(monkeypatch, tmp_path, toy_file(), name="adult", folder="adult")
    assert card("adult").n_columns == 2
    assert tuple(c.name for c in cards()) == NAMES


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        ("files = []", "toy", "lists no files"),
        ("", "toy", "lacks a key"),
        ("files = 3", "toy", "lacks a key"),
        ("title = 3", "toy", "cannot read"),
        (toy_file(more='typo = "x"'), "toy", "one too many"),
        (toy_file("../toy.csv"), "toy", "has a folder in it"),
        (toy_file(), "../toy", "name it like its folder"),
    ],
)
def test_broken_cards(monkeypatch, tmp_path, files, name, message):
    toy(monkeypatch, tmp_path, files, name=name)
    with pytest.raises(InputError, match=message):
        cards()


def test_randhie_without_importing_statsmodels():
    pytest.importorskip("statsmodels")
    code = (
        "import sys; from synth.catalog import dataset_path; p = dataset_path('randhie');"
        "print(p.name, 'statsmodels' in sys.modules, 'pandas' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout.split(), done.stderr) == (["randhie.csv", "False", "False", "False"], "")


def test_randhie_without_statsmodels(monkeypatch):
    monkeypatch.setattr(catalog.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "synth-dp\[demo\]"'):
        dataset_path("randhie")
