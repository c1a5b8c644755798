"""Classes of points: the numbers of the ASPRS, by name (LAS 1.4 R15, tables 17 and 3)."""

from __future__ import annotations

from collections.abc import Mapping

NAMES: Mapping[int, str] = {
    0: "never classified",
    1: "unclassified",
    2: "ground",
    3: "low vegetation",
    4: "medium vegetation",
    5: "high vegetation",
    6: "building",
    7: "low noise",
    8: "model key-point",
    9: "water",
    10: "rail",
    11: "road",
    12: "overlap",
    13: "wire guard",
    14: "wire conductor",
    15: "transmission tower",
    16: "wire connector",
    17: "bridge",
    18: "high noise",
    19: "overhead structure",
    20: "ignored ground",
    21: "snow",
    22: "temporal exclusion",
}
GROUPS: Mapping[str, tuple[int, ...]] = {"vegetation": (3, 4, 5), "noise": (7, 18), "wire": (13, 14, 16)}


def name_of(number: int) -> str:
    """``ground (2)``; ``64`` where it has no name."""
    return f"{NAMES[number]} ({number})" if number in NAMES else str(number)


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def numbers_of(text: str) -> tuple[int, ...]:
    """``ground,building`` or ``2,6`` -> numbers, each once, in order.

    Raises
    ------
    ValueError : one of them is no class
    """
    known = {_plain(name): (number,) for number, name in NAMES.items()} | dict(GROUPS)
    found: list[int] = []
    for word in filter(None, (w.strip() for w in text.split(","))):
        if word.isdigit() and int(word) <= 255:
            found.append(int(word))
        elif _plain(word) in known:
            found += known[_plain(word)]
        else:
            names = ", ".join([*NAMES.values(), *GROUPS])
            raise ValueError(f"{word!r} is no class of points; known: {names}, or numbers from 0 to 255")
    if not found:
        raise ValueError("names no class; for example ground,building or 2,6")
    return tuple(dict.fromkeys(found))
