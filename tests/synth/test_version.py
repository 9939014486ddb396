import importlib.metadata
import tomllib
from pathlib import Path

import synth
from synth.version import __version__


def test_one_version_everywhere():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert synth.__version__ == __version__ == project["version"]
    try:
        installed = importlib.metadata.version("synth-dp")
    except importlib.metadata.PackageNotFoundError:
        return  # run from the source tree
    assert installed == __version__
