import pytest

from evaluation.bench.cells import check_model, key, label, label_of, parse_variant, variants
from evaluation.bench.peering import PEERS
from synth.errors import InputError

RECORD = {"dataset": "adult", "model": "dpvae", "epsilon": 1.0, "delta": 1e-5, "seed": 0}


def test_records_from_before_there_were_options_have_none():
    assert key(RECORD) == key({**RECORD, "options": {}, "variant": "dpvae", "commit": "abc"})
    assert label_of(RECORD) == "dpvae"


def test_everything_but_the_commit_tells_runs_apart():
    others = [{"dataset": "x"}, {"model": "x"}, {"options": {"latent": 3}}, {"epsilon": 2.0}, {"delta": 1e-6}, {"seed": 1}]
    assert len({key(RECORD), *(key({**RECORD, **other}) for other in others)}) == 7
    assert key({**RECORD, "options": {"a": 1, "b": 2}}) == key({**RECORD, "options": {"b": 2, "a": 1}})


def test_labels():
    assert label("hybrid", {"table_share": 0.3}) == "hybrid[table_share=0.3]"
    assert label("m", {"b": 1, "a": True}) == "m[a=True,b=1]"
    assert label_of({**RECORD, "options": {"latent": 8}}) == "dpvae[latent=8]"


def test_variants_are_typed_like_the_options_of_fit():
    assert parse_variant("dpvae.latent=8") == ("dpvae", {"latent": 8})
    assert parse_variant("dpvae.latent=08, components=4.0") == ("dpvae", {"latent": 8, "components": 4})
    name = next(iter(PEERS))
    assert parse_variant(f"{name}.a=x,b=2,c=true") == (name, {"a": "x", "b": 2, "c": True})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dpvae", "model.option=value"),
        ("dpvae.latent", "model.option=value"),
        ("dpvae.=3", "model.option=value"),
        ("dpvae.latent=1,latent=2", "twice"),
        ("nope.latent=1", "no model 'nope'"),
        ("dpvae.nope=1", "no option 'nope'"),
        ("dpvae.latent=x", "must be of type int"),
    ],
)
def test_bad_variants(text, words):
    with pytest.raises(InputError, match=words):
        parse_variant(text)


def test_unknown_models():
    for name in ("hybrid", *PEERS):
        check_model(name)
    with pytest.raises(InputError, match=f"choose from hybrid.*peers are.*{next(iter(PEERS))}"):
        check_model("nope")


def test_a_grid_is_defaults_then_variants_then_peers():
    assert variants(["independent"], ["dpvae.latent=8"], peers=False) == [("independent", {}), ("dpvae", {"latent": 8})]
    found = variants(["independent", "independent"], ["dpvae.latent=8", "dpvae.latent=8.0"], peers=True)
    assert found == [("independent", {}), ("dpvae", {"latent": 8}), *((name, {}) for name in PEERS)]
    with pytest.raises(InputError):
        variants(["nope"], [], peers=False)
