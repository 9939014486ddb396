"""Column codecs together: types of decoded frames, plain types and refusals."""

import numpy as np
import pytest

from synth.encoding.axis import make_axis
from synth.encoding.category import closed_codec
from synth.encoding.codec import Codec
from synth.encoding.numeric import NumericCodec
from synth.errors import ArtifactError


@pytest.fixture
def codec(declared):
    columns = []
    for c in declared.columns:
        if c.kind.is_numeric:
            axis = make_axis(c, c.numeric_bounds())
            columns.append(
                NumericCodec(column=c, axis=axis, starts=(0, axis.cells // 2), weights=(1.0,) * axis.cells, missing=c.nullable)
            )
        else:
            columns.append(closed_codec(c))
    return Codec(declared, tuple(columns))


def test_decoded_frames_have_the_schemas_types(codec):
    rng = np.random.default_rng(0)
    codes = np.stack([rng.integers(0, k, 200) for k in codec.domain.sizes], axis=1).astype(np.int32)
    out = codec.decode(codes, rng)
    assert {n: str(t) for n, t in out.dtypes.items()} == {
        "age": "Int64",
        "pay": "float64",
        "score": "float64",
        "member": "boolean",
        "town": "object",
        "size": "object",
        "seen": "datetime64[ns]",
    }
    assert not out["score"].isna().any()
    assert out["seen"].dropna().dt.normalize().equals(out["seen"].dropna())
    assert codec.domain.target == "member"
    kept = dict(zip(codec.domain.names, codec.domain.in_order, strict=True))
    assert (kept["member"] > 0, kept["town"], kept["size"]) == (True, 0, 3)
    for name, size in zip(codec.domain.names, codec.domain.sizes, strict=True):
        assert kept[name] <= size
        assert (kept[name] > 0) == (name != "town")


def test_plain_types_round_trip(codec, declared):
    assert Codec.from_list(declared, codec.to_list()).to_list() == codec.to_list()
    for bad in (codec.to_list()[1:], [{"codec": "evil"}] * 7):
        with pytest.raises(ArtifactError, match="do not match"):
            Codec.from_list(declared, bad)
