"""The public domain of codes."""

from synth.table import Domain


def test_width_and_offsets():
    domain = Domain(names=("a", "b", "c"), sizes=(3, 1, 4))
    assert (domain.width, domain.offsets) == (8, (0, 3, 4))
