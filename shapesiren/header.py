"""The header of a signal: what a field needs, beside its weights, to be decoded. Ingest writes it, the field file keeps it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from .similarity import Similarity

Array = NDArray[np.float64]

FORMAT = 1  # of the description in the file of a field


class BoxBounds(BaseModel):
    """A bounding box in box coordinates. low, high : its corners, (d,) each."""

    model_config = ConfigDict(frozen=True)

    low: tuple[float, ...]
    high: tuple[float, ...]


class ValueScale(BaseModel):
    """What outputs of a network stand for: ``offset + scale * output``, in the units of the signal."""

    model_config = ConfigDict(frozen=True)

    offset: float
    scale: float


class Header(BaseModel):
    """What all signals have in common. A subclass for each kind of signal stands beside the code that ingests it.

    frame : between the user's coordinates and the box
    bounds : of the signal; of a scan in box coordinates, of other signals as two corners in the user's
    values : what the outputs stand for; None of shapes, whose output is a distance in box units

    Fields that a class does not know are kept, so that a field can be read, and written again, by code that knows less of it.
    """

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    frame: Similarity
    bounds: BoxBounds | tuple[tuple[float, ...], tuple[float, ...]] | None = None
    values: ValueScale | None = None

    @classmethod
    def of(cls, header: Header) -> Self:
        """The same header as one of this class. Raises pydantic's ValidationError if it lacks something."""
        return header if isinstance(header, cls) else cls.model_validate(header.tree())

    def tree(self) -> dict[str, Any]:
        """As plain data for JSON, without what was never set."""
        return self.model_dump(mode="json", exclude_unset=True)

    def box_bounds(self) -> tuple[Array, Array]:
        """The corners of the bounds, (d,) and (d,), in box coordinates; those of the box [-1, 1]^d if there are none."""
        if self.bounds is None:
            one = np.ones(len(self.frame.centre))
            return -one, one
        if isinstance(self.bounds, BoxBounds):
            return np.array(self.bounds.low), np.array(self.bounds.high)
        low, high = self.frame.to_box(np.array(self.bounds, np.float64))
        return low, high
