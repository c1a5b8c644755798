"""The one way to open3d. Import `open3d()` from here, inside the function that needs it."""

from __future__ import annotations

import ctypes
from functools import cache
from types import ModuleType
from typing import Any

from ..errors import RunError


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
        raise RunError(f"open3d does not load ({e})", hint="pip install open3d libusb-package; on a node without it, "
                       "run the ingest stage elsewhere and copy the run folder") from None  # fmt: skip
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
