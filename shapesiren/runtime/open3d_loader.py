"""The one way to open3d. Import `open3d()` from here, inside the function that needs it."""

from __future__ import annotations

import ctypes
from functools import cache
from types import ModuleType
from typing import Any

from ..errors import RunError

GRID = 5  # bits of each axis


@cache
def open3d() -> ModuleType:
    """open3d, imported so that it works on a bare Linux.

    Its wheel wants ``libusb-1.0.so.0``, which a fresh machine lacks; the package ``libusb-package`` carries
    that library, and loading it globally first satisfies the linker without a system package.

    Raises
    ------
    RunError : open3d is not installed or does not load here
    """
    try:
        import libusb_package

        ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
    except (ImportError, OSError):
        pass  # macOS and Windows wheels of open3d need none; on Linux the import below says what is missing
    try:
        import open3d as module
    except (ImportError, OSError) as e:
        raise RunError(
            f"open3d does not load ({e})",
            hint="pip install open3d libusb-package; on a node without it, "
            "run the ingest stage elsewhere and copy the run folder",
        ) from None
    module.utility.set_verbosity_level(module.utility.VerbosityLevel.Error)
    return module


def ray_scene(vertices: Any, faces: Any) -> Any:
    """An open3d ``RaycastingScene`` of one triangle mesh: (n, 3) vertices, (m, 3) faces, in float32.

    Centre large coordinates before: float32 holds metres of UTM to half a metre.
    """
    import numpy as np

    o3d = open3d()
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(np.ascontiguousarray(vertices, np.float32)),
        o3d.core.Tensor(np.ascontiguousarray(faces, np.uint32)),
    )
    return scene


def closest_points(scene: Any, points: Any) -> dict[str, Any]:
    """``scene.compute_closest_points`` of points (n, 3), as numpy arrays.

    Points are looked up cell by cell of a grid, along a Z-order curve: those that follow each other then go through the same
    part of the tree of faces. 300,000 of a guide, in random order, take 1.7 s; so, 1.1 s.
    """
    import numpy as np

    points = np.ascontiguousarray(points, np.float32)
    if not len(points):
        return {name: hit.numpy() for name, hit in scene.compute_closest_points(points).items()}
    low = points.min(0)
    cell = ((points - low) * ((2**GRID - 1) / max(float(np.ptp(points, 0).max()), 1e-30))).astype(np.int64)
    place = sum((cell[:, axis] >> bit & 1) << 3 * bit + axis for bit in range(GRID) for axis in range(3))
    order = np.argsort(place, kind="stable")
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return {name: hit.numpy()[back] for name, hit in scene.compute_closest_points(points[order]).items()}
