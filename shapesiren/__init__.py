"""shapesiren: from a scan to its surface, through a neural signed distance field.

import shapesiren
field = shapesiren.fit("scan.ply")
field.mesh(resolution=512).save("mesh.ply")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

__all__ = [
    "__version__",
    "InputError",
    "Prior",
    "ShapesirenError",
    "decode",
    "evaluate",
    "fit",
    "ingest",
    "inspect",
    "load",
    "mesh",
    "plugin",
    "report",
    "simulate",
]

if TYPE_CHECKING:
    from . import plugins as plugin
    from .api import Prior, decode, evaluate, fit, ingest, inspect, load, mesh, report, simulate
    from .errors import InputError, ShapesirenError


def __getattr__(name: str) -> Any:
    """Load the API when it is first used: torch takes seconds, `shapesiren --help` should not."""
    if name in ("InputError", "ShapesirenError"):
        from . import errors

        return getattr(errors, name)
    if name == "plugin":
        from . import plugins

        return plugins
    if name in __all__:
        from . import api

        return getattr(api, name)
    raise AttributeError(f"module 'shapesiren' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The API and nothing else."""
    return sorted(__all__)
