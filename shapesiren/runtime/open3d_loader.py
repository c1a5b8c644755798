"""The one way to open3d, which nothing in the package needs: benchmarks compare with it, and tests."""

from __future__ import annotations

import ctypes
from functools import cache
from types import ModuleType

from ..errors import RunError


@cache
def open3d() -> ModuleType:
    """open3d, imported so that it works on a bare Linux.

    Its wheel wants ``libusb-1.0.so.0``, which a fresh machine lacks; the package ``libusb-package`` carries
    that library, and loading it globally first satisfies the linker without a system package.

    Raises
    ------
    ModuleNotFoundError : open3d is not installed
    RunError : it does not load here
    """
    try:
        import libusb_package

        ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
    except (ImportError, OSError):
        pass  # macOS and Windows wheels of open3d need none; on Linux the import below says what is missing
    try:
        import open3d as module
    except ModuleNotFoundError:
        raise
    except (ImportError, OSError) as e:
        raise RunError(
            f"open3d does not load ({e})",
            hint="pip install open3d libusb-package; only comparisons with it need it",
        ) from None
    module.utility.set_verbosity_level(module.utility.VerbosityLevel.Error)
    return module
