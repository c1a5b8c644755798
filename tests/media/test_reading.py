"""What images bring along: holes, turns, several pages, palettes."""

import numpy as np
import pytest
import tifffile
from PIL import Image

import shapesiren
from shapesiren.errors import InputError
from shapesiren.media.image import TURNED, read_image, turned, write_image
from shapesiren.media.image_ingest import ingest_image
from shapesiren.media.settings import ImageIngestSettings
from tests.samples import SMALL, picture

HOLE = (slice(3, 9), slice(5, 12))


def heights(dtype=np.float32):
    """An elevation model from 100 to 400 with a hole to be filled."""
    return (100 + 300 * picture(24, 32)[..., 0]).astype(dtype)


def tiff(path, values, nodata=None, **options):
    tags = [] if nodata is None else [(42113, "s", 0, nodata, True)]
    tifffile.imwrite(path, values, extratags=tags, metadata=None, **options)
    return path


def ingested(path, **settings):
    return ingest_image(path, ImageIngestSettings(**settings), 0, lambda _: None)


@pytest.mark.parametrize(
    ("dtype", "hole", "tag"),
    [
        ("float32", -9999, None),
        ("float32", -9999, "-9999"),
        ("float32", 123.25, "123.25"),
        ("float32", -3.4028234663852886e38, "-3.4028234663852886e+38"),
        ("float32", np.nan, None),
        ("float32", np.inf, "nan"),
        ("float64", 1e300, None),
        ("float64", -99999, None),
        ("int16", -32768, None),
        ("int16", -9999, "-9999\0"),
        ("uint16", 65535, "65535"),
        ("uint16", 0, "0"),
        ("int32", -32768, None),
    ],
)
def test_holes_are_no_values(tmp_path, dtype, hole, tag):
    values = heights(dtype)
    values[HOLE] = hole
    arrays, header, facts = ingested(tiff(tmp_path / "a.tif", values, tag))
    expected = np.ones((24, 32), bool)
    expected[HOLE] = False
    np.testing.assert_array_equal(arrays["known"], expected)
    np.testing.assert_array_equal(arrays["data"], expected)
    assert np.isfinite(arrays["values"]).all()
    if header.depth == 32:
        low, high = values[expected].min(), values[expected].max()
        assert header.values.offset - header.values.scale == pytest.approx(float(low), rel=1e-6)
        assert header.values.offset + header.values.scale == pytest.approx(float(high), rel=1e-6)
    assert any("42 of 768 pixels hold no data" in note for note in facts.notes)


def test_colours_are_a_hole_in_all_channels_alone(tmp_path):
    values = np.full((24, 32, 3), 50, np.uint8)
    values[..., 0] = 0  # no red anywhere
    values[HOLE] = 0
    values[12:] = 200
    arrays = ingested(tiff(tmp_path / "a.tif", values, "0", photometric="rgb"))[0]
    assert (~arrays["known"]).sum() == 42


@pytest.mark.parametrize("odd", ["alone", "near", "unsigned"])
def test_what_is_a_value_stays_one(tmp_path, odd):
    values = heights(np.uint16 if odd == "unsigned" else np.float32)
    if odd == "near":  # a sea floor that reaches down to it
        values = np.linspace(-9999, 300, 24 * 32).reshape(24, 32).astype(np.float32)
        values[0, :3] = -9999
    elif odd == "alone":
        values[3, 4] = -9999
    else:
        values[HOLE] = 65535
    arrays, header, _ = ingested(tiff(tmp_path / "a.tif", values))
    assert "known" not in arrays
    if odd != "unsigned":
        assert header.values.offset - header.values.scale == pytest.approx(-9999, rel=1e-6)


def test_holes_and_other_settings(tmp_path):
    values = heights()
    values[HOLE] = np.nan
    path = tiff(tmp_path / "a.tif", values)
    small, header, _ = ingested(path, max_size=16)
    assert small["values"].shape == (12, 16, 1) and 6 <= (~small["known"]).sum() <= 14
    assert header.values.offset - header.values.scale > 95
    part = ingested(path, keep=0.5)[0]
    assert not (part["known"] & ~part["data"]).any() and part["known"].sum() < part["data"].sum()
    with pytest.raises(InputError, match="hold no data"):
        ingested(path, supervise="gradient")
    with pytest.raises(InputError, match=r"42 of its pixels hold no data"):
        shapesiren.fit([path, path], task="composite")
    assert (~ingested(values)[0]["known"]).sum() == 42  # an array
    values[:] = np.nan
    with pytest.raises(InputError, match=r"b\.tif: no pixel holds data \(not finite\)"):
        read_image(tiff(tmp_path / "b.tif", values))


@pytest.mark.slow
def test_a_fit_is_judged_where_there_is_data(tmp_path):
    values = heights()
    values[HOLE] = -9999
    shapesiren.fit(tiff(tmp_path / "a.tif", values), settings=SMALL, out=tmp_path / "run")
    shapesiren.decode(tmp_path / "run", out=tmp_path / "b.tif")
    found = shapesiren.evaluate(tmp_path / "run")
    assert found["psnr"] > 30
    assert found["mse"] < 100
    assert found.get("unknown_psnr") is None
    assert read_image(tmp_path / "b.tif").values.min() > 0


def test_integers_with_a_sign_are_no_shares_of_full_scale(tmp_path):
    values = heights(np.int16) - np.int16(300)
    back = read_image(tiff(tmp_path / "a.tif", values))
    np.testing.assert_array_equal(back.values[..., 0], values)
    assert back.depth == 32


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "8 bit tiff", "16 bit tiff", "16 bit png", "webp"])
def test_turned_as_exif_says(tmp_path, orientation, kind):
    levels = np.round(picture(12, 20, 3) * 255).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.fromarray(levels)
    upright.info["exif"] = exif.tobytes()
    path = tmp_path / f"a.{kind.split()[-1][:4]}"
    if kind == "16 bit tiff":
        tifffile.imwrite(path, levels.astype(np.uint16) * 257, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    elif kind == "8 bit tiff":
        tifffile.imwrite(path, levels, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    elif kind == "16 bit png":
        write_image(path, levels / 255, 16)
        data = path.read_bytes()
        import struct
        import zlib

        body = b"eXIf" + exif.tobytes()[6:]
        path.write_bytes(data[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + data[33:])
    else:
        upright.save(path, exif=exif, quality=100, **({"lossless": True} if kind == "webp" else {}))
    back = read_image(path)
    expected = turned(levels, orientation) / 255.0
    assert back.values.shape == expected.shape
    assert np.abs(back.values - expected).mean() < 0.02
    assert back.notes == ((TURNED,) if orientation > 1 else ())


def test_turns_are_those_of_pillow():
    from PIL import ImageOps

    levels = np.arange(60, dtype=np.uint8).reshape(6, 10)
    for orientation in range(2, 9):
        image = Image.fromarray(levels)
        image.getexif()[0x0112] = orientation
        np.testing.assert_array_equal(turned(levels, orientation), np.asarray(ImageOps.exif_transpose(image)))


def test_the_first_of_several_pages_and_frames(tmp_path):
    pages = np.stack([heights(np.uint16) + np.uint16(1000 * i) for i in range(3)])
    tifffile.imwrite(tmp_path / "pages.tif", pages, photometric="minisblack")
    colours = [Image.fromarray(np.full((12, 20, 3), 60 * i, np.uint8)) for i in range(3)]
    colours[0].save(tmp_path / "pages8.tif", save_all=True, append_images=colours[1:])
    colours[0].save(tmp_path / "moves.webp", save_all=True, append_images=colours[1:], lossless=True)
    colours[0].save(tmp_path / "moves.png", save_all=True, append_images=colours[1:])
    for name, what in (("pages.tif", "pages"), ("pages8.tif", "pages"), ("moves.webp", "frames"), ("moves.png", "frames")):
        back = read_image(tmp_path / name)
        assert back.notes == (f"the first of its 3 {what}",), name
        assert back.values.max() < 0.01
    with tifffile.TiffWriter(tmp_path / "reduced.tif") as file:
        file.write(pages[0], subfiletype=0)
        file.write(pages[0][::2, ::2], subfiletype=1)
    assert read_image(tmp_path / "reduced.tif").notes == ()


def test_palettes_keep_their_transparency(tmp_path):
    image = Image.fromarray(np.arange(240, dtype=np.uint8).reshape(12, 20) % 4, "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    image.save(tmp_path / "a.png", transparency=3)
    back = read_image(tmp_path / "a.png").values
    assert back.shape == (12, 20, 4)
    np.testing.assert_array_equal(back[0, :4, 3], [1, 1, 1, 0])


def test_numbers_without_an_order_are_refused(tmp_path):
    with pytest.raises(InputError, match="complex64 are no intensities"):
        read_image(tiff(tmp_path / "a.tif", np.ones((8, 8), np.complex64)))
