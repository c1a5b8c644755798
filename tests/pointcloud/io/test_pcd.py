"""PCD: all that the Point Cloud Library writes, what others write, and what is damaged."""

import struct

import numpy as np
import pytest

from shapesiren.errors import InputError
from shapesiren.pointcloud.io.lzf import decompress
from shapesiren.pointcloud.io.read import read_cloud

N = 50
POINTS = np.random.default_rng(5).integers(-320, 320, (N, 3)).astype(np.float32) / 64  # that text does not round
TYPES = {"f": "F", "i": "I", "u": "U"}


def compress(data):
    """LZF without cleverness: a copy where the last three bytes were there before, else literals."""
    out, i, literals, seen = bytearray(), 0, bytearray(), {}

    def flush():
        for at in range(0, len(literals), 32):
            run = literals[at : at + 32]
            out.append(len(run) - 1)
            out.extend(run)
        literals.clear()

    while i < len(data):
        key = bytes(data[i : i + 3])
        back = i - seen.get(key, -(1 << 20))
        if len(key) == 3 and back <= 1 << 13:
            length = 3
            while i + length < len(data) and length < 264 and data[i + length] == data[i - back + length]:
                length += 1
            flush()
            high, low = (back - 1) >> 8, (back - 1) & 255
            out.extend([(length - 2) << 5 | high, low] if length < 9 else [7 << 5 | high, length - 9, low])
        else:
            length = 1
            literals.append(data[i])
        seen[key] = i
        i += length
    flush()
    return bytes(out)


def write_pcd(path, fields, data="binary", key="FIELDS", gap=" ", leave=(), more=(), newline="\n", height=1, padded=False):
    """fields : (name, values (N,) or (N, c)) each, ``_`` to fill up; ``leave`` : lines to leave out; ``more`` : to add"""
    values = [np.asarray(v).reshape(N, -1) for _, v in fields]
    rows = {
        "VERSION": [".7"],
        key: [name for name, _ in fields],
        "SIZE": [v.dtype.itemsize for v in values],
        "TYPE": [TYPES[v.dtype.kind] for v in values],
        "COUNT": [v.shape[1] for v in values],
        "WIDTH": [N // height],
        "HEIGHT": [height],
        "VIEWPOINT": [0, 0, 0, 1, 0, 0, 0],
        "POINTS": [N],
        "DATA": [data],
    }
    lines = ["# .PCD v.7 - Point Cloud Data file format", *more]
    lines += [gap.join(map(str, [name, *words])) for name, words in rows.items() if name not in leave]
    head = (newline.join(lines) + newline).encode()
    if data == "ascii":
        body = newline.join(" ".join(str(x) for v in values for x in v[i]) for i in range(N)).encode() + newline.encode()
    elif data == "binary":
        body = b"".join(v[i].tobytes() for i in range(N) for v in values)
    else:
        kept = [v for (name, _), v in zip(fields, values, strict=True) if padded or name != "_"]
        raw = b"".join(v.tobytes() for v in kept)
        packed = compress(raw)
        body = struct.pack("<II", len(packed), len(raw)) + packed
    path.write_bytes(head + body)
    return path


def xyz(kind="f4"):
    return [(a, POINTS[:, i].astype(kind)) for i, a in enumerate("xyz")]


EVERY = ["ascii", "binary", "binary_compressed"]


@pytest.mark.parametrize("data", EVERY)
@pytest.mark.parametrize("kind", ["f4", "f8", "i1", "i2", "i4", "i8"])
def test_numbers_of_any_type(tmp_path, data, kind):
    back = read_cloud(write_pcd(tmp_path / "a.pcd", xyz(kind), data))
    np.testing.assert_array_equal(back.points, POINTS.astype(kind).astype(float))
    assert back.points.dtype == np.float64 and back.notes == ()


@pytest.mark.parametrize("data", EVERY)
def test_padding_between_the_fields(tmp_path, data):
    """As PCL writes its structures to disk: `_` several times, of any width; and fields of several numbers."""
    strength, ring = np.arange(N, dtype="f4"), np.arange(N, dtype="u2")
    pad = [("_", np.zeros((N, k), "u1")) for k in (4, 2, 7)]
    histogram = ("fpfh", np.arange(33.0 * N, dtype="f4").reshape(N, 33))
    fields = [pad[2], *xyz(), pad[0], ("intensity", strength), histogram, ("ring", ring), pad[1], ("t", ring.astype("f8"))]
    for padded in (False, True):
        back = read_cloud(write_pcd(tmp_path / "a.pcd", fields, data, padded=padded))
        np.testing.assert_array_equal(back.points, POINTS)
        np.testing.assert_array_equal(back.intensity, strength)
        assert back.notes == ("columns: x y z, intensity; fpfh ring t ignored",)


@pytest.mark.parametrize("data", EVERY)
def test_everything_that_a_point_has(tmp_path, data):
    rng = np.random.default_rng(6)
    normals = rng.normal(size=(N, 3)).astype("f4")
    rgb = rng.integers(0, 256, (N, 3))
    packed = (rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2]).astype("u4")
    for colour in (("rgb", packed), ("rgba", packed | np.uint32(0xFF000000)), ("rgb", packed.view("f4"))):
        fields = [*xyz(), colour, *((f"normal_{a}", normals[:, i]) for i, a in enumerate("xyz"))]
        back = read_cloud(write_pcd(tmp_path / "a.pcd", [*fields, ("curvature", normals[:, 0])], data))
        np.testing.assert_array_equal(back.colours, rgb)
        np.testing.assert_allclose(back.normals, normals, rtol=1e-6)
        assert back.notes[0].endswith("curvature ignored")


HEADERS = {
    "COLUMNS": {"key": "COLUMNS"},
    "tabs": {"gap": "\t"},
    "two blanks": {"gap": "  "},
    "lines of Windows": {"newline": "\r\n"},
    "no POINTS": {"leave": ("POINTS",)},
    "no WIDTH and HEIGHT": {"leave": ("WIDTH", "HEIGHT")},
    "no size at all": {"leave": ("POINTS", "WIDTH", "HEIGHT")},
    "no COUNT": {"leave": ("COUNT",)},
    "no VIEWPOINT": {"leave": ("VIEWPOINT",)},
    "no TYPE and SIZE": {"leave": ("TYPE", "SIZE", "COUNT", "VERSION")},
    "comments": {"more": ("# one", "# FIELDS a b c", "")},
    "a line that nobody knows": {"more": ("SENSOR 7 of 9",)},
}


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("data", EVERY)
def test_headers_that_are_written(tmp_path, header, data):
    back = read_cloud(write_pcd(tmp_path / "a.pcd", xyz(), data, **HEADERS[header]))
    np.testing.assert_array_equal(back.points, POINTS)


def test_a_depth_frame(tmp_path):
    back = read_cloud(write_pcd(tmp_path / "a.pcd", xyz(), height=5))
    assert back.depth_axis == 2 and back.sure
    np.testing.assert_array_equal(back.sensors, [[0, 0, 0]])
    back = read_cloud(write_pcd(tmp_path / "a.pcd", xyz()))
    assert back.depth_axis is None and not back.sure
    assert read_cloud(write_pcd(tmp_path / "a.pcd", xyz(), leave=("VIEWPOINT",))).sensors is None


@pytest.mark.parametrize("data", EVERY)
def test_a_large_one_is_read_in_part(tmp_path, data):
    back = read_cloud(write_pcd(tmp_path / "a.pcd", [*xyz(), ("i", np.arange(N, dtype="u1"))], data), most=12)
    rows = back.intensity.astype(int)
    assert len(rows) == 12 and (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(back.points, POINTS[rows])


def test_a_user_names_the_fields(tmp_path):
    path = write_pcd(tmp_path / "a.pcd", [(n, v) for n, (_, v) in zip("abc", xyz(), strict=True)])
    np.testing.assert_array_equal(read_cloud(path, columns="y,x,z").points, POINTS[:, [1, 0, 2]])


@pytest.mark.parametrize(
    ("data", "cut", "message"),
    [
        ("ascii", -15, "truncated: 49 of 50 points could be read"),
        ("ascii", -300, "truncated: 3. of 50 points could be read"),
        ("binary", -1, "truncated: 49 of 50 points could be read"),
        ("binary", -300, "truncated: 25 of 50 points could be read"),
        ("binary_compressed", -1, "truncated: [0-9]+ of [0-9]+ bytes could be read"),
        ("binary_compressed", "body", "truncated: its data are missing"),
        *((data, 80, "not a PCD file: its header lacks DATA") for data in EVERY),
    ],
)
def test_truncated(tmp_path, data, cut, message):
    path = write_pcd(tmp_path / "a.pcd", [*xyz()], data)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"compressed") + 15 if cut == "body" else cut])
    with pytest.raises(InputError, match=f"a.pcd: .*{message}"):
        read_cloud(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:20] + b"\xff" * 9 + b[29:], "the compressed data are damaged"),
        (lambda b: b[:4] + struct.pack("<I", 599) + b[8:], "damaged: 599 bytes are no 50 points of 12 bytes"),
        (lambda b: b[:4] + struct.pack("<I", 600 * 50) + b[8:], "damaged: 30,000 bytes are no 50 points"),
    ],
)
def test_damaged_runs(tmp_path, change, message):
    path = write_pcd(tmp_path / "a.pcd", xyz(), "binary_compressed")
    whole = path.read_bytes()
    start = whole.index(b"compressed") + 11
    path.write_bytes(whole[:start] + change(whole[start:]))
    with pytest.raises(InputError, match=f"a.pcd: {message}"):
        read_cloud(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"x y z", b"u v w", "the PCD fields lack x y z; they have u v w"),
        (b"x y z", b"x y y", "the PCD fields lack z"),
        (b"x y z", b"lat lon h", "longitude and latitude"),
        (b"x y z", b"", "not a PCD file: its header lacks FIELDS"),
        (b"DATA binary", b"DATUM", "not a PCD file: its header lacks DATA"),
        (b"DATA binary", b"DATA zip", "DATA zip of its header is unknown; known: ascii binary binary_compressed"),
        (b"SIZE 4 4 4", b"SIZE 4 4", "SIZE of its header is for 2 fields, of which there are 3"),
        (b"SIZE 4 4 4", b"SIZE 4 3 4", "field y has TYPE F and SIZE 3: no such numbers"),
        (b"TYPE F F F", b"TYPE F F Q", "field z has TYPE Q and SIZE 4"),
        (b"COUNT 1 1 1", b"COUNT 1 0 1", "field y has COUNT 0"),
        (b"COUNT 1 1 1", b"COUNT 1 2 1", "the PCD fields lack y"),
        (b"POINTS 50", b"POINTS -50", "POINTS -50 of its header is no number"),
        (b"POINTS 50", b"POINTS 5000000000", "truncated: 50 of 5,000,000,000 points"),
        (b"POINTS 50", b"POINTS 0", "there are no points in it"),
    ],
)
def test_headers_that_mean_nothing(tmp_path, old, new, message):
    path = write_pcd(tmp_path / "a.pcd", xyz())
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.raises(InputError, match=f"a.pcd: .*{message}"):
        read_cloud(path)


def test_rows_of_another_width(tmp_path):
    path = write_pcd(tmp_path / "a.pcd", [*xyz(), ("t", POINTS[:, 0])], "ascii")
    path.write_bytes(path.read_bytes().replace(b"x y z t", b"x y z").replace(b" 4\n", b"\n").replace(b"F F F F", b"F F F"))
    path.write_bytes(path.read_bytes().replace(b"COUNT 1 1 1 1", b"COUNT 1 1 1"))
    with pytest.raises(InputError, match="a point has 4 numbers, its header's fields 3"):
        read_cloud(path)


def test_compressed_runs():
    rng = np.random.default_rng(7)
    for data in (b"a", b"ab" * 500, bytes(3000), rng.bytes(9000) * 2, bytes(rng.integers(0, 3, 20_000).astype("u1"))):
        packed = compress(data)
        assert decompress(packed, len(data)) == data
        for size in (len(data) - 1, len(data) + 1):
            with pytest.raises(ValueError, match="bytes"):
                decompress(packed, size)
    with pytest.raises(ValueError, match="before the data"):
        decompress(b"\x00a\x20\x05", 5)
    with pytest.raises(ValueError, match="inside a run"):
        decompress(b"\x00a\x20", 5)
