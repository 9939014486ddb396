"""Blocks of rows of a fitted model, each from a random stream of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from synth.blocks import Drawn, rows_of
from synth.encoding.codec import Codec
from synth.encoding.coded import AnyCells
from synth.errors import ArtifactError
from synth.models.base import Draw, Fitted, sampler_of
from synth.registry import make_synthesizer
from synth.writing.cells import plain_cells

if TYPE_CHECKING:
    import pandas as pd

FAULTS = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RuntimeError, MemoryError)


def misfit(error: Exception) -> ArtifactError:
    """What is said where a changed file broke something in drawing or decoding."""
    what = f"the parts of this model do not fit together ({type(error).__name__})"
    return ArtifactError(f"{what}; copy it again, or fit again")


@dataclass(frozen=True, slots=True)
class Drawing:
    """A sample: what does not depend on the block is prepared. Serves several threads.

    Attributes:
        draw: Codes of so many rows.
        codec: Of the model.
        root: Seed of the sample.
    """

    draw: Draw
    codec: Codec
    root: np.random.SeedSequence

    @staticmethod
    def of(model: str, options: dict[str, Any], fitted: Fitted, codec: Codec, root: np.random.SeedSequence) -> Drawing:
        """Prepare a model.

        Raises:
            ArtifactError: The file it came from was changed so that no rows can be drawn; so does what follows.
        """
        try:
            return Drawing(sampler_of(make_synthesizer(model, options), fitted, codec.domain), codec, root)
        except FAULTS as error:
            raise misfit(error) from error

    def drawn(self, block: int) -> Drawn:
        """Codes of a block, and its random stream."""
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(self.root.entropy, spawn_key=(block,))))
        try:
            return self.draw(rows_of(block), rng).codes, rng
        except FAULTS as error:
            raise misfit(error) from error

    def frame(self, block: int, keep: int) -> pd.DataFrame:
        """The first rows of a block, without columns that are made anew."""
        codes, rng = self.drawn(block)
        try:
            return self.codec.decode(codes, rng, keep=keep)
        except FAULTS as error:
            raise misfit(error) from error

    def cells(self, block: int, keep: int) -> dict[str, AnyCells]:
        """The same as writers take them."""
        codes, rng = self.drawn(block)
        try:
            return plain_cells(self.codec.cells(codes, rng, keep), self.codec)
        except FAULTS as error:
            raise misfit(error) from error
