"""Collections: what is read as one, what is refused, and packages that carry some, read without running anything of them."""

import gzip
import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shapesiren.errors import InputError
from shapesiren.priors import datasets
from shapesiren.priors.collection import CollectionSettings, read_collection
from shapesiren.priors.collection_files import deb_member, digest, pickled_array
from shapesiren.priors.datasets import data_set
from shapesiren.priors.emoji import emoji_images, skin_variants
from shapesiren.priors.ingest import ingest_images
from shapesiren.priors.procedural import procedural_images
from tests.samples import write_collection

IMAGES = procedural_images(12, 10)


def read(source, **settings):
    return read_collection(source, CollectionSettings(**settings), 0)


def save(folder, images):
    folder.mkdir(exist_ok=True)
    for i, levels in enumerate(images):
        Image.fromarray(levels).save(folder / f"{i:02}.png")
    return folder


def cifar(path, images):
    rows = np.concatenate([np.zeros((len(images), 1), np.uint8), images.transpose(0, 3, 1, 2).reshape(len(images), -1)], 1)
    path.mkdir()
    rows[:4].tofile(path / "data_batch_1.bin")
    rows[4:].tofile(path / "data_batch_2.bin")
    return path


def test_folders_archives_and_arrays_are_the_same(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=np.arange(12))
    np.save(tmp_path / "f.npy", IMAGES / 255)
    write_collection(tmp_path / "a.zip", 12, 10)
    sources = [save(tmp_path / "a", IMAGES), *(tmp_path / n for n in ("a.npy", "a.npz", "f.npy", "a.zip")), IMAGES]
    for source in sources:
        np.testing.assert_array_equal(read(source).levels, IMAGES)


def test_cifar_in_its_binary_form(tmp_path):
    images = procedural_images(6, 32)
    np.testing.assert_array_equal(read(cifar(tmp_path / "cifar", images)).levels, images)
    (tmp_path / "cifar" / "data_batch_2.bin").write_bytes(b"1234")
    with pytest.raises(InputError, match="no whole number of images"):
        read(tmp_path / "cifar")


def test_images_are_cut_and_made_alike(tmp_path):
    folder = save(tmp_path / "a", IMAGES[:3])
    wide = np.zeros((20, 40, 4), np.uint8)
    wide[:, 10:30, 0], wide[:, 10:20, 3] = 200, 255  # red, its right half transparent, the sides cut off
    Image.fromarray(wide).save(folder / "wide.png")
    Image.fromarray(IMAGES[3, ..., 0]).save(folder / "grey.png")
    made = read(folder, size=10)
    assert made.levels.shape == (5, 10, 10, 3)
    assert made.names == ["00.png", "01.png", "02.png", "grey.png", "wide.png"]
    assert made.levels[4, 5, 2].tolist() == [200, 0, 0]
    assert made.levels[4, 5, 8].tolist() == [255, 255, 255]
    assert np.ptp(made.levels[3], axis=2).max() == 0
    assert read(folder, size=10, grey=True).levels.shape == (5, 10, 10, 1)
    few = read(folder, size=10, most=4)
    assert few.names == read(folder, size=10, most=4).names
    assert len(few.names) == 4


def test_what_is_held_back_is_not_trained_on():
    arrays, header, facts = ingest_images(IMAGES, CollectionSettings(held=0.25), 3)
    assert (len(arrays["train"]), len(arrays["held"])) == (9, 3) == (header.trained, header.held)
    together = {levels.tobytes() for part in arrays.values() for levels in part}
    assert together == {levels.tobytes() for levels in IMAGES}
    assert "9 to train, 3 held back" in facts.lines()[0]
    assert not np.array_equal(arrays["held"], ingest_images(IMAGES, CollectionSettings(held=0.25), 4)[0]["held"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.mkdir(), "no images in it"),
        (
            lambda p: save(p, [*IMAGES[:4], procedural_images(1, 12)[0]]),
            "several sizes: 00.png has 10 x 10 pixels, 04.png 12 x 12",
        ),
        (lambda p: save(p, IMAGES[:3]), "3 images are too few"),
        (lambda p: save(p, [np.full((8, 8, 3), 9, np.uint8)] * 5), "same value"),
        (lambda p: save(p, [np.zeros((300, 300), np.uint8), *procedural_images(4, 300)[..., 0]]), "too large for a prior"),
        (lambda p: (save(p, IMAGES[:5]) / "03.png").write_bytes(b"no image"), "03.png is no image, or damaged"),
        (lambda p: p.with_suffix(".zip").write_bytes(b"no zip"), "no zip archive"),
        (lambda p: p.with_suffix(".npy").write_bytes(b"no array"), "no array, or damaged"),
        (lambda p: np.save(p.with_suffix(".npy"), np.zeros((5, 5))), "no collection of images"),
        (lambda p: np.save(p.with_suffix(".npy"), np.full((5, 8, 8), 3.0)), "outside"),
        (lambda p: np.savez(p.with_suffix(".npz"), a=IMAGES, b=IMAGES), "several arrays: a, b"),
        (lambda p: np.save(p.with_suffix(".npy"), np.array([IMAGES, None], object), allow_pickle=True), "no array, or damaged"),
    ],
)
def test_what_is_no_collection_is_refused(make, message, tmp_path):
    make(tmp_path / "c")
    with pytest.raises(InputError, match=message):
        read(next(tmp_path.iterdir()))


# ---- Packages ------------------------------------------------------------------------------------------------
class Trap:
    def __reduce__(self):
        return (Path("trapped").touch, ())


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_a_pickled_array_is_read_and_not_unpickled(protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    levels = IMAGES[..., 0]
    np.testing.assert_array_equal(pickled_array(pickle.dumps(levels, protocol), 1 << 20), levels)
    for wrong in (pickle.dumps(Trap()), pickle.dumps([1, 2]), pickle.dumps(np.asfortranarray(levels))):
        with pytest.raises(ValueError, match="no plain array"):
            pickled_array(wrong, 1 << 20)
    assert not Path("trapped").exists()


def wheel(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SHAPESIREN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets, "fetch", lambda *_: pytest.fail("a test must not fetch"))
    return tmp_path / "cache"


def test_silhouettes_are_prepared_once_and_kept_with_their_digest(cache, tmp_path):
    held = gzip.compress(pickle.dumps(IMAGES[..., 0], 4))
    package = wheel(
        tmp_path / "animal_mnist-0.4-py3-none-any.whl", {"animal_mnist/data/Animal_MNIST/animal_data_version_3.gz": held}
    )
    made = data_set("animals", package)
    assert made == cache / "animals.npz"
    np.testing.assert_array_equal(np.load(made)["images"], IMAGES[..., 0])
    noted = json.loads((cache / "animals.json").read_text())
    assert noted["sha256"] == digest(made.read_bytes())
    before = made.stat().st_mtime_ns
    assert data_set("animals") == made
    assert made.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="holds nothing of animal-mnist"):
        data_set("animals", wheel(tmp_path / "other.whl", {"a.txt": b""}))
    broken = wheel(tmp_path / "broken.whl", {"animal_mnist/animal_data_1.gz": gzip.compress(pickle.dumps([1]))})
    with pytest.raises(InputError, match="not what animal-mnist held"):
        data_set("animals", broken)


def test_meshes_of_a_wheel(cache, tmp_path):
    files = {f"pybullet_data/random_urdfs/00{i}/00{i}.obj": b"v 0 0 0\n" for i in range(3)}
    made = data_set("meshes", wheel(tmp_path / "pybullet.whl", files | {"pybullet_data/plane.obj": b""}))
    with zipfile.ZipFile(made) as archive:
        assert archive.namelist() == ["000.obj", "001.obj", "002.obj"]


def test_what_cannot_be_fetched_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("SHAPESIREN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets, "installed", lambda _: [])
    monkeypatch.setattr(datasets.shutil, "which", lambda _: None)
    with pytest.raises(InputError, match="emoji is not on this machine") as e:
        data_set("emoji")
    assert "apt-get install fonts-noto-color-emoji" in e.value.line()
    with pytest.raises(InputError, match="no collection 'faces'"):
        data_set("faces")


def test_procedural_images_need_nothing(cache, monkeypatch):
    monkeypatch.setattr(datasets, "procedural_images", lambda _: IMAGES)
    made = data_set("procedural")
    np.testing.assert_array_equal(np.load(made)["images"], IMAGES)
    made.write_bytes(b"cut off")
    np.testing.assert_array_equal(np.load(data_set("procedural"))["images"], IMAGES)  # made again
    made.with_suffix(".json").write_text('{"sha')
    np.testing.assert_array_equal(np.load(data_set("procedural"))["images"], IMAGES)


def colour_font(bitmaps, sequences):
    """A font with bitmaps (glyph -> PNG) and ligatures (glyph names -> glyph)."""
    from fontTools.feaLib.builder import addOpenTypeFeaturesFromString
    from fontTools.fontBuilder import FontBuilder
    from fontTools.ttLib import newTable
    from fontTools.ttLib.tables import C_B_D_T_, E_B_L_C_, BitmapGlyphMetrics

    names = [".notdef", *bitmaps]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({0x1F600 + i: n for i, n in enumerate(bitmaps)})
    builder.setupGlyf({n: builder_glyph() for n in names})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    builder.setupHorizontalHeader()
    builder.setupMaxp()
    builder.setupPost()
    rules = "".join(f"sub {' '.join(k)} by {v};" for k, v in sequences.items())
    addOpenTypeFeaturesFromString(builder.font, f"feature liga {{{rules}}} liga;")
    cbdt, cblc = newTable("CBDT"), newTable("CBLC")
    cbdt.version = cblc.version = 3.0
    strike, sub = {}, E_B_L_C_.eblc_index_sub_table_1(b"", builder.font)
    for name, data in bitmaps.items():
        glyph = C_B_D_T_.cbdt_bitmap_format_17(b"", builder.font)
        metrics = BitmapGlyphMetrics.SmallGlyphMetrics()
        metrics.height, metrics.width, metrics.BearingX, metrics.BearingY, metrics.Advance = 16, 16, 0, 16, 16
        glyph.metrics, glyph.imageData = metrics, data
        strike[name] = glyph
    cbdt.strikeData = [strike]
    sub.indexFormat, sub.imageFormat, sub.names = 1, 17, list(bitmaps)
    sub.firstGlyphIndex, sub.lastGlyphIndex = 1, len(bitmaps)
    size = E_B_L_C_.BitmapSizeTable()
    size.startGlyphIndex, size.endGlyphIndex, size.ppemX, size.ppemY, size.bitDepth, size.flags, size.colorRef = (
        1,
        len(bitmaps),
        16,
        16,
        32,
        1,
        0,
    )
    for side in ("hori", "vert"):
        line = E_B_L_C_.SbitLineMetrics()
        for field in ("ascender", "descender", "widthMax", "caretSlopeNumerator", "caretSlopeDenominator", "caretOffset"):
            setattr(line, field, 0)
        for field in ("minOriginSB", "minAdvanceSB", "maxBeforeBL", "minAfterBL", "pad1", "pad2"):
            setattr(line, field, 0)
        setattr(size, side, line)
    held = E_B_L_C_.Strike()
    held.bitmapSizeTable, held.indexSubTables = size, [sub]
    cblc.strikes = [held]
    builder.font["CBDT"], builder.font["CBLC"] = cbdt, cblc
    out = io.BytesIO()
    builder.save(out)
    return out.getvalue()


def builder_glyph():
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    return TTGlyphPen(None).glyph()


def png(colour):
    out = io.BytesIO()
    Image.new("RGBA", (16, 12), colour).save(out, "PNG")
    return out.getvalue()


def deb(files):
    inside = io.BytesIO()
    with tarfile.open(fileobj=inside, mode="w:xz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    out = b"!<arch>\n"
    for name, data in (("debian-binary", b"2.0\n"), ("data.tar.xz", inside.getvalue())):
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
        out += head + data + b"\n" * (len(data) % 2)
    return out


def test_emoji_of_a_font_in_a_debian_package(cache, tmp_path):
    """Each once, on white, padded to squares, without what differs in the colour of skin alone."""
    font = colour_font(
        {
            "u1F44D": png((255, 200, 0, 255)),
            "u1F3FB": png((9, 9, 9, 255)),
            "paleHand": png((250, 220, 200, 255)),
            "blue": png((0, 0, 255, 255)),
            "again": png((0, 0, 255, 255)),
            "clear": png((0, 0, 0, 0)),
        },
        {("u1F44D", "u1F3FB"): "paleHand"},
    )
    images = emoji_images(font, 8)
    assert [image[4, 4].tolist() for image in images] == [[255, 200, 0], [0, 0, 255], [255, 255, 255]]
    assert images[0, 0, 0].tolist() == [255, 255, 255]
    from fontTools.ttLib import TTFont

    assert skin_variants(TTFont(io.BytesIO(font))["GSUB"].table) == {"paleHand"}
    package = tmp_path / "fonts.deb"
    package.write_bytes(deb({"./usr/share/fonts/truetype/noto/NotoColorEmoji.ttf": font, "./usr/share/doc/x": b"x"}))
    assert np.load(data_set("emoji", package))["images"].shape == (3, 32, 32, 3)
    with pytest.raises(ValueError, match="no Debian package"):
        deb_member(b"something else", lambda _: True)
