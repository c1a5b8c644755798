"""Stage ``ingest`` of a prior of images: from a collection to what a fit needs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..header import ValueScale
from ..similarity import Similarity
from .collection import CollectionSettings, read_collection
from .facts import CollectionFacts
from .header import PriorHeader


def ingest_images(
    source: Any, settings: CollectionSettings, seed: int
) -> tuple[dict[str, NDArray[Any]], PriorHeader, CollectionFacts]:
    """Arrays, header and facts of a collection.

    Returns
    -------
    arrays : ``train`` and ``held`` (n, h, w, c) uint8, drawn apart by the seed
    """
    held = read_collection(source, settings, seed)
    count, height, width, channels = held.levels.shape
    order = np.random.default_rng(seed).permutation(count)
    kept = min(count - 2, max(1, round(settings.held * count)))
    train, judged = np.sort(order[kept:]), np.sort(order[:kept])
    half = max(width, height) / 2
    header = PriorHeader(
        frame=Similarity((width / 2, height / 2), half),
        bounds=((0.0, 0.0), (width, height)),
        values=ValueScale(offset=0.5, scale=0.5),
        signal="image",
        trained=len(train),
        held=len(judged),
        shape=(height, width, channels),
    )
    facts = CollectionFacts(
        signals=count,
        trained=len(train),
        held=len(judged),
        width=width,
        height=height,
        channels=channels,
        notes=list(held.notes),
    )
    return {"train": held.levels[train], "held": held.levels[judged]}, header, facts
