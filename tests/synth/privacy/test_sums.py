from synth.privacy.events import GaussianEvent, PartitionSelectionEvent, SelectionEvent
from synth.privacy.sums import selection_delta, total_mu


def test_counts_add_up_in_squares_and_deltas_plainly():
    named = PartitionSelectionEvent(what="p", target=("x",), sigma=0.25, threshold=9.0, delta=1e-8)
    events = [GaussianEvent(what="g", sigma=1 / 3), named, named, SelectionEvent(what="s", epsilon=1.0)]
    assert total_mu(events) == (9 + 16 + 16) ** 0.5
    assert selection_delta(events) == 2e-8
    assert total_mu([]) == selection_delta([]) == 0
