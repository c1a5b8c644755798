"""Whatever is wrong is said in one line, with exit code 2, and nothing is left behind.

The lines go into docs/errors.md: SHAPESIREN_WRITE_DOCS=1 pytest tests/test_bad_inputs.py writes it, without it the test
holds the page to them.
"""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shapesiren import doctor
from shapesiren.media.audio import write_sound
from shapesiren.media.image import write_image
from shapesiren.media.video import write_frames
from tests.samples import RATE, clip, picture, sound

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
HEAD = """# What it says when something is wrong

Every line below is what the program printed in a test (`tests/test_bad_inputs.py` keeps this page true). The exit code is 2
and nothing is left behind.

| command | what it says |
| --- | --- |
"""
printed: dict[str, str] = {}


def media(folder, rng):
    """Images, sounds and videos that cannot be fitted, and some good ones."""
    for kind in ("png", "jpg", "tif", "webp", "wav", "flac", "mp4", "gif"):
        (folder / f"empty.{kind}").write_bytes(b"")
        (folder / f"text.{kind}").write_text("hello, this is a letter and no signal\n" * 20)
    write_image(folder / "ok.png", picture(20, 24), 8)
    write_image(folder / "large.png", picture(20, 30), 8)
    write_image(folder / "pixel.png", np.ones((1, 1, 1)), 8)
    write_image(folder / "flat.png", np.full((20, 24, 1), 0.5), 8)
    write_image(folder / "black.png", np.zeros((20, 24, 1)), 8)
    write_image(folder / "nan.tif", np.full((20, 24, 1), np.nan), 32)
    hole = picture(20, 24)
    hole[3, 4] = np.nan
    write_image(folder / "hole.tif", hole, 32)
    Image.fromarray(np.full((20, 24), 65535, np.uint16)).save(folder / "far.png")
    head = 'problem = "helmholtz"\nwavenumber = 5\n[[source]]\nposition = '
    (folder / "heat.toml").write_text('problem = "heat"\n')
    (folder / "slow.toml").write_text(head + "[0, 0]\n[medium]\nspeed = -1\n")
    (folder / "layer.toml").write_text(head + "[0.8, 0]\n")
    (folder / "open.toml").write_text('problem = "poisson"\nright_hand_side = "x"\n[border]\nflux = 0.0\n')
    (folder / "formula.toml").write_text('problem = "poisson"\nexact = "os.remove"\n')
    (folder / "truncated.png").write_bytes((folder / "ok.png").read_bytes()[:200])
    write_sound(folder / "ok.wav", sound(0.1), RATE)
    (folder / "truncated.wav").write_bytes((folder / "ok.wav").read_bytes()[:900])
    write_sound(folder / "zero.wav", np.zeros((0, 1)), RATE)
    write_sound(folder / "short.wav", np.ones((5, 1)), RATE)
    write_sound(folder / "silent.wav", np.zeros((900, 1)), RATE)
    write_sound(folder / "long.flac", rng.normal(size=(20_000, 1)) * 0.1, RATE)
    (folder / "truncated.flac").write_bytes((folder / "long.flac").read_bytes()[:9000])
    write_frames(folder / "ok.mp4", clip(), 10)
    write_frames(folder / "one.gif", clip(1), 10)
    (folder / "truncated.mp4").write_bytes((folder / "ok.mp4").read_bytes()[:900])
    (folder / "sound.mp4").write_bytes((folder / "ok.wav").read_bytes())
    (folder / "sizes").mkdir()
    write_image(folder / "sizes" / "1.png", picture(20, 24), 8)
    write_image(folder / "sizes" / "2.png", picture(20, 30), 8)
    (folder / "nothing").mkdir()


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """A folder of inputs that cannot be fitted."""
    folder = tmp_path_factory.mktemp("bad")
    rng = np.random.default_rng(0)
    ok = rng.normal(size=(60, 3))

    def text(name, rows):
        np.savetxt(folder / name, rows)

    text("ok.xyz", ok)
    (folder / "empty.ply").write_bytes(b"")
    (folder / "garbage.ply").write_text("hello, this is a letter and no scan\n")
    (folder / "garbage.xyz").write_text("hello, this is\na letter and no scan\n")
    (folder / "binary.xyz").write_bytes(rng.bytes(500))
    header = "ply\nformat binary_little_endian 1.0\nelement vertex 1000\n"
    header += "property float x\nproperty float y\nproperty float z\nend_header\n"
    (folder / "truncated.ply").write_bytes(header.encode() + rng.bytes(3000))
    (folder / "nofields.ply").write_text("ply\nformat ascii 1.0\nelement vertex 1\nproperty float q\nend_header\n1\n")
    (folder / "ragged.xyz").write_text("1 2 3\n" * 20 + "4 5\n")
    (folder / "word.xyz").write_text("1 2 3\n" * 20 + "4 five 6\n")
    text("few.xyz", ok[:9])
    text("equal.xyz", np.ones((50, 3)))
    text("line.xyz", np.arange(50)[:, None] * [[1.0, 2, 3]])
    text("nan.xyz", np.full((50, 3), np.nan))
    text("two.xyz", ok[:, :2])
    np.save(folder / "cube.npy", np.zeros((3, 3, 3)))
    np.save(folder / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    np.savez(folder / "names.npz", a=ok, b=ok)
    (folder / "scan.dwg").write_bytes(b"AC10")
    (folder / "garbage.las").write_bytes(b"LASF" + rng.bytes(20))
    (folder / "garbage.laz").write_bytes(rng.bytes(400))
    (folder / "garbage.e57").write_bytes(rng.bytes(2000))
    (folder / "garbage.pcd").write_bytes(rng.bytes(300))
    (folder / "garbage.npz").write_bytes(rng.bytes(300))
    (folder / "garbage.npy").write_bytes(rng.bytes(300))
    (folder / "garbage.glb").write_bytes(b"glTF" + rng.bytes(100))
    (folder / "garbage.stl").write_bytes(rng.bytes(150))
    (folder / "garbage.obj").write_text("v one two three\n")
    (folder / "garbage.off").write_text("OFF\n3 1 0\n0 0 0\n")
    pcd = "VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 100\nHEIGHT 1\nPOINTS 100\nDATA ascii\n"
    (folder / "truncated.pcd").write_text(pcd + "1 2 3\n" * 20)
    (folder / "truncated_binary.pcd").write_bytes(pcd.replace("ascii", "binary").encode() + bytes(500))
    (folder / "nofields.pcd").write_text(pcd.replace("x y z", "u v w") + "1 2 3\n" * 100)
    (folder / "type.pcd").write_text(pcd.replace("SIZE 4 4 4", "SIZE 4 4 3") + "1 2 3\n" * 100)
    (folder / "words.pcd").write_text(pcd + "1 2 3\n" * 99 + "4 five 6\n")
    (folder / "degrees.txt").write_text("lat,lon,height\n" + "47.37,8.54,400.5\n" * 20)
    (folder / "table.txt").write_text("id,x,y,z\n" + "".join(f"{i},{i % 5},{i % 3},{i}\n" for i in range(40)))
    (folder / "ragged.csv.txt").write_text("x;y;z\n" + "1,5;2,5;3,5\n" * 20 + "1,5;2,5\n")
    (folder / "before.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nf -4 -3 -2\n")
    face = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    face += "element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n"
    (folder / "badface.ply").write_text(face + "3 0 1 7\n")
    (folder / "flatmesh.ply").write_text(face.replace("0 1 0", "2 0 0") + "3 0 1 2\n")
    inside = np.random.default_rng(1).uniform(-1, 1, (3000, 3))
    np.save(folder / "solid.npy", inside[np.linalg.norm(inside, axis=1) < 1])
    turn = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    text("rims.xyz", np.concatenate([np.column_stack([np.cos(turn), np.sin(turn), 0 * turn + z]) for z in (0, 1)]))
    np.savez(folder / "mixed.npz", points=ok, normals=ok[:5])
    text("huge.xyz", ok * 1e200)
    (folder / "broken").mkdir()
    (folder / "broken" / "run.json").write_text("{")
    (folder / "newer").mkdir()
    (folder / "newer" / "run.json").write_text('{"format": 99, "stages": {}}')
    (folder / "bare").mkdir()
    (folder / "bare" / "run.json").write_text('{"format": 1, "stages": {}}')
    (folder / "bare" / "config.toml").write_text('task = "shape"\n')
    media(folder, rng)
    (folder / "garbage.zip").write_bytes(rng.bytes(300))
    (folder / "noextension").write_bytes(b"1 2 3")
    (folder / "folder.ply").mkdir()
    (folder / "unknown.toml").write_text("[fit]\nstepz = 10\n")
    (folder / "section.toml").write_text("[fitt]\nsteps = 10\n")
    (folder / "type.toml").write_text('[fit]\nsteps = "many"\n')
    (folder / "broken.toml").write_text("[fit\nsteps = 1\n")
    (folder / "file").write_text("x")
    (folder / "full").mkdir()
    (folder / "full" / "thesis.tex").write_text("x")
    return folder


CASES = [
    (["fit", "nosuch.ply"], "nosuch.ply: no such file"),
    (["fit", "empty.ply"], "empty.ply: the file is empty"),
    (["fit", "garbage.ply"], "garbage.ply: .*PLY"),
    (["fit", "garbage.xyz"], "garbage.xyz: .*not a number"),
    (["fit", "binary.xyz"], "binary.xyz"),
    (["fit", "truncated.ply"], "truncated.ply: .*truncated"),
    (["fit", "nofields.ply"], "lack x y z.*they have q"),
    (["fit", "ragged.xyz"], "line 21 has 2 columns, not 3"),
    (["fit", "word.xyz"], "line 21: 'five' is not a number"),
    (["fit", "few.xyz"], "9 usable points; at least 10"),
    (["fit", "equal.xyz"], "all 50 points are equal"),
    (["fit", "line.xyz"], "all points lie on one line"),
    (["fit", "nan.xyz"], "NaN"),
    (["fit", "solid.npy"], "solid.npy: its points fill a volume, there is no surface through them"),
    (["inspect", "rims.xyz"], "rims.xyz: its points lie on curves, such as the edges of a part"),
    (["fit", "two.xyz"], r"shape \(60, 2\)"),
    (["fit", "cube.npy"], r"shape \(3, 3, 3\)"),
    (["fit", "objects.npy"], "objects.npy"),
    (["fit", "names.npz"], "found: a, b"),
    (["fit", "scan.dwg"], "unknown extension '.dwg'; known: .ply"),
    (["fit", "garbage.las"], "garbage.las: damaged, or not a LAS file"),
    (["fit", "garbage.laz"], "garbage.laz: damaged, or not a LAZ file"),
    (["fit", "garbage.e57"], "garbage.e57: damaged, or not a E57 file"),
    (["fit", "garbage.pcd"], "garbage.pcd: not a PCD file"),
    (["fit", "truncated.pcd"], "the PCD file is truncated: 20 of 100"),
    (["fit", "truncated_binary.pcd"], "the PCD file is truncated: 41 of 100 points could be read"),
    (["fit", "nofields.pcd"], "the PCD fields lack x y z; they have u v w"),
    (["fit", "type.pcd"], "field z has TYPE F and SIZE 3"),
    (["fit", "words.pcd"], "line 109: 'five' is not a number"),
    (["fit", "degrees.txt"], "its coordinates are longitude and latitude, in degrees; project them to metres first"),
    (["fit", "ragged.csv.txt"], "line 22 has 2 columns, not 3"),
    (["fit", "before.obj"], "line 4: v -4 of a face, of which 3 stand before it"),
    (["fit", "table.txt", "--columns", "x,y,z"], r"ingest.columns names 3 columns, but there are 4 \(id x y z\)"),
    (["fit", "table.txt", "--columns", "_,x,y,height"], "x y z are not all among ingest.columns; for example"),
    (["fit", "table.txt", "--columns", "_,x,y,z,cheese"], "--columns: 'cheese' of ingest.columns means nothing; known: x y z"),
    (["inspect", "before.obj", "--columns", "x,y,z"], "a OBJ file has no columns that ingest.columns could name"),
    (["fit", "garbage.npz"], "garbage.npz: "),
    (["fit", "garbage.npy"], "garbage.npy: "),
    (["fit", "garbage.glb"], "garbage.glb: "),
    (["fit", "garbage.stl"], "garbage.stl: "),
    (["fit", "garbage.obj"], "garbage.obj: "),
    (["fit", "garbage.off"], "garbage.off: "),
    (["fit", "badface.ply"], "a face names vertex 7, but there are 3"),
    (["fit", "flatmesh.ply"], "no face of non-zero area"),
    (["fit", "mixed.npz"], r"normals has shape \(5, 3\)"),
    (["fit", "huge.xyz"], "span more than float64 can square"),
    (["fit", "ok.xyz", "nosuch.xyz"], "nosuch.xyz: no such file"),
    (["fit", "ok.xyz", "few.xyz", "--viewpoint", "1,2"], "--viewpoint: '1,2' is no position; for example"),
    (["fit", "ok.xyz", "--viewpoint", "here"], "'here' is no position"),
    (["fit", "ok.xyz", "--box", "1,2,3"], "--box: '1,2,3' is no box; for example 0,0,0,10,10,3"),
    (["fit", "ok.xyz", "--box", "0,1,0,1,0,1"], "'ingest.box': .*the first corner is not below the second in y"),
    (["inspect", "ok.xyz", "--box", "50,50,50,60,60,60"], "ok.xyz: no point of it lies in the box; its points span x "),
    (["inspect", "ok.xyz", "--polygon", "absent.geojson"], "absent.geojson: no such file"),
    (["inspect", "ok.xyz", "--polygon", "ok.png"], "ok.png: cannot read it"),
    (["inspect", "ok.xyz", "--classes", "ground"], "ok.xyz: its points have no classes; LAS and LAZ have them"),
    (["inspect", "ok.xyz", "--classes", "lava"], "'lava' is no class of points; known: .*ground"),
    (["fit", "ok.xyz", "--every", "0"], "'ingest.every'.*given: 0"),
    (["fit", "ok.xyz", "--units", "km"], "--units: setting 'ingest.units': .*'us-ft'"),
    (["fit", "ok.xyz", "--surface", "half"], "--surface: setting 'ingest.surface'.*'half'"),
    (["fit", "ok.xyz", "--set", "ingest.normals=given"], "no normals in it; try --set ingest.normals=estimate"),
    (["fit", "ok.xyz", "--set", "mesh.faces=3"], "setting 'mesh.faces'.*given: 3"),
    (["inspect", "nosuch.ply"], "nosuch.ply: no such file"),
    (["inspect", "few.xyz"], "9 usable points; at least 10"),
    (["ingest", "line.xyz"], "all points lie on one line"),
    (["fit", "broken"], "the manifest is damaged"),
    (["mesh", "newer"], r"written by a newer version \(format 99\); update shapesiren"),
    (["mesh", "bare"], "the run has no finished ingest; run `shapesiren fit` first"),
    (["fit", "bare"], "the run has no finished ingest"),
    (["evaluate", "bare"], "the run has no finished"),
    (["fit", "noextension"], "no extension"),
    (["fit", "folder.ply"], "this is a folder"),
    (["fit", "ok.xyz", "--config", "unknown.toml"], "unknown.toml: unknown setting 'fit.stepz'; did you mean 'steps'"),
    (["fit", "ok.xyz", "--config", "section.toml"], "section.toml: unknown setting 'fitt'; did you mean 'fit'"),
    (["fit", "ok.xyz", "--config", "type.toml"], "type.toml: setting 'fit.steps'.*'many'"),
    (["fit", "ok.xyz", "--config", "broken.toml"], "broken.toml: not valid TOML"),
    (["fit", "ok.xyz", "--config", "nosuch.toml"], "nosuch.toml: no such settings file"),
    (["fit", "ok.xyz", "--set", "net.width"], "--set: .*section.name=value"),
    (["fit", "ok.xyz", "--set", "net.width=-1"], "--set: setting 'net.width'.*given: -1"),
    (["fit", "ok.xyz", "--set", "net.widht=64"], "unknown setting 'net.widht'; did you mean 'width'"),
    (["fit", "ok.xyz", "--preset", "fastest"], "no preset 'fastest'; one of default, fast"),
    (["fit", "ok.xyz", "--time", "soon"], "--time: 'soon' is no time"),
    (["fit", "ok.xyz", "--steps", "5", "--time", "5s"], "either steps or a time"),
    (["fit", "ok.xyz", "--device", "tpu"], "--device: unknown device 'tpu'"),
    (["fit", "ok.xyz", "--out", "file"], "file: this is a file"),
    (["fit", "ok.xyz", "--out", "full"], "full: the folder is not empty and no run"),
    (["fit", "ok.xyz", "--out", "/proc/runs"], "/proc/runs: "),
    (["fit", "ok.xyz", "--steps", "none"], "steps"),
    (["mesh", "nosuch"], "nosuch: no run here"),
    (["mesh"], "runs: no runs here"),
    (["evaluate", "full"], "full: no run here"),
    (["simulate", "sphear", "-o", "a.ply"], "no such file or shape"),
    (["simulate", "sphere", "-o", "a.doc"], "cannot write scans as '.doc'"),
    (["simulate", "sphere", "-o", "no/a.ply"], "its folder does not exist"),
    (["simulate", "sphere", "-o", "ok.xyz"], "the file exists"),
    (["simulate", "ok.xyz", "-o", "a.ply"], "the scanner needs a mesh"),
    (["fit", "ok.xyz", "--engine", "slurm"], "--engine: unknown engine 'slurm'; one of serial, ray"),
    (["fit", "ok.xyz", "--address", "auto"], "--address: only Ray has an address"),
    (["fit", "ok.xyz", "--shard", "1/2"], "--shard: parts are of a run that is ingested"),
    (["simulate", "city"], "no file to write"),
    (["simulate", "city", "-o", "a.npz"], "cannot write scans of this size as '.npz'"),
    (["simulate", "city", "-o", "a.las", "--views", "3"], "a city is seen from everywhere"),
    (["simulate", "city", "-o", "a.las", "--spacing", "wide"], "'wide' is no length"),
    (["simulate", "city", "-o", "a.las", "--points", "1000000", "--spacing", "50m"], "a city of .* blocks"),
    (["simulate", "city", "-o", "a.las", "--noise", "loud"], "'loud' is no length"),
    (["simulate", "sphere", "-o", "a.ply", "--noise", "loud"], "'loud' is no share of the longest side"),
    (["simulate", "ok.xyz", "--truth", "ok.xyz"], "no such shape"),
    (["picture", "ok.xyz", "-o", "a.gif"], "unknown picture format"),
    (["run", "nosuch.toml", "ok.xyz"], "no such settings file"),
    (["frobnicate"], "unknown command 'frobnicate'; `shapesiren --help` lists them"),
    *(
        (["fit", f"{name}.{kind}"], f"{name}.{kind}: (damaged|not an image)")
        for name in ("empty", "text")
        for kind in ("png", "jpg", "tif", "webp", "wav", "flac")
    ),
    *((["fit", f"{name}.{kind}"], "damaged, or no video") for name in ("empty", "text") for kind in ("mp4", "gif")),
    (["fit", "truncated.png"], "truncated.png: damaged or truncated"),
    (["fit", "pixel.png"], "pixel.png: 1 x 1 pixels are too few; at least 4 a side"),
    (["fit", "flat.png"], "flat.png: every pixel has the same value"),
    (["fit", "nan.tif"], r"nan.tif: no pixel holds data \(not finite\)"),
    (["fit", "hole.tif", "--supervise", "gradient"], "derivatives cannot be fitted where pixels hold no data"),
    (["fit", "hole.tif", "ok.png", "--task", "composite"], "hole.tif: 1 of its pixels hold no data"),
    (
        ["fit", "far.png", "--task", "shape", "--intrinsics", "9,9,12,10"],
        "far.png: there is no depth in it: no pixel has a return",
    ),
    (["fit", "ok.png", "large.png"], "one image at a time; --task composite blends two"),
    (["fit", "ok.png", "--mask", "large.png"], "the mask has 30 x 20 pixels, the image 24 x 20"),
    (["fit", "ok.png", "--mask", "black.png"], "no pixel is known; white marks what is known"),
    (["fit", "ok.png", "--mask", "nosuch.png"], "nosuch.png: no such file; ingest.mask names an image"),
    (["fit", "ok.png", "--supervise", "laplacian", "--keep", "0.5"], "inpainting needs values"),
    (["fit", "ok.png", "--supervise", "normals"], "--supervise: setting 'ingest.supervise'.*given: 'normals'"),
    (["fit", "ok.png", "--supervize", "gradient"], "unknown option --supervize; did you mean --supervise?"),
    (["fit", "ok.png", "--presett", "fast"], "unknown option --presett; did you mean --preset?"),
    (["fit", "ok.png", "--net", "mlp"], "--net: setting 'net.kind'.*given: 'mlp'"),
    (["fit", "ok.png", "--plugin", "nosuch.py"], "nosuch.py: no such plugin"),
    (["fit", "ok.png", "--plugin", "nosuch"], "no plugin .nosuch."),
    (["fit", "ok.png", "--task", "picture"], "--task: no task 'picture'; one of shape, image"),
    (["fit", "ok.png", "--task", "composite"], "a composite takes two images"),
    (["fit", "ok.png", "large.png", "--task", "composite"], "large.png: it has 30 x 20 pixels, the background 24 x 20"),
    (["fit", "ok.png", "flat.png", "--task", "composite", "--mode", "clone"], "cloning needs a mask"),
    (["fit", "ok.png", "flat.png", "--task", "composite", "--mode", "clone", "--mask", "black.png"], "all white or all black"),
    (["fit", "zero.wav"], "zero.wav: the sound has no samples"),
    (["fit", "short.wav"], "short.wav: 5 samples are too few"),
    (["fit", "silent.wav"], "silent.wav: the sound is silent"),
    (["fit", "truncated.flac"], "truncated.flac: (truncated|damaged)"),
    (["fit", "truncated.mp4"], "truncated.mp4: damaged, or no video"),
    (["fit", "sound.mp4"], "sound.mp4: there is no video in it"),
    (["fit", "one.gif"], "one.gif: a single frame is no video"),
    (["fit", "sizes"], "sizes: frame 1 has 30 x 20 pixels, the first 24 x 20"),
    (["fit", "nothing"], "nothing: this is a folder; name a file in it; a folder of images is a video"),
    (["decode", "nosuch"], "nosuch: no run here"),
    (["decode", "bare", "--scale", "2"], "unknown option --scale; a run of task shape has no decode"),
    (["fit", "truncated.wav"], "truncated.wav: truncated: 900 of 1,644 bytes"),
    (["fit", "ok.png", "--live"], "a fit of task image has no surface to watch"),
    (["report", "nosuch"], "nosuch: no run here"),
    (["report", "bare"], "the run has no finished ingest"),
    (["report", "bare", "-o", "a.pdf"], "a.pdf: a report is an HTML file, not '.pdf'; -o NAME.html"),
    (["compare", "bare", "nosuch"], "the run has no finished ingest"),
    (["compare", "bare", "-o", "a.xlsx"], "a.xlsx: unknown format '.xlsx'; known: .html .md .csv"),
    (["view", "nosuch"], "nosuch: no run here"),
    (["view", "bare", "--up", "w"], "--up: 'w' is no axis"),
    (["export", "bare", "-o", "a.xyz"], "a.xyz: unknown format '.xyz'; known: .onnx .npz .nrrd .vti"),
    (["export", "bare", "-o", "no/a.onnx"], "no/a.onnx: its folder does not exist; mkdir -p no"),
    (["slice", "bare", "--every", "1", "-o", "a.dwg"], "a.dwg: unknown format '.dwg'; known: .dxf .svg"),
    (["slice", "bare", "-o", "a.dxf"], "slice: where to cut?"),
    (["slice", "bare", "--every", "1", "--axis", "w", "-o", "a.dxf"], "--axis: 'w' is no axis"),
    (["terrain", "bare", "--crs", "EPSG:4326", "-o", "a.tif"], "--crs: EPSG:4326 is in degrees"),
    (["terrain", "bare", "-o", "a.png"], "a.png: unknown format"),
    (["export", "bare", "-o", "a.onnx"], "the run has no finished ingest"),
    (["batch"], "name either files or a manifest"),
    (["batch", "ok.png", "--manifest", "scans.csv"], "name either files or a manifest"),
    (["batch", "--manifest", "nosuch.csv"], "nosuch.csv: no such manifest"),
    (["batch", "--manifest", "ok.png"], "ok.png: unknown manifest format '.png'; known: .csv .jsonl"),
    (["batch", "ok.png", "--shard", "3/2"], "--shard: '3/2' is no part; k/N with k from 1 to N, for example 2/8"),
    (["batch", "ok.png", "--engine", "spark"], "--engine: unknown engine 'spark'; one of serial, ray"),
    (["batch", "ok.png", "--address", "auto"], "--address: only Ray has an address; --engine ray"),
    (["batch", "ok.png", "--retry-failed"], "no results of a batch here; run it without --retry-failed first"),
    (["batch", "ok.png", "ok.png"], "two inputs would share the run folder 'ok'; give them names in a manifest"),
    (["fit", "heat.toml"], "heat.toml: unknown problem 'heat'; problem = \"...\": one of helmholtz, wave, inversion, poisson"),
    (["fit", "slow.toml"], "slow.toml: setting 'medium.speed': input should be greater than 0 .*-1"),
    (["fit", "layer.toml"], r"source 1 at \(0.8, 0.0\) is not inside the layers"),
    (["fit", "open.toml"], "fluxes alone leave the solution open by a constant"),
    (["fit", "formula.toml"], "'os' in 'os.remove' is no name that a formula may have"),
    (["fit", "ok.xyz", "--for", "pritn"], "--for: no profile 'pritn'; did you mean 'print'"),
    (["fit", "ok.png", "--for", "print"], "--for: a profile is of task shape, not image; leave it out"),
    (["mesh", "bare", "--for", "cheese"], "no profile 'cheese'; one of print, survey, museum, research"),
    (["picture", "ok.xyz", "-o", "ok.png"], "ok.png: the file exists; --force replaces it, -o names another"),
    (["picture", "ok.xyz", "-o", "full"], "full: this is a folder; name a file in it with -o"),
    (["new", "shap"], "new: unknown task 'shap'; did you mean 'shape'"),
    (["new", "--for", "pint"], "no profile 'pint'; did you mean 'print'"),
    (["new", "-o", "a.yaml"], "a.yaml: settings are a TOML file; -o NAME.toml"),
    (["new", "-o", "no/a.toml"], "no/a.toml: its folder does not exist; mkdir -p no"),
    (["new", "-o", "type.toml"], "type.toml: the file exists"),
    (["list", "nosuch"], "nosuch: no such folder; name a folder of runs"),
    (["list", "ok.xyz"], "ok.xyz: this is a file; name a folder of runs"),
    (["diff", "bare", "nosuch"], "nosuch: no run here"),
    (["diff", "bare", "broken"], "the manifest is damaged"),
    (["clean", "nosuch"], "nosuch: no such folder"),
    (["clean", "--yes", "--dry-run"], "clean: --yes and --dry-run say opposite things; give one of them"),
    (["config", "schema", "cheese"], "unknown task 'cheese'; known: shape, image"),
    (["mesh", "--resolutoin", "4"], "unknown option --resolutoin; did you mean --resolution"),
    (["picture", "ok.xyz", "--azi", "4"], "unknown option --azi; did you mean --azimuth"),
    (["list", "--cheese"], "unknown option --cheese; `shapesiren list --help` lists them"),
    (["fit", "ok.xyz", "--profil", "print"], "`shapesiren config schema shape` lists the settings"),
    (["fit", "ok.xyz", "--stesp", "4"], "unknown option --stesp; did you mean --steps"),
    (["fit", "ok.xyz", "--guide_sampels", "4"], "unknown option --guide_sampels; did you mean --guide-samples"),
    (["fit", "ok.xyz", "--net"], "option --net requires an argument"),
    (["fit", "nothing", "--task", "prior"], "nothing: no images in it; it should hold files like .png"),
    (["fit", "sizes", "--task", "prior"], "images of several sizes: 1.png has 24 x 20 pixels, 2.png 30 x 20"),
    (["fit", "garbage.npz", "--task", "prior"], "garbage.npz: no array, or damaged"),
    (["fit", "garbage.zip"], "garbage.zip: damaged or no zip archive"),
    (["fit", "ok.png", "--prior", "nosuch"], "nosuch: no such prior"),
    (["fit", "ok.png", "--prior", "large.png"], "large.png: not a prior, or damaged"),
    (["fit", "ok.xyz", "--prior", "nosuch"], "nosuch: no such prior; --prior builtin names one of shapes"),
    (["fit", "ok.xyz", "--prior", "large.png"], "large.png: not a prior, or damaged"),
    (["fit", "ok.wav", "--prior", "nosuch"], "fit.prior: no prior completes a signal of task audio; leave it out"),
    (["fit", "ok.png", "--context", "4000"], "ingest.context: 4,000 pixels are more than the 480 known"),
    (["prior", "sample", "nosuch", "-o", "a.png"], "nosuch: no such prior"),
    (["prior", "nearest", "ok.png", "ok.png"], "ok.png: not a prior, or damaged"),
    (["prior", "data", "faces"], "no collection 'faces'; one of procedural, emoji, animals, meshes"),
    (["mseh"], "unknown command 'mseh'; did you mean mesh"),
    (["cheese"], "unknown command 'cheese'; `shapesiren --help` lists them"),
    (["inspect"], "missing argument .*; `shapesiren inspect --help`"),
    (["picture", "ok.xyz"], "missing option --output / -o; `shapesiren picture --help`"),
    (["view", "--port", "abc"], "--port: .*integer.*; `shapesiren view --help`"),
    (["view", "a", "b"], r"got unexpected extra argument.*; `shapesiren view --help`"),
    (["config", "sho"], "unknown command 'sho'; did you mean show"),
    (["config", "show", "--preset", "finest"], "--preset: no preset 'finest'"),
]


@pytest.mark.parametrize(("args", "message"), CASES, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_bad_input_is_one_line_and_exit_code_2(bad, args, message, here):
    before = sorted(bad.rglob("*"))
    ended = here(*args, cwd=bad)
    out, err = ended.stdout, ended.stderr
    # what it said of its work before is no error; the last line is
    lines = err.splitlines()
    assert ended.returncode == 2, err
    assert re.search(message, lines[-1]), err
    assert out == ""
    assert lines[-1].startswith("error: ")
    assert not any(line.startswith("error") for line in lines[:-1])
    printed[" ".join(args)] = lines[-1]
    left = [p for p in sorted(bad.rglob("*")) if p not in before and p.name not in ("runs", ".lock")]
    assert not left  # nothing half-written, no empty run


def test_the_page_is_true():
    assert len(CASES) >= 60
    if len(printed) < len(CASES) - 5:
        if not all(map(doctor._version, ("av", "soundfile", "matplotlib", "laspy"))):
            pytest.skip("the small installation says less")
        pytest.fail("needs the other tests of this file to run before it")
    rows = [f"| `shapesiren {command}` | `{line}` |" for command, line in printed.items()]
    page = HEAD + "\n".join(rows) + "\n"
    if os.environ.get("SHAPESIREN_WRITE_DOCS"):
        PAGE.write_text(page)
    # libraries word the inner reason of damaged files in their own way
    assert re.sub(r"\(.*?\)", "()", page) == re.sub(r"\(.*?\)", "()", PAGE.read_text())
