"""The run folder: a manifest, content hashes, and files that are whole or absent."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from ..config import Tree
from ..errors import InputError, RunError
from ..runtime.files import write_atomically

FORMAT = 1
MANIFEST, CHECKPOINT = "run.json", "checkpoint.safetensors"


def digest_file(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def digest_data(data: Any) -> str:
    """SHA-256 of JSON-able data, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def versions() -> Tree:
    """Versions of what a result depends on, for the manifest."""
    out = {"python": platform.python_version()}
    for name in ("shapesiren", "torch", "numpy", "scikit-image", "open3d", "trimesh"):
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return out


def invocation(run: Path | None = None) -> str:
    """The command line of this process, as one would type it; with the ``run`` folder that it was not given, after the command:
    it meant the newest run, and later that is another one."""
    program = Path(sys.argv[0])
    name = f"python -m {program.parent.name}" if program.name == "__main__.py" else shlex.quote(program.name)
    words = sys.argv[1:]
    if run is not None:
        words[1:1] = [str(run)]
    return f"{name} {shlex.join(words)}".strip()


class Run:
    """One folder with everything that one input produced. It holds no absolute path that anything needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: Tree = {"format": FORMAT, "stages": {}}

    def __repr__(self) -> str:
        return f"<Run {self.folder}: {', '.join(self.manifest['stages']) or 'nothing finished'}>"

    # ---- Opening -----------------------------------------------------------------------------------
    @classmethod
    def create(cls, folder: Path) -> Run:
        """Open a run for writing, making its folder. Raises InputError if that cannot be."""
        if folder.exists() and not folder.is_dir():
            raise InputError("this is a file, not a run folder", where=folder, hint="name another with --out")
        begun = (".lock", "tiles")  # of a large scan, whose ingest was broken off
        if folder.is_dir() and not (folder / MANIFEST).exists() and any(p.name not in begun for p in folder.iterdir()):
            raise InputError("the folder is not empty and no run", where=folder, hint="name another with --out")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise InputError(
                f"cannot make the run folder ({e.strerror})", where=folder, hint="name another with --out"
            ) from None
        if not os.access(folder, os.W_OK):
            raise InputError("no permission to write there", where=folder, hint="name another with --out")
        run = cls(folder)
        if (folder / MANIFEST).exists():
            run._read()
        return run

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Open an existing run. Raises InputError if there is none."""
        if not (folder / MANIFEST).is_file():
            hint = "run `shapesiren fit` first" if not folder.exists() else "name a folder that `shapesiren fit` made"
            raise InputError("no run here", where=folder, hint=hint)
        run = cls(folder)
        run._read()
        return run

    @classmethod
    def newest(cls, root: Path) -> Run:
        """The run under ``root`` that was worked on last."""
        found = sorted(root.glob(f"*/{MANIFEST}"), key=lambda p: p.stat().st_mtime)
        if not found:
            raise InputError("no runs here", where=root, hint="run `shapesiren fit` first, or name a run folder")
        return cls.open(found[-1].parent)

    def _read(self) -> None:
        path = self.folder / MANIFEST
        try:
            self.manifest = json.loads(path.read_text(encoding="utf-8"))
            known = self.manifest["format"]
            for record in self.manifest["stages"].values():
                _ = record["key"], record["outputs"].items()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise InputError("the manifest is damaged", where=path, hint="remove the run folder, or name another") from None
        if known > FORMAT:
            raise InputError(f"written by a newer version (format {known})", where=path, hint="update shapesiren")

    # ---- Writing -----------------------------------------------------------------------------------
    def save(self) -> None:
        """Write the manifest atomically."""
        self.write("run.json", json.dumps(self.manifest, indent=1).encode())

    def write(self, name: str, data: bytes | Callable[[IO[bytes]], None]) -> Path:
        """Write a file of the run atomically, see `files`; RunError with the reason if it cannot be."""
        try:
            write_atomically(self.folder / name, data)
        except OSError as e:
            raise RunError(f"cannot write ({e.strerror})", where=self.folder / name) from None
        return self.folder / name

    def _lock_file(self) -> IO[str]:
        try:
            return open(self.folder / ".lock", "w")
        except OSError as e:
            raise RunError(f"cannot write ({e.strerror})", where=self.folder / ".lock") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from working on this run. The lock goes with the process, however it ends."""
        try:
            import fcntl
        except ImportError:  # Windows: no such lock, and no reason to fail
            yield
            return
        with self._lock_file() as f:
            try:
                for patience in (0.05, 0.1, 0.2):  # for one who only looks whether it is locked: see `busy`
                    with suppress(BlockingIOError):
                        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
                    time.sleep(patience)
                else:
                    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    "another process is working on this run", where=self.folder, hint="wait for it, or name another run folder"
                ) from None
            except OSError:
                pass  # a file system without locks
            for stale in self.folder.glob(".*.tmp"):  # of a process that was killed while it wrote
                stale.unlink(missing_ok=True)
            try:
                yield
            finally:
                if not (self.folder / MANIFEST).exists():  # nothing came of it: leave no empty run behind
                    (self.folder / ".lock").unlink(missing_ok=True)
                    with suppress(OSError):
                        self.folder.rmdir()

    @property
    def busy(self) -> bool:
        """Whether another process works on this run. Writes nothing."""
        try:
            import fcntl

            with open(self.folder / ".lock") as f:
                fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except (ImportError, OSError):
            return False
        return False

    # ---- Stages ------------------------------------------------------------------------------------
    def record(self, stage: str) -> Tree | None:
        """What the manifest holds of a stage."""
        record: Tree | None = self.manifest["stages"].get(stage)
        return record

    def facts(self, stage: str) -> Tree:
        """The facts that a finished stage left; empty if it has not run."""
        return (self.record(stage) or {}).get("facts", {})

    def intact(self, stage: str, key: str | None = None) -> bool:
        """Whether a stage has finished (with ``key``, if given) and its files are as it left them."""
        record = self.record(stage)
        if record is None or (key is not None and record["key"] != key):
            return False
        files = record["outputs"].items()
        return all((self.folder / name).is_file() and digest_file(self.folder / name) == value for name, value in files)

    def key(self, stage: str) -> str:
        """The key that a stage has finished with; empty if it has not."""
        record = self.record(stage)
        return str(record["key"]) if record else ""

    def outputs_digest(self, stage: str) -> str:
        """One digest of all that a finished stage wrote."""
        record = self.record(stage)
        return digest_data(record["outputs"]) if record else ""

    def finish(
        self, stage: str, key: str, outputs: list[str], seconds: float, device: str, facts: Tree, command: str = ""
    ) -> None:
        """Record a finished stage; what later stages made of its earlier result is forgotten by their keys."""
        self.manifest["stages"][stage] = {
            "key": key,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            "device": device,
            "command": command or invocation(),
            "versions": versions(),
            "outputs": {name: digest_file(self.folder / name) for name in outputs},
            "facts": facts,
        }
        self.save()
