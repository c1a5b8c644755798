"""Whether Python can be compiled to machine code here, which numba does. Everything that is has another way without."""

from __future__ import annotations

from functools import cache


@cache
def numba_works() -> bool:
    """Whether numba is installed and works with this Python and numpy; loads it."""
    try:
        import numba.extending  # noqa: F401
    except Exception:  # an installation that does not fit fails in its own ways, not by ImportError alone
        return False
    return True
