"""Images: files <-> arrays of intensities, and the classical derivative filters.

PNG, JPEG, TIFF, WebP, BMP; grey, RGB, RGBA, palettes, CMYK; 8 and 16 bit, and floating point in TIFF.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime.files import write_atomically
from .no_data import GDAL_NODATA, declared_number, filled, no_data

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
MAX_PIXELS = 500_000_000
MODES = {1: "grey", 2: "grey with alpha", 3: "RGB", 4: "RGBA"}
MIN_SIDE = 4  # pixels a side: below, the filters have no inside
ORIENTATION = 0x0112  # of EXIF and TIFF
TURNS = {  # orientation -> quarter turns to the left, and whether it is mirrored, left to right, after that
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}
TURNED = "turned as its EXIF orientation says"


@dataclass(frozen=True)
class Picture:
    """An image as the file holds it.

    values : (h, w, c) float32; of unsigned integers of 8 and 16 bits in [0, 1], of others as they are
    depth : bits a channel, 8 or 16; 32 for numbers of any range
    notes : what was done to it, as lines for the user
    known : (h, w), which pixels hold data, where not all do; the others have the values of the nearest that does
    """

    values: NDArray[np.float32]
    depth: int
    notes: tuple[str, ...] = ()
    known: NDArray[np.bool_] | None = None


class _Raw(NamedTuple):
    """Values of any type as a parser gives them, notes, and the number that the file declares to be no data."""

    values: NDArray[Any]
    notes: tuple[str, ...] = ()
    no_data: float | None = None


def read_image(path: Path) -> Picture:
    """Read an image; EXIF rotation is applied, palettes and CMYK become RGB, of several pages the first is taken.

    Raises
    ------
    InputError : not an image, truncated, too small or too large, no data in it
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if path.suffix.lower() in (".tif", ".tiff"):
            raw = _read_tiff(path)
        elif _sixteen_bit_png(path):
            raw = _read_with_ffmpeg(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                with Image.open(path) as opened:
                    raw = _of_pillow(opened)
    except (InputError, ModuleNotFoundError):
        raise
    except UnidentifiedImageError:
        raise InputError("not an image, or damaged", where=path, hint="open it in a viewer and save it again") from None
    except Exception as e:  # parsers of damaged files raise anything; all of it means the same to the user
        reason = " ".join(str(e).split())[:100] or type(e).__name__
        raise InputError(f"damaged or truncated ({reason})", where=path) from None
    values = raw.values[..., None] if raw.values.ndim == 2 else raw.values
    if values.ndim != 3 or values.shape[2] not in MODES:
        raise InputError(f"an array of shape {values.shape} is no image", where=path, hint="one page, 1 to 4 channels")
    if values.dtype.kind not in "buif":
        raise InputError(f"values of type {values.dtype} are no intensities", where=path, hint="integers or fractions")
    height, width = values.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise InputError(f"{width} x {height} pixels are too few", where=path, hint=f"at least {MIN_SIDE} a side")
    return picture_of(values, path, raw.notes, raw.no_data)


def picture_of(values: NDArray[Any], where: object, notes: tuple[str, ...] = (), declared: float | None = None) -> Picture:
    """A picture of (h, w, c) values of any type, without what is `no_data`. Raises InputError if that is all of it."""
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * np.uint8(255)
    gone, words = no_data(values, declared)
    if gone.all():
        raise InputError(f"no pixel holds data ({', '.join(words)})", where=where)
    depth = 8 * values.dtype.itemsize if values.dtype.kind == "u" and values.dtype.itemsize <= 2 else 32
    with np.errstate(over="ignore", invalid="ignore"):  # of what is gone
        scaled = values.astype(np.float32) / np.float32(1 if depth == 32 else 2**depth - 1)
    if not gone.any():
        return Picture(scaled, depth, notes)
    note = f"{gone.sum():,} of {gone.size:,} pixels hold no data ({', '.join(words)}): left out"
    return Picture(filled(scaled, gone), depth, (*notes, note), ~gone)


def _of_pillow(image: Any) -> _Raw:
    from PIL import ImageOps

    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels are more than {MAX_PIXELS:,}")
    notes = []
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "TIFF":
        notes.append(f"the first of its {frames:,} {'pages' if image.format == 'MPO' else 'frames'}")
    if image.getexif().get(ORIENTATION, 1) in TURNS:
        notes.append(TURNED)
    image = ImageOps.exif_transpose(image)
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
        notes.append("its palette became colours")
    elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        notes.append(f"{image.mode} became RGB")
        image = image.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode.startswith("I;16"):
        return _Raw(np.asarray(image).astype(np.uint16), tuple(notes))
    return _Raw(np.asarray(image), tuple(notes))


def _read_tiff(path: Path) -> _Raw:
    """Pillow knows CMYK and palettes, tifffile all depths; each gets what it reads well."""
    import tifffile
    from PIL import Image

    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        plain = getattr(page, "photometric", None) in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB)
        # reduced copies and masks of a page are none
        pages = sum(not getattr(p, "subfiletype", 0) for p in file.pages) if len(file.pages) > 1 else 1
        notes = (f"the first of its {pages:,} pages",) if pages > 1 else ()
        tags = page.tags
        orientation, declared = (tags[t].value if t in tags else None for t in (ORIENTATION, GDAL_NODATA))
        if orientation in TURNS:
            notes = (*notes, TURNED)
        if plain and page.dtype is not None and (page.dtype.itemsize > 1):
            values = page.asarray()
            if values.ndim == 3 and values.shape[0] in MODES and values.shape[2] not in MODES:
                values = np.moveaxis(values, 0, 2)  # planar
            return _Raw(turned(values, orientation), notes, declared_number(declared))
    with Image.open(path) as opened:
        opened.load()  # which turns it
        raw = _of_pillow(opened)
    return _Raw(raw.values, notes + raw.notes, declared_number(declared))


def turned(values: NDArray[Any], orientation: int | None) -> NDArray[Any]:
    """(h, w) or (h, w, c) pixels as an EXIF orientation wants them shown."""
    if orientation not in TURNS:
        return values
    quarters, mirrored = TURNS[orientation]
    values = np.rot90(values, quarters)
    return np.ascontiguousarray(values[:, ::-1] if mirrored else values)


def _sixteen_bit_png(path: Path) -> bool:
    """Whether this is a PNG of 16 bits in several channels, which Pillow would cut to 8."""
    with open(path, "rb") as f:
        head = f.read(26)
    return head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) == 26 and head[24] == 16 and head[25] != 0


def _read_with_ffmpeg(path: Path) -> _Raw:
    import av
    from PIL import Image

    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        alpha = frame.format.name.startswith(("rgba", "ya"))
        values = frame.reformat(format="rgba64le" if alpha else "rgb48le").to_ndarray()
    with Image.open(path) as opened:
        orientation = opened.getexif().get(ORIENTATION, 1)
    return _Raw(turned(values, orientation), (TURNED,) if orientation in TURNS else ())


def write_image(path: Path, values: NDArray[np.floating], depth: int) -> None:
    """Write (h, w, c) intensities, by extension. In [0, 1] if ``depth`` is 8 or 16; 32 bit, as they are, to TIFF alone.

    Raises InputError if the format cannot hold them.
    """
    suffix = path.suffix.lower()
    check_image_output(path)
    if depth == 32 and suffix not in (".tif", ".tiff"):
        raise InputError("floating-point values can be written as TIFF alone", where=path, hint="-o NAME.tif")
    import io

    out = io.BytesIO()
    squeezed = values[..., 0] if values.shape[2] == 1 else values
    if depth == 32 or (depth == 16 and suffix in (".tif", ".tiff")):
        import tifffile

        kind = "rgb" if values.shape[2] > 2 else "minisblack"
        data = squeezed.astype(np.float32) if depth == 32 else _integers(squeezed, 16)
        tifffile.imwrite(out, data, photometric=kind)
    elif depth == 16 and suffix == ".png" and values.shape[2] > 1:
        out.write(_png16(_integers(values, 16)))
    else:
        from PIL import Image

        levels = _integers(squeezed, 16 if depth == 16 and suffix == ".png" else 8)
        image = Image.fromarray(levels)
        if image.mode in ("RGBA", "LA") and suffix in (".jpg", ".jpeg", ".bmp"):
            image = image.convert(image.mode[:-1])
        options: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {"quality": 95} if "jp" in suffix else {}
        image.save(out, {".jpg": "JPEG", ".tif": "TIFF"}.get(suffix, suffix[1:].upper()), **options)
    write_atomically(path, out.getvalue())


def check_image_output(path: Path) -> None:
    """Raise InputError early if no image can be written there."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"cannot write an image as {path.suffix or 'a file without extension'!r}",
            where=path,
            hint=f"one of {' '.join(SUFFIXES)}",
        )
    if not path.absolute().parent.is_dir():
        raise InputError("its folder does not exist", where=path, hint="make the folder first")


def _integers(values: NDArray[np.floating], depth: int) -> NDArray[Any]:
    top = 2**depth - 1
    return np.round(np.clip(values, 0, 1) * top).astype(np.uint16 if depth == 16 else np.uint8)


def _png16(levels: NDArray[np.uint16]) -> bytes:
    """A PNG of 16 bits a channel: ffmpeg's, since Pillow writes grey ones alone."""
    import io

    import av

    if levels.shape[2] == 2:
        levels = levels[..., [0, 0, 0, 1]]
    kind, big = ("rgb48le", "rgb48be") if levels.shape[2] == 3 else ("rgba64le", "rgba64be")
    out = io.BytesIO()
    with av.open(out, "w", format="image2pipe") as container:
        stream: Any = container.add_stream("png", rate=1)
        stream.height, stream.width = levels.shape[:2]
        stream.pix_fmt = big
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(levels), format=kind).reformat(format=big)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return out.getvalue()


SMOOTHING = {"sobel": [0.25, 0.5, 0.25], "scharr": [0.1875, 0.625, 0.1875]}


# ---- Filters -----------------------------------------------------------------------------------------------
def gradient(values: NDArray[np.floating], kind: str = "sobel") -> NDArray[np.float64]:
    """Gradient of (h, w, c) values by filters, in values per pixel: (h, w, c, 2), x (to the right) before y (down).

    Each is scaled to give 1 on a ramp of slope 1. ``central`` is half the difference of the neighbours; ``sobel`` and
    ``scharr`` are means of three of those with weights 1, 2, 1 and 3, 10, 3: less noise, and less that no function has as its
    gradient.
    """
    from scipy import ndimage

    v = np.asarray(values, np.float64)
    parts = [ndimage.correlate1d(v, [-0.5, 0, 0.5], axis=a, mode="nearest") for a in (1, 0)]
    if kind in SMOOTHING:  # along the other axis; scipy's own would smooth over the channels too
        parts = [ndimage.correlate1d(p, SMOOTHING[kind], axis=a, mode="nearest") for a, p in enumerate(parts)]
    return np.stack(parts, -1)


def laplacian(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The five-point Laplacian of (h, w, c) values, per pixel squared, symmetric at the border (no flux)."""
    from scipy import ndimage

    v = np.asarray(values, np.float64)
    kernel = [1.0, -2.0, 1.0]
    return sum(ndimage.correlate1d(v, kernel, axis=a, mode="nearest") for a in (0, 1))  # type: ignore[return-value]


def band_limited(values: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradient (h, w, c, 2) and Laplacian (h, w, c), per pixel, of the cosine series through (h, w, c) values.

    That is the smoothest function through all pixels, even over the borders, and it is differentiated exactly.
    """
    v = np.asarray(values, np.float64)
    height, width = v.shape[:2]
    even = np.concatenate([v, v[::-1]])
    spectrum = np.fft.fft2(np.concatenate([even, even[:, ::-1]], 1), axes=(0, 1))
    wx = 2 * np.pi * np.fft.fftfreq(2 * width)[None, :, None]
    wy = 2 * np.pi * np.fft.fftfreq(2 * height)[:, None, None]

    def back(factor: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(np.fft.ifft2(spectrum * factor, axes=(0, 1)).real[:height, :width])

    return np.stack([back(1j * wx), back(1j * wy)], -1), back(-(wx**2 + wy**2))


def grid(height: int, width: int, x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float64]:
    """Centres of ``height`` x ``width`` pixels over the rectangle [x0, x1] x [y0, y1]: (height * width, 2), row by row."""
    x = x0 + (np.arange(width) + 0.5) * (x1 - x0) / width
    y = y0 + (np.arange(height) + 0.5) * (y1 - y0) / height
    return np.stack([np.tile(x, height), np.repeat(y, width)], 1)
