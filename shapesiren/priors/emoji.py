"""The bitmaps of a colour font: Noto Color Emoji holds each emoji as a PNG of 136 x 128 pixels (OpenType, table CBDT)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

SKINS = {"u1F3FB", "u1F3FC", "u1F3FD", "u1F3FE", "u1F3FF"}  # names of the modifiers' glyphs


def emoji_images(font: bytes, size: int) -> NDArray[np.uint8]:
    """Emoji on white, (n, size, size, 3) uint8, in the order of the font, each once.

    What differs in the colour of skin alone is left out: it would stand among what a prior is judged by and among what it was
    trained on. Raises ValueError or a parser's error for another kind of font.
    """
    from PIL import Image

    try:
        from fontTools.ttLib import TTFont
    except ImportError:
        raise InputError("a font is read by fontTools, which is not installed", hint="pip install fonttools") from None

    with TTFont(io.BytesIO(font), lazy=True) as opened:
        strike = opened["CBDT"].strikeData[0]
        variants = skin_variants(opened["GSUB"].table) | SKINS
        bitmaps = [glyph.imageData for name, glyph in strike.items() if name not in variants and glyph.imageData]
    held: dict[bytes, NDArray[np.uint8]] = {}
    for data in bitmaps:
        with Image.open(io.BytesIO(data)) as opened_picture:
            picture = opened_picture.convert("RGBA")
            side = max(picture.size)
            square = Image.new("RGBA", (side, side), "white")
            square.alpha_composite(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
            levels = np.asarray(square.convert("RGB").resize((size, size), Image.Resampling.BOX), np.uint8)
        held.setdefault(levels.tobytes(), levels)
    if not held:
        raise ValueError("no bitmaps in it")
    return np.stack(list(held.values()))


def skin_variants(substitutions: Any) -> set[str]:
    """Names of glyphs that stand for a sequence with a modifier of skin (OpenType, GSUB, ligatures)."""
    found: set[str] = set()
    for lookup in substitutions.LookupList.Lookup:
        for table in lookup.SubTable:
            table = getattr(table, "ExtSubTable", table)
            for first, ligatures in getattr(table, "ligatures", {}).items():
                found |= {one.LigGlyph for one in ligatures if SKINS & {first, *one.Component}}
    return found
