"""What a result is for, as settings: one table, of plain data. ``--for print`` lays one between the preset and the user's own.

A profile may set any setting of a task, by section and name; `tests/test_profiles.py` holds every line to the settings models.
"""

from __future__ import annotations

import difflib
from typing import Any

from .errors import InputError

# name -> what it is for
MEANINGS: dict[str, str] = {
    "print": "a closed body for a 3D printer",
    "survey": "what was measured and nothing else, with its error bars",
    "museum": "the object as it looks, for screens and archives",
    "research": "figures that can be compared and made again",
}

# task -> name -> settings
PROFILES: dict[str, dict[str, dict[str, dict[str, Any]]]] = {
    "shape": {
        "print": {
            "ingest": {"surface": "closed"},
            "mesh": {"trim": "off", "faces": 500_000, "colours": False},
            "output": {"formats": ["stl"]},
        },
        "survey": {
            "ingest": {"surface": "open", "max_points": 5_000_000},
            "net": {"kind": "local"},  # of which error bars are known
            "mesh": {"trim": "on", "fill_holes": 0.0, "uncertainty": True},
            "report": {"up": "z"},
            "output": {"formats": ["obj"], "keep": 10},
        },
        "museum": {
            "ingest": {"max_points": 5_000_000},
            "mesh": {"faces": 1_000_000, "colours": True},
            "report": {"faces": 150_000, "points": 60_000, "size": 720},
            "output": {"formats": ["glb", "obj"], "keep": 10},
        },
        "research": {
            "mesh": {"resolution": 512, "precision": "float32"},
            "evaluate": {"samples": 1_000_000},
            "report": {"points": 60_000, "size": 720},
            "output": {"keep": 20},
        },
    },
}


def profile(name: str, task: str, where: object = "profile") -> dict[str, dict[str, Any]]:
    """The settings of a profile. Raises InputError if the task has none of this name."""
    known = PROFILES.get(task, {})
    if not known:
        raise InputError(f"a profile is of task {' or '.join(PROFILES)}, not {task}", where=where, hint="leave it out")
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known)}"
        raise InputError(f"no profile {name!r}", where=where, hint=hint)
    return known[name]


def line(name: str, task: str) -> str:
    """What a profile sets, in one line for people."""
    values = [f"{s}.{k} {_spelled(v)}" for s, tree in profile(name, task).items() for k, v in tree.items()]
    return f"for {name}, {MEANINGS[name]}: {', '.join(values)}; any setting of yours goes over these"


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return "+".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)
