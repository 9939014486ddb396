"""JSON lines: refusals without a line."""

import pytest

from synth.errors import InputError
from synth.reading.jsonlines import open_jsonlines
from synth.reading.source import ReadOptions

SECRET = "SECRET-4711"


@pytest.mark.parametrize(
    ("name", "content", "options", "match"),
    [
        ("a.jsonl", "", {}, "is empty"),
        ("a.jsonl", f'{{"a": 1}}\n{{"b": "{SECRET}"}}\n', {}, "other keys than its first line"),
        ("a.jsonl", f'{{"a": 1, "b": 2}}\n{{"b": "{SECRET}"}}\n', {}, "other keys than its first line"),
        ("a.jsonl", f'{{"a": 1}}\n["{SECRET}"]\n', {}, "no objects"),
        ("a.jsonl", f'{{"a": 1}}\n{SECRET}\n', {}, "not JSON"),
        ("a.jsonl", f'{{"a": 1}}\n{{"a": ["{SECRET}"]}}\n', {}, "lists or objects"),
        ("a.jsonl", '{"a": 1}\n\xff'.encode("latin-1"), {}, "not text in encoding"),
        ("a.jsonl", '{"": 1}\n', {}, "has no name"),
    ],
)
def test_refusals_never_quote_a_row(tmp_path, name, content, options, match):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=match) as caught:
        open_jsonlines(tmp_path / name, ReadOptions(**options)).table()
    assert SECRET not in str(caught.value)


def test_numbers_and_flags_keep_their_spelling(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1.50, "b": true, "c": null, "d": 12345678901234567890}\n')
    rows = open_jsonlines(tmp_path / "a.jsonl", ReadOptions()).table().to_pylist()
    assert rows == [{"a": "1.50", "b": "True", "c": None, "d": "12345678901234567890"}]
