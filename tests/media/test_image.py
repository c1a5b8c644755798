"""Reading and writing images, their filters, and the classical solvers."""

import numpy as np
import pytest
from PIL import Image

from shapesiren.errors import InputError
from shapesiren.media.image import band_limited, gradient, laplacian, read_image, write_image
from shapesiren.media.poisson_solvers import clone, from_gradient, from_laplacian
from shapesiren.metrics.image import psnr
from tests.samples import picture


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_written_and_read_back(tmp_path, channels, depth, suffix):
    top = 2**depth - 1
    values = np.round(picture(9, 13, channels) * top) / top
    write_image(tmp_path / f"a{suffix}", values, depth)
    back = read_image(tmp_path / f"a{suffix}")
    assert back.depth == depth
    np.testing.assert_allclose(back.values, values, atol=0.01 / top)


def test_floating_point(tmp_path):
    values = picture(9, 13) * 1e4 - 7
    write_image(tmp_path / "a.tif", values, 32)
    np.testing.assert_allclose(read_image(tmp_path / "a.tif").values, values, rtol=1e-6)
    with pytest.raises(InputError, match=r"a\.png"):
        write_image(tmp_path / "a.png", values, 32)


def test_palette_cmyk_bilevel_and_rotation(tmp_path):
    levels = np.round(picture(12, 20, 3) * 255).astype(np.uint8)
    rgb = Image.fromarray(levels)
    rgb.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "p.png")
    rgb.convert("CMYK").save(tmp_path / "c.jpg", quality=95)
    rgb.convert("1").save(tmp_path / "b.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    rgb.save(tmp_path / "r.jpg", exif=exif, quality=95)
    assert read_image(tmp_path / "p.png").values.shape == (12, 20, 3)
    cmyk = read_image(tmp_path / "c.jpg")
    assert cmyk.values.shape == (12, 20, 3) and any("CMYK" in note for note in cmyk.notes)
    assert psnr(cmyk.values, levels / 255.0, 1.0) > 25
    assert set(np.unique(read_image(tmp_path / "b.png").values)) <= {0.0, 1.0}
    turned = read_image(tmp_path / "r.jpg")
    assert turned.values.shape == (20, 12, 3) and any("EXIF" in note for note in turned.notes)
    assert psnr(turned.values, np.rot90(levels, -1) / 255.0, 1.0) > 25


@pytest.mark.parametrize("kind", ["sobel", "scharr", "central"])
def test_filters_measure_in_intensity_per_pixel(kind):
    y, x = np.mgrid[0:9, 0:11].astype(float)
    inside = gradient((2 * x - 3 * y)[..., None], kind)[2:-2, 2:-2, 0]
    np.testing.assert_allclose(inside, np.broadcast_to([2.0, -3.0], inside.shape))
    np.testing.assert_allclose(laplacian((x**2 + 2 * y**2)[..., None])[2:-2, 2:-2], 6)
    colours = np.stack([2 * x - 3 * y, x], -1)  # channels do not mix
    np.testing.assert_allclose(gradient(colours, kind)[2:-2, 2:-2, 1, 0], 1)


def test_band_limited_derivatives_are_exact_on_a_cosine():
    x = (np.arange(32) + 0.5)[None, :, None] * np.ones((16, 1, 1))
    k = 3 * np.pi / 32
    first, second = band_limited(np.cos(k * x))
    np.testing.assert_allclose(first[..., 0], -k * np.sin(k * x), atol=1e-12)
    np.testing.assert_allclose(first[..., 1], 0, atol=1e-12)
    np.testing.assert_allclose(second, -(k**2) * np.cos(k * x), atol=1e-12)


def test_classical_solvers_undo_the_filters():
    image = picture(40, 52, 2)
    centred = image - image.mean((0, 1))
    np.testing.assert_allclose(from_laplacian(laplacian(image)), centred, atol=1e-10)
    assert psnr(from_gradient(gradient(image, "central")), centred) > 25
    mask = np.zeros(image.shape[:2], bool)
    mask[10:30, 5:25] = True
    other = image + 0.3  # the same differences: a clone of it changes nothing
    back = clone(image, (np.diff(other, axis=1), np.diff(other, axis=0)), mask)
    np.testing.assert_allclose(back, image, atol=1e-10)
