"""Rules of the house: the mirror, sizes, names, what may not appear, and that README and packaging tell the truth."""

import ast
import importlib
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

import synth
from synth.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(p for package in ("synth", "evaluation") for p in (ROOT / package).rglob("*.py"))
NAMES = [str(p.relative_to(ROOT)) for p in SOURCES]
UNMIRRORED = {
    "synth/__main__.py": "tests/cli/test_process.py",
    "evaluation/bench/__main__.py": "tests/evaluation/bench/test_main.py",
    "evaluation/audit/__main__.py": "tests/evaluation/audit/test_main.py",
}
README = ROOT / "README.md"


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.fixture(params=SOURCES, ids=NAMES)
def source(request):
    return request.param


def test_every_module_has_its_test(source):
    name = source.relative_to(ROOT)
    if name.name == "__init__.py" or str(name) in UNMIRRORED:
        return
    assert (ROOT / "tests" / name.parent / f"test_{name.name}").is_file()


def test_every_test_of_a_module_has_its_module():
    for folder in ("synth", "evaluation"):
        for path in (ROOT / "tests" / folder).rglob("test_*.py"):
            name = path.relative_to(ROOT / "tests")
            module = ROOT / name.parent / name.name.removeprefix("test_")
            known = module.is_file() or f"tests/{name}" in UNMIRRORED.values() or path.stem == "test_init"
            assert known, f"{name} mirrors nothing"


def test_no_python_among_the_data_sets():
    assert not list((ROOT / "datasets").rglob("*.py"))


def test_tests_are_no_package():
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_modules_are_short(source):
    core = source.parent == ROOT / "synth" / "privacy"
    assert len(source.read_text(encoding="utf-8").splitlines()) <= (290 if core else 400)


def functions(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_functions_are_short(source):
    """At most 60 lines of code; what a docstring and a list of options say does not count."""
    for node in functions(source):
        body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
        assert node.end_lineno - body[0].lineno < 60, node.name


def test_signatures_take_no_bag_of_options(source):
    """``*args`` and ``**kwargs`` hide typing errors; ``Any`` flags of a config are the one exception."""
    for node in functions(source):
        if node.args.kwarg is not None:
            assert (source.name, node.name) in {("config.py", "overridden"), ("figures.py", "_figure")}


def is_public(node):
    return not node.name.startswith("_")


def test_everything_public_says_what_it_is(source):
    module = tree(source)
    assert ast.get_docstring(module)
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and is_public(node):
            assert ast.get_docstring(node), node.name
        if isinstance(node, ast.ClassDef) and is_public(node):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and is_public(method):
                    assert ast.get_docstring(method), f"{node.name}.{method.name}"


def names_in(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield node.name.rpartition(".")[2]
        elif isinstance(node, ast.arg):
            yield node.arg


def test_exact_values_stay_in_the_core(source):
    if source.parent == ROOT / "synth" / "privacy" or source == ROOT / "evaluation" / "bench" / "steps.py":
        return  # the step benchmark times the hooks on made-up rows
    assert not [name for name in names_in(source) if name.startswith("exact_")]


FORBIDDEN_CALLS = {"eval", "exec", "compile", "breakpoint", "__import__"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "random"}


def test_nothing_executes_data(source):
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN_CALLS
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in {("torch", "load"), ("torch", "save"), ("torch", "manual_seed")}
            assert (node.value.id, node.attr) not in {("pd", "read_pickle"), ("os", "system")}
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            assert not FORBIDDEN_MODULES & {m.partition(".")[0] for m in modules}


def test_only_the_benchmark_prints(source):
    if source.parent == ROOT / "evaluation" / "bench":
        return
    assert "print" not in {
        n.func.id for n in ast.walk(tree(source)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }


def test_no_assert_and_no_global_noise(source):
    """``python -O`` drops asserts; numpy's global generator is seeded by whoever likes to."""
    for node in ast.walk(tree(source)):
        assert not isinstance(node, ast.Assert)
        if isinstance(node, ast.Attribute) and node.attr == "seed" and isinstance(node.value, ast.Attribute):
            assert node.value.attr != "random"


def test_heavy_libraries_stay_in_their_corners(source):
    allowed = {
        "opacus": {"synth/privacy/crosscheck.py", "synth/privacy/opacus_bridge.py", "evaluation/bench/opacus_steps.py"},
        "sdmetrics": {"evaluation/fidelity/sdmetrics_bridge.py"},
        "mbi": {"synth/models/mbi_bridge.py"},
        "jax": {"synth/models/mbi_bridge.py"},
    }
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for package, places in allowed.items():
                if package in {m.partition(".")[0] for m in modules}:
                    assert str(source.relative_to(ROOT)) in places


def test_public_names_resolve():
    assert len(synth.__all__) <= 12
    assert sorted(synth.__all__) == synth.__all__
    assert len(set(synth.__all__)) == len(synth.__all__)
    for name in synth.__all__:
        assert getattr(synth, name) is not None
    assert dir(synth) == synth.__all__
    with pytest.raises(AttributeError, match="nope"):
        synth.nope  # noqa: B018


def test_every_all_is_true(source):
    for node in tree(source).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            name = ".".join(source.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            module = importlib.import_module(name)
            assert all(hasattr(module, n) for n in module.__all__)


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_packages_are_all_listed():
    found = {".".join(p.parent.relative_to(ROOT).parts) for p in SOURCES if p.name == "__init__.py"}
    holding = {".".join(p.parent.relative_to(ROOT).parts) for p in SOURCES}
    assert found == holding, "a folder of modules without __init__.py"
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found | {"synth._datasets"}


def test_templates_and_markers_are_shipped():
    data = PROJECT["tool"]["setuptools"]["package-data"]
    for package, patterns in data.items():
        folder = ROOT / ("datasets" if package == "synth._datasets" else package.replace(".", "/"))
        shipped = {p for pattern in patterns for p in folder.glob(pattern)}
        assert shipped
        extra = {p for p in folder.rglob("*") if p.suffix in (".j2", ".toml", ".typed")}
        assert extra <= shipped


def test_version_and_entry_point():
    assert PROJECT["project"]["version"] == synth.__version__
    module, _, function = PROJECT["project"]["scripts"]["synth"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_data_set_cards_are_whole():
    for folder in (ROOT / "datasets").iterdir():
        assert (folder / "card.toml").is_file(), folder


def command_options(command):
    return {name for p in command.params for name in (*p.opts, *p.secondary_opts) if name.startswith("-")} | {"--help"}


def check_command(words):
    """A command line of the README names a real command and real options."""
    command = typer.main.get_command(app)
    words = list(words)
    options = command_options(command)
    while words and hasattr(command, "commands"):
        if words[0].startswith("-"):
            break
        assert words[0] in command.commands, f"there is no command synth {words[0]}"
        command = command.commands[words.pop(0)]
        options = command_options(command)
    for word in words:
        if re.match(r"--?[a-z]", word):
            assert word.partition("=")[0] in options, f"{command.name} has no option {word}"


def documents():
    return [
        p
        for p in (
            *(README, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "evaluation" / "README.md"),
            *sorted((ROOT / "docs").glob("*.md")),
        )
        if p.is_file()
    ]


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.name)
def test_documents_name_real_commands(path):
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:bash|sh|console|shell)\n(.*?)```", text, re.S)
    for block in blocks:
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True) if not line.lstrip().startswith("#") else []
            if words[:1] == ["synth"]:
                check_command(words[1:])
    for line in re.findall(r"`synth ([a-z][^`\n]*)`", text):
        if not re.search(r"[|<\[.…]{2}|\|", line):
            check_command(w for w in line.split() if not w.isupper())


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.name)
def test_documents_point_to_real_files(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
        assert (path.parent / target).exists(), target
    for name in re.findall(r"`((?:synth|evaluation|tests|docs|examples|datasets)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), name
    for target in re.findall(r"`make ([a-z-]+)`", text):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M), f"make {target}"


def test_examples_in_docstrings_of_commands_are_real():
    def walk(command):
        for one in getattr(command, "commands", {}).values():
            yield one
            yield from walk(one)

    root = typer.main.get_command(app)
    texts = [root.help, *(c.help or "" for c in walk(root))]
    lines = [line for text in texts for line in re.findall(r"(?:Example: |^\s*)synth ([a-z].*)$", text, re.M)]
    assert len(lines) >= 5
    for line in lines:
        check_command(shlex.split(re.split(r"\s{3,}", line)[0]))
