"""Synthesizers by name, options by type."""

import dataclasses

import pytest

from synth import registry
from synth.errors import InputError
from synth.models.independent import Independent
from synth.registry import (
    NEEDS,
    SYNTHESIZERS,
    check_circumstances,
    make_synthesizer,
    protecting,
    require_installed,
    synthesizer_class,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Toy:
    steps: "int" = 1
    rate: "float | None" = None
    deep: "bool" = False
    name: "str" = "x"
    protect_groups: "tuple[str, ...]" = ()


def test_known_names():
    assert synthesizer_class("independent") is Independent
    assert make_synthesizer("independent") == Independent()
    with pytest.raises(InputError, match="no model 'nope'"):
        make_synthesizer("nope")
    with pytest.raises(InputError, match="its options are: mechanism"):
        make_synthesizer("independent", {"x": 1})


@pytest.mark.parametrize(
    ("key", "value", "parsed"),
    [
        ("steps", "12", 12),
        ("steps", 1e3, 1000),
        ("rate", "0.5", 0.5),
        ("rate", "auto", None),
        ("rate", None, None),
        ("deep", "True", True),
        ("deep", False, False),
        ("name", "y", "y"),
        ("protect_groups", "a, b", ("a", "b")),
        ("protect_groups", ["a"], ("a",)),
        ("protect_groups", (), ()),
    ],
)
def test_texts_become_the_fields_type(key, value, parsed, monkeypatch):
    monkeypatch.setattr(registry, "synthesizer_class", lambda name: Toy)
    assert getattr(make_synthesizer("toy", {key: value}), key) == parsed


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("steps", "x"),
        ("steps", 1.5),
        ("steps", True),
        ("steps", "none"),
        ("rate", "x"),
        ("rate", True),
        ("rate", []),
        ("deep", "maybe"),
        ("protect_groups", "a,,b"),
        ("protect_groups", ["a", "a"]),
        ("protect_groups", 1),
        ("protect_groups", [1]),
        ("y", 1),
    ],
)
def test_values_of_another_type_are_refused(key, value, monkeypatch):
    monkeypatch.setattr(registry, "synthesizer_class", lambda name: Toy)
    with pytest.raises(InputError, match=key):
        make_synthesizer("toy", {key: value})


def test_protected_columns_become_an_option_of_models_that_have_it(monkeypatch):
    assert protecting("independent", {"x": 1}, ()) == {"x": 1}
    with pytest.raises(InputError, match="'independent' does not protect small groups; hybrid and marginal do"):
        protecting("independent", None, ["race"])
    monkeypatch.setattr(registry, "synthesizer_class", lambda name: Toy)
    assert protecting("toy", {"steps": 2}, ["race", "sex"]) == {"steps": 2, "protect_groups": ("race", "sex")}
    assert protecting("toy", None, "race") == {"protect_groups": ("race",)}
    with pytest.raises(InputError, match="twice"):
        protecting("toy", {"protect_groups": "race"}, ["sex"])


def test_an_extra_that_is_missing_is_named_and_other_models_do_without(monkeypatch):
    assert set(NEEDS) <= set(SYNTHESIZERS)
    for name in SYNTHESIZERS:
        require_installed(name)
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    require_installed("dpvae")
    assert make_synthesizer("aim", {"rounds": 5}).rounds == 5  # sampling needs no extra
    with pytest.raises(InputError, match=r'pip install "synth-dp\[mbi\]"'):
        require_installed("aim")


def test_a_model_of_a_conditional_needs_a_target_and_one_process():
    for name in SYNTHESIZERS:
        check_circumstances(name, target="y", several=False)
    check_circumstances("independent", target=None, several=True)
    with pytest.raises(InputError, match="target"):
        check_circumstances("perturbed", target=None, several=False)
    with pytest.raises(InputError, match="one process"):
        check_circumstances("perturbed", target="y", several=True)
