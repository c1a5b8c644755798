"""The command line: parse, call, print. No logic.

torch, open3d and the rest are imported inside the commands, so that ``--help`` is instant.
"""

from __future__ import annotations

import sys

from ..errors import Interrupted, ShapesirenError
from . import runs, tools  # noqa: F401 - they register their commands, in the order of the help page
from .app import app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point: errors of ours become one line and an exit code."""
    try:
        app(standalone_mode=True)
    except ShapesirenError as e:
        print(f"{'stopped' if isinstance(e, Interrupted) else 'error'}: {e.line()}", file=sys.stderr)
        sys.exit(e.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as e:  # the disk is full, read-only or gone: trouble of the machine, which deserves a line, not a trace
        where = f"{e.filename}: " if e.filename else ""
        print(f"error: {where}{e.strerror or e}; what was finished is kept, the same command goes on", file=sys.stderr)
        sys.exit(1)
