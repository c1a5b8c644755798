"""The command line: parse, call, print. A file for each command, named after it.

Beside them: `app` (the root, and how a function becomes a command), `composed` and `options` (options that commands share),
`working` (how far a stage is),
`settings_as_options`, `names` (lists in help texts), `existing_run`, `write_output` and `screen`.

torch, numpy and the rest are imported inside the commands, so that ``--help`` is instant.
"""

from __future__ import annotations

import atexit
import gc
import sys

from ..errors import Interrupted, ShapesirenError
from ..runtime.threads import interrupt_between_imports
from . import (  # noqa: F401 - each registers its command
    batch,
    clean,
    compare,
    config,
    decode,
    diagnose,
    diff,
    doctor,
    evaluate,
    export,
    fit,
    ingest,
    inspect,
    list,
    mesh,
    new,
    picture,
    prior,
    report,
    run,
    simulate,
    slice,
    terrain,
    view,
)
from .app import app

__all__ = ["app", "main"]

# of the help page: what one does with a scan, in order, then the rest
COMMAND_ORDER = (
    "fit",
    "mesh",
    "decode",
    "evaluate",
    "report",
    "compare",
    "view",
    "run",
    "batch",
    "new",
    "list",
    "diff",
    "clean",
    "ingest",
    "inspect",
    "simulate",
    "picture",
    "export",
    "slice",
    "terrain",
    "diagnose",
    "doctor",
)
app.registered_commands.sort(key=lambda c: COMMAND_ORDER.index(c.name or c.callback.__name__))  # type: ignore[union-attr]


def main() -> None:
    """Entry point: errors of ours become one line and an exit code."""
    atexit.register(gc.freeze)  # at its end python looks for garbage in all that was imported: half a second and more
    gc.set_threshold(5000)  # to look for garbage after every 700 new objects takes a tenth of the time of the imports
    interrupt_between_imports()
    try:
        app(standalone_mode=True)
    except ShapesirenError as e:
        print(f"{'stopped' if isinstance(e, Interrupted) else 'error'}: {e.line()}", file=sys.stderr)
        sys.exit(e.exit_code)
    except (KeyboardInterrupt, SystemExit) as e:
        if isinstance(e, SystemExit) and e.code != Interrupted.exit_code:  # which typer makes of Ctrl-C, and says nothing
            raise
        print("interrupted; what was finished is kept, the same command goes on", file=sys.stderr)
        # An interrupt that passed through an exec of text (a dataclass being made) leaves CPython a note to end itself by that
        # signal whatever we return; the next such exec clears it.
        exec("")
        sys.exit(Interrupted.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as e:  # the disk is full, read-only or gone: trouble of the machine, which deserves a line, not a trace
        where = f"{e.filename}: " if e.filename else ""
        print(f"error: {where}{e.strerror or e}; what was finished is kept, the same command goes on", file=sys.stderr)
        sys.exit(1)
