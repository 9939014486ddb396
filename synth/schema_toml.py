"""Read and write ``schema.toml``."""

from __future__ import annotations

import tomllib
from pathlib import Path

import tomli_w

from synth.errors import SchemaError
from synth.schema import Schema, schema_from_dict, schema_to_dict


def read_schema_toml(path: Path) -> Schema:
    """Read a schema.

    Raises:
        SchemaError: The file cannot be read, is not TOML, or contradicts itself.
    """
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"cannot read the schema {str(path)!r}: {type(error).__name__}") from None
    except tomllib.TOMLDecodeError as error:
        raise SchemaError(f"{path.name} is not valid TOML: {error}") from None
    return schema_from_dict(facts, where=path.name)


def schema_to_toml(schema: Schema, header: str = "") -> str:
    """A schema as TOML text, with ``header`` as comment lines on top."""
    comment = "".join(f"# {line}\n".replace("# \n", "#\n") for line in header.splitlines())
    return comment + tomli_w.dumps(schema_to_dict(schema))
