"""Ray for the time of some work: on this machine, or a cluster that is joined."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from ..errors import InputError, RunError

TOKEN_HINT = (
    "every node needs the cluster's token: set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH to a file that holds it, "
    "to the same value for `ray start` and for this command"
)


@contextmanager
def ray_cluster(address: str | None) -> Iterator[Any]:
    """The module ``ray``, connected within: to a cluster's ``address`` (auto, or HOST:PORT), or to one made here.

    Raises
    ------
    InputError : ray is missing, or the cluster at the address cannot be joined
    RunError : Ray does not start here, or the cluster is lost
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "5")  # seconds that a cluster is waited for; 20 by default
    try:
        import ray
    except ImportError:
        raise InputError("the package ray is missing", where="--engine ray", hint="pip install 'shapesiren[ray]'") from None
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "include_dashboard": False}
    if address is not None:
        quiet = {"address": address, "log_to_driver": False, "logging_level": "error"}
        if address.startswith(("127.", "localhost")):
            quiet["_node_ip_address"] = "127.0.0.1"  # else Ray goes by the machine's outward address
    try:
        with _silent_stderr():  # Ray's own library writes there, past Python
            ray.init(**quiet)
    except Exception as e:
        if address is None:
            raise RunError(f"Ray does not start here ({first_line(e)})", hint="--engine serial") from None
        raise InputError(f"cannot join the Ray cluster ({first_line(e)})", where=address, hint=TOKEN_HINT) from None
    try:
        with redirect_stdout(sys.stderr):  # Ray tells of lost workers on stdout, where a script reads our result
            yield ray
    except ConnectionError as e:
        raise RunError(f"the Ray cluster was lost ({first_line(e)})", hint="the same command goes on") from None
    finally:
        ray.shutdown()


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what is written to file descriptor 2."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def first_line(e: Exception) -> str:
    return (str(e).strip() or type(e).__name__).splitlines()[0][:200]
