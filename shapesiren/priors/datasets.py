"""Collections that a package index or a distribution carries: fetched by package, prepared once, kept with their digests.

Nothing that is read here runs code: arrays that were pickled are found in the pickle by its opcodes, and not unpickled.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime.files import write_atomically
from .collection_files import deb_member, digest, pickled_array
from .emoji import emoji_images
from .procedural import procedural_images

FETCH_SECONDS = 600
MESHES = "pybullet_data/random_urdfs/"


@dataclass(frozen=True)
class DataSet:
    """A collection that has a name.

    package : that carries it; version : that was tried; installs : the command that fetches it
    files : what of it is needed, as paths inside the package
    prepare : from the bytes of those files to a file of ours
    suffix : of that file
    """

    name: str
    what: str
    package: str
    installs: str
    files: Callable[[str], bool]
    prepare: Callable[[dict[str, bytes]], bytes]
    version: str = ""
    suffix: str = ".npz"


def _npz(images: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, images=images)
    return out.getvalue()


def _animals(files: dict[str, bytes]) -> bytes:
    import gzip

    levels = pickled_array(gzip.decompress(next(iter(files.values()))), 1 << 26)
    if levels.ndim != 3 or levels.dtype != np.uint8:
        raise ValueError(f"an array of shape {levels.shape} and type {levels.dtype}")
    return _npz(levels)


def _meshes(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(Path(name).name), files[name])
    return out.getvalue()


def _emoji(files: dict[str, bytes]) -> bytes:
    return _npz(emoji_images(next(iter(files.values())), 32))


DATASETS: dict[str, DataSet] = {
    data.name: data
    for data in (
        DataSet(
            "procedural", "4,000 discs, squares, rings and stars of 32 x 32, drawn here", "", "", lambda _: False, lambda _: b""
        ),
        DataSet(
            "emoji",
            "emoji of 32 x 32 from Noto Color Emoji, without variants of skin",
            "fonts-noto-color-emoji",
            "apt-get install fonts-noto-color-emoji",
            lambda name: name.endswith("NotoColorEmoji.ttf"),
            _emoji,
        ),
        DataSet(
            "animals",
            "10,000 silhouettes of 28 x 28",
            "animal-mnist",
            "pip install --no-deps animal-mnist",
            lambda name: Path(name).name.startswith("animal_data") and name.endswith(".gz"),
            _animals,
            "0.4",
        ),
        DataSet(
            "meshes",
            "1,000 closed meshes",
            "pybullet",
            "pip install --no-deps pybullet",
            lambda name: name.startswith(MESHES) and name.endswith(".obj"),
            _meshes,
            suffix=".zip",
        ),
    )
}


def cache_folder() -> Path:
    """Where prepared collections are kept: ``SHAPESIREN_CACHE``, else the user's cache folder."""
    own = os.environ.get("SHAPESIREN_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shapesiren"


def data_set(name: str, source: Path | None = None, say: Callable[[str], None] = lambda _: None) -> Path:
    """The prepared file of a collection: ``.npz`` of images, ``.zip`` of meshes. From the cache if its digest is the one that
    was written down; else from ``source`` (a package's file, or the font), from what is installed, or fetched.

    Raises
    ------
    InputError : no such collection, or it cannot be had; the hint says what to install
    """
    if name not in DATASETS:
        raise InputError(f"no collection {name!r}", hint=f"one of {', '.join(DATASETS)}; or a folder of images")
    data = DATASETS[name]
    path = cache_folder() / f"{name}{data.suffix}"
    noted = path.with_suffix(".json")
    if source is None and path.is_file() and noted.is_file():
        with suppress(ValueError, AttributeError):  # a damaged note says nothing
            if json.loads(noted.read_text(encoding="utf-8")).get("sha256") == digest(path.read_bytes()):
                return path
        say(f"{path}: not what was written there, made again")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not data.package:
        made, of = _npz(procedural_images(4000)), "this program"
    else:
        files, of = _files(data, source, say)
        try:
            made = data.prepare(files)
        except InputError:
            raise
        except Exception as e:  # damaged, or laid out in another way: all of it means the same to the user
            reason = " ".join(str(e).split())[:100] or type(e).__name__
            raise InputError(f"not what {data.package} held when this was written ({reason})", where=of) from None
    write_atomically(path, made)
    row = {"name": name, "what": data.what, "from": of, "package": data.package, "sha256": digest(made)}
    write_atomically(noted, json.dumps(row, indent=1).encode())
    return path


def _files(data: DataSet, source: Path | None, say: Callable[[str], None]) -> tuple[dict[str, bytes], str]:
    """What of a package is needed, by name, and where it was found."""
    if source is not None:
        if not source.is_file():
            raise InputError("no such file", where=source)
        return _inside(data, source), str(source)
    for place in installed(data):
        return _inside(data, place), str(place)
    with tempfile.TemporaryDirectory() as folder:
        fetched = fetch(data, Path(folder), say)
        return _inside(data, fetched), fetched.name


def installed(data: DataSet) -> list[Path]:
    """Where what is needed of a package lies on this machine; the package is not imported."""
    if data.package.startswith("fonts-"):
        return sorted(Path("/usr/share/fonts").glob("**/NotoColorEmoji.ttf"))[:1]
    module = {"pybullet": "pybullet_data"}.get(data.package, data.package.replace("-", "_"))
    found = importlib.util.find_spec(module)
    places = (found.submodule_search_locations or []) if found else []
    return [Path(p) for p in places][:1]


def _inside(data: DataSet, place: Path) -> dict[str, bytes]:
    """The needed files of a folder, wheel, zip, .deb, or the one file itself."""
    try:
        if place.is_dir():
            below = (p for p in sorted(place.rglob("*")) if p.is_file())
            files = {n: p.read_bytes() for p in below if data.files(n := p.relative_to(place.parent).as_posix())}
        elif place.suffix == ".deb":
            files = deb_member(place.read_bytes(), data.files)
        elif zipfile.is_zipfile(place):
            with zipfile.ZipFile(place) as archive:
                files = {name: archive.read(name) for name in sorted(archive.namelist()) if data.files(name)}
        else:
            files = {place.name: place.read_bytes()} if data.files(place.name) else {}
    except (OSError, ValueError, zipfile.BadZipFile) as e:
        raise InputError(f"damaged, or no package ({e})", where=place) from None
    if not files:
        raise InputError(f"holds nothing of {data.package}", where=place, hint=data.installs)
    return files


def fetch(data: DataSet, folder: Path, say: Callable[[str], None]) -> Path:
    """Download the package with its own client, without installing it. Raises InputError where that cannot be done."""
    if data.package.startswith("fonts-"):
        words = ["apt-get", "download", data.package]
    else:
        name = f"{data.package}=={data.version}" if data.version else data.package
        words = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "-q", "-d", ".", name]
    if shutil.which(words[0]) is None:
        raise InputError(f"{data.name} is not on this machine", hint=f"{data.installs}, or --from FILE")
    say(f"fetching {data.package}")
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{data.package} was not fetched in {FETCH_SECONDS} s", hint=f"{data.installs}, or --from FILE"
        ) from None
    got = sorted(p for p in folder.iterdir() if p.suffix in (".whl", ".deb"))
    if done.returncode or not got:
        raise InputError(f"{data.package} could not be fetched", hint=f"with a network: {data.installs}; or --from FILE")
    return got[0]


def described(data: DataSet) -> dict[str, Any]:
    """What there is, for a list: name, what, the package, whether it is prepared or installed."""
    path = cache_folder() / f"{data.name}{data.suffix}"
    here = "prepared" if path.is_file() else "drawn here" if not data.package else "installed" if installed(data) else ""
    return {"name": data.name, "what": data.what, "package": data.package, "here": here, "installs": data.installs}
