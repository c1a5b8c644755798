"""Stage ``decode``: a field back to samples, on a grid of the user's choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..equations.solution import decode_solution
from ..field import Field
from ..media.audio_resample import decode_sound
from ..media.image_resample import decode_image
from ..media.video_resample import decode_frames

# task -> samples and facts, from a field and the settings of [decode]
DECODERS: dict[str, Callable[[Field, Any], tuple[Any, dict[str, Any]]]] = {
    "image": decode_image,
    "composite": decode_image,
    "audio": decode_sound,
    "video": decode_frames,
    **dict.fromkeys(
        ("helmholtz", "wave", "inversion", "poisson"), lambda fitted, settings: (decode_solution(fitted, settings), {})
    ),
}
