"""A guide made in a process of its own, which loads what it needs while this one reads the scan.

    python -m shapesiren.pointcloud.guide.process    reads a guide's inputs from stdin, writes its samples to stdout

Beside it, in the same process, less could be imported for the fit that comes next: half of its work holds Python's lock.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ...runtime.threads import count, import_modules
from ..facts import GuideFacts
from .samples import Guide, make_guide


@contextmanager
def guide_maker(meanwhile: Callable[[], None] | None) -> Iterator[Callable[..., Guide]]:
    """`make_guide` for this process; or, where there is something to do ``meanwhile`` and a core is free, the same in a process
    that starts at once, with that done here while it works."""
    if meanwhile is None or count() < 2 or not sys.executable:
        yield make_guide
        return
    words = [sys.executable, "-m", "shapesiren.pointcloud.guide.process"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:

        def ask(points: NDArray[np.float64], normals: NDArray[np.float64], *rest: Any) -> Guide:
            assert child.stdin is not None and child.stdout is not None
            sent = io.BytesIO()
            np.savez(sent, points=points, normals=normals, rest=np.array(json.dumps(rest)))
            try:
                with child.stdin:
                    child.stdin.write(sent.getbuffer())
                meanwhile()
                arrays, facts = _unpack(child.stdout.read())
            except (OSError, ValueError, EOFError, BadZipFile):  # it has died: here the same happens, or it is said why not
                return make_guide(points, normals, *rest)
            return Guide(arrays, GuideFacts.of(facts))

        try:
            yield ask
        finally:
            child.kill()


def _unpack(data: bytes) -> tuple[dict[str, NDArray[Any]], Any]:
    """The arrays of an npz, and what is in its ``rest``. Raises ValueError if it is none."""
    if not data:
        raise ValueError("nothing in it")
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return arrays, json.loads(str(arrays.pop("rest")))


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: who started this one ends it
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    import_modules("skimage.measure", "scipy.fft")
    data = sys.stdin.buffer.read()
    if not data:
        return
    inputs, rest = _unpack(data)
    arrays, facts = make_guide(inputs["points"], inputs["normals"], *rest)
    answer = io.BytesIO()
    np.savez(answer, allow_pickle=False, rest=np.array(json.dumps(facts.tree())), **arrays)  # type: ignore[arg-type]
    with out:
        out.write(answer.getbuffer())


if __name__ == "__main__":
    main()
