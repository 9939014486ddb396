"""Which kinds are learnt, and how."""

from synth.kinds import GRANULARITIES, UNIT_GRANULARITY, Kind


def test_every_kind_is_learnt_or_made_anew_or_refused():
    numeric = {k for k in Kind if k.is_numeric}
    fresh = {k for k in Kind if k.is_regenerated}
    assert {k for k in Kind if k.is_temporal} < numeric
    assert not numeric & fresh
    assert set(Kind) - numeric - fresh == {Kind.BOOLEAN, Kind.CATEGORY, Kind.ORDINAL, Kind.TEXT}


def test_units_name_granularities():
    assert set(UNIT_GRANULARITY.values()) <= set(GRANULARITIES)
