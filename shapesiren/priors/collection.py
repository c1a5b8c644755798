"""Collections: many images of one size, in a folder, an archive or an array."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Setting

from ..config import Settings
from ..errors import InputError
from ..media.image import SUFFIXES

MAX_BYTES = 1 << 32  # of all images together
CIFAR_RECORD = 1 + 3 * 32 * 32  # bytes of an image in CIFAR-10's binary files, its label first
FEWEST = 4


class CollectionSettings(Settings):
    """From many signals to arrays."""

    size: int | None = Setting(None, ge=4, le=256, description="pixels a side: images are cut to squares and resampled")
    most: int | None = Setting(None, ge=FEWEST, description="take so many, at random, of a larger collection")
    held: float = Setting(0.1, gt=0, lt=1, description="share of the signals by which the prior is judged, not trained on")
    grey: bool = Setting(False, description="luminance alone")


@dataclass(frozen=True)
class Collection:
    """levels : (n, h, w, c) uint8, c 1 or 3; names : of each; notes : what was done to them, for people"""

    levels: NDArray[np.uint8]
    names: list[str]
    notes: tuple[str, ...] = ()


def read_collection(source: Any, settings: CollectionSettings, seed: int) -> Collection:
    """A folder or zip of images, CIFAR-10's binary files, a .npy or .npz file, or an (n, h, w[, c]) array.

    Raises
    ------
    InputError : there is none, too few, or they are of several sizes and ``settings.size`` is not given
    """
    if isinstance(source, (list, tuple)):
        raise InputError("one collection at a time", where=source[1], hint="put its files into one folder")
    if not isinstance(source, Path):
        return _sized(_of_array(np.asarray(source), "array"), settings, seed, "array")
    if source.is_dir():
        if cifar := sorted(source.glob("data_batch_*.bin")):
            return _sized(_of_cifar(cifar), settings, seed, source)
        return _of_images(_in_folder(source), settings, seed, source)
    if source.suffix.lower() == ".zip":
        return _of_images(_in_archive(source), settings, seed, source)
    return _sized(_of_array(_array_in(source), source), settings, seed, source)


# ---- Files -------------------------------------------------------------------------------------------------
def images_in(folder: Path) -> list[Path]:
    """The images of a folder, by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def _in_folder(folder: Path) -> list[tuple[str, Any]]:
    return [(p.name, p.read_bytes) for p in images_in(folder)]


def _in_archive(path: Path) -> list[tuple[str, Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            inside = sorted(m.filename for m in archive.infolist() if _is_image(m))
            if sum(archive.getinfo(name).file_size for name in inside) > MAX_BYTES:
                raise InputError("its images take more than 4 GiB", where=path, hint="unpack it, and use --set ingest.most=N")
    except (zipfile.BadZipFile, OSError) as e:
        raise InputError(f"damaged or no zip archive ({e})", where=path) from None

    def reader(name: str) -> Any:
        def read() -> bytes:
            with zipfile.ZipFile(path) as opened:
                return opened.read(name)

        return read

    return [(name, reader(name)) for name in inside]


def _is_image(member: zipfile.ZipInfo) -> bool:
    name = Path(member.filename)
    return name.suffix.lower() in SUFFIXES and not name.name.startswith(".") and "__MACOSX" not in name.parts


def _of_images(files: list[tuple[str, Any]], settings: CollectionSettings, seed: int, where: Path) -> Collection:
    if not files:
        raise InputError("no images in it", where=where, hint=f"it should hold files like {' '.join(SUFFIXES)}")
    chosen = _chosen(len(files), settings, seed)
    files = [files[i] for i in chosen]
    pictures = list(_decoded(files, settings, where))
    shapes = {p.shape[:2] for p in pictures}
    if len(shapes) > 1:
        odd = next(i for i, p in enumerate(pictures) if p.shape[:2] != pictures[0].shape[:2])
        (h, w), (k, m) = pictures[0].shape[:2], pictures[odd].shape[:2]
        raise InputError(
            f"images of several sizes: {files[0][0]} has {w} x {h} pixels, {files[odd][0]} {m} x {k}",
            where=where,
            hint="--set ingest.size=32 makes all of them 32 x 32",
        )
    colours = any(p.shape[2] == 3 for p in pictures)
    levels = np.stack([np.broadcast_to(p, (*p.shape[:2], 3)) if colours else p for p in pictures])
    return _checked(Collection(levels, [name for name, _ in files]), where)


def _decoded(files: list[tuple[str, Any]], settings: CollectionSettings, where: Path) -> Iterator[NDArray[np.uint8]]:
    """Each image as (h, w, 1 or 3) uint8: what is transparent becomes white."""
    from PIL import Image

    for name, read in files:
        try:
            with Image.open(io.BytesIO(read())) as opened:
                picture: Any = opened
                if "A" in picture.getbands() or "transparency" in picture.info:
                    picture = picture.convert("RGBA")
                    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
                picture = picture.convert("L" if settings.grey or picture.mode in ("1", "L", "I", "I;16", "F") else "RGB")
                if settings.size is not None:
                    picture = _square(picture, settings.size)
                levels = np.asarray(picture, np.uint8)
        except Exception as e:  # parsers of damaged files raise anything; all of it means the same to the user
            reason = " ".join(str(e).split())[:100] or type(e).__name__
            raise InputError(f"{name} is no image, or damaged ({reason})", where=where, hint="take it out") from None
        yield levels[..., None] if levels.ndim == 2 else levels


def _square(picture: Any, size: int) -> Any:
    """The middle of a Pillow image, square, at ``size`` pixels a side, smoothed as the factor asks."""
    from PIL import Image

    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.resize((size, size), Image.Resampling.BOX, (left, top, left + side, top + side))


# ---- Arrays ------------------------------------------------------------------------------------------------
def _array_in(path: Path) -> NDArray[Any]:
    try:
        held = np.load(path, allow_pickle=False)
        if isinstance(held, np.ndarray):
            return held
        with held:
            names = list(held.files)
            name = "images" if "images" in names else names[0] if len(names) == 1 else None
            if name is None:
                raise InputError(f"several arrays: {', '.join(names)}", where=path, hint="call the right one images")
            return np.asarray(held[name])
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as e:
        reason = " ".join(str(e).split())[:100]
        raise InputError(f"no array, or damaged ({reason})", where=path, hint="numpy.save(path, images)") from None


def _of_array(values: NDArray[Any], where: object) -> Collection:
    if values.ndim == 3:
        values = values[..., None]
    if values.ndim != 4 or values.shape[3] not in (1, 3) or values.dtype.kind not in "buif":
        shape = f"an array of shape {values.shape} and type {values.dtype} is no collection of images"
        raise InputError(shape, where=where, hint="(n, h, w) or (n, h, w, 3): uint8, or fractions in [0, 1]")
    if values.dtype == np.bool_:
        values = values.astype(np.float32)
    if values.dtype != np.uint8:
        if values.dtype.kind != "f" or not (values.size and np.nanmin(values) >= 0 and np.nanmax(values) <= 1):
            raise InputError("intensities outside [0, 1]", where=where, hint="save them as uint8, or as fractions in [0, 1]")
        if not np.isfinite(values).all():
            raise InputError("some intensities are not finite", where=where, hint="leave those images out")
        values = np.round(values * 255).astype(np.uint8)
    return Collection(values, [str(i) for i in range(len(values))])


def _of_cifar(files: list[Path]) -> Collection:
    """CIFAR-10's binary version: 10,000 records a file, a label and 32 x 32 red, green and blue levels."""
    parts = []
    for path in files:
        data = np.fromfile(path, np.uint8)
        if data.size == 0 or data.size % CIFAR_RECORD:
            raise InputError("damaged: no whole number of images", where=path, hint="fetch CIFAR-10's binary version again")
        parts.append(data.reshape(-1, CIFAR_RECORD)[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    levels = np.ascontiguousarray(np.concatenate(parts))
    return Collection(levels, [str(i) for i in range(len(levels))])


def _sized(held: Collection, settings: CollectionSettings, seed: int, where: object) -> Collection:
    """Arrays under the settings: some of them, at another size, without colours."""
    from PIL import Image

    chosen = _chosen(len(held.levels), settings, seed)
    levels = held.levels[chosen]
    if settings.grey and levels.shape[3] == 3:
        levels = np.round(levels @ np.array([0.299, 0.587, 0.114]))[..., None].astype(np.uint8)
    if settings.size is not None and levels.shape[1:3] != (settings.size, settings.size):
        squares = [np.asarray(_square(Image.fromarray(p.squeeze()), settings.size)) for p in levels]
        levels = np.stack(squares).reshape(len(squares), settings.size, settings.size, -1)
    return _checked(Collection(levels, [held.names[i] for i in chosen], held.notes), where)


# ---- Both --------------------------------------------------------------------------------------------------
def _chosen(count: int, settings: CollectionSettings, seed: int) -> list[int]:
    """Indices of those that are taken, in order."""
    if settings.most is None or settings.most >= count:
        return list(range(count))
    return sorted(np.random.default_rng(seed).choice(count, settings.most, replace=False).tolist())


def _checked(held: Collection, where: object) -> Collection:
    count, height, width, _ = held.levels.shape
    if count < FEWEST:
        raise InputError(f"{count} images are too few to learn from", where=where, hint=f"at least {FEWEST}, better thousands")
    if min(height, width) < 4:
        raise InputError(f"{width} x {height} pixels are too few", where=where, hint="at least 4 a side")
    if max(height, width) > 256:
        raise InputError(
            f"images of {width} x {height} pixels are too large for a prior", where=where, hint="--set ingest.size=32"
        )
    if np.ptp(held.levels) == 0:
        raise InputError("every pixel of every image has the same value", where=where)
    return held
