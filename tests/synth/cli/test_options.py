from synth.cli.options import names_of


def test_names_stand_between_commas():
    assert names_of("race, sex") == ("race", "sex")
    assert names_of(None) == ()
