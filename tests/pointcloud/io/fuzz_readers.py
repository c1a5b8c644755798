"""Files that are damaged in all ways, through every reader: a cloud or one line comes out, in bounded time and memory.

    python -m tests.pointcloud.io.fuzz_readers --minutes 10 --seed 1 [SUFFIX ...]

`test_fuzz.py` does a few hundred of each. What goes wrong is printed with the file, which is kept.
"""

import argparse
import io
import itertools
import resource
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import numpy as np
import trimesh

from shapesiren.errors import InputError
from shapesiren.pointcloud.cloud import PointCloud
from shapesiren.pointcloud.io.read import BY_SUFFIX, read_cloud
from shapesiren.pointcloud.synthetic.scanner import write_scan
from tests.pointcloud.io.test_pcd import POINTS, N, write_pcd
from tests.pointcloud.io.test_ptx import FRAMES, scan_text
from tests.pointcloud.io.test_survey import write_e57, write_las

SLOWEST = 20.0  # seconds of one small file, on a busy machine
MEMORY = 8 << 30  # bytes of address space
WORDS = b"nan -1.#IND 1e999 -0 99999999999 -7 4294967295 2147483648 0x10 1,5 - x y z rgb _ f v vn".split()
WORDS += [b",", b";", b"|", b"#", b"//", b'"', b"\t", b"\r", b"\xff\xfe"]


def good_files(folder):
    """Suffix -> good files of it, as bytes; ``folder`` is written to."""
    rng = np.random.default_rng(0)
    points = np.round(rng.normal(size=(60, 3)), 3)
    normals = points / np.linalg.norm(points, axis=1, keepdims=True)
    rgb = rng.integers(0, 256, (60, 3))
    cloud = PointCloud(points, normals, rgb.astype(np.uint8))
    ball = trimesh.creation.icosphere(1)
    out = {suffix: [] for suffix in BY_SUFFIX}

    def made(suffix, write):
        path = folder / f"a{suffix}"
        write(path)
        out[suffix].append(path.read_bytes())

    def text(suffix, header, rows, separator=" "):
        buffer = io.BytesIO()
        np.savetxt(buffer, rows, "%.4g", separator, header=header, comments="")
        out[suffix].append(buffer.getvalue())

    for suffix in (".ply", ".npy", ".npz", ".xyz"):
        made(suffix, lambda path: write_scan(path, cloud))
    for suffix in (".ply", ".obj", ".stl", ".off", ".glb", ".3mf"):
        made(suffix, ball.export)
    buffer = io.BytesIO()
    np.savez(buffer, x=points[:, 0], y=points[:, 1], z=points[:, 2], red=rgb[:, 0], green=rgb[:, 1], blue=rgb[:, 2])
    out[".npz"].append(buffer.getvalue())
    text(".txt", "//X;Y;Z;R;G;B", np.hstack([points, rgb]), ";")
    text(".txt", "id,x,y,z,intensity", np.hstack([np.arange(60)[:, None], points, rgb[:, :1]]), ",")
    text(".txt", "# a scan", np.hstack([points, normals, rgb[:, :1]]), "\t")
    out[".txt"].append(out[".txt"][0].replace(b".", b","))
    text(".pts", "60", np.hstack([points, rgb[:, :1], rgb]))
    out[".pts"].append(out[".pts"][0] * 2)
    text(".csv", "X,Y,Z,Nx,Ny,Nz", np.hstack([points, normals]), ",")
    out[".asc"].append(
        b"ncols 6\nnrows 10\nxllcorner 0\nyllcorner 0\ncellsize 1\nNODATA_value -9999\n" + b"1 2 3 -9999 5 6\n" * 10
    )
    out[".ptx"].append(scan_text(points, *FRAMES[0], 6).encode())
    out[".ptx"].append(b"".join(scan_text(points, *frame, 6, np.hstack([points[:, :1], rgb])).encode() for frame in FRAMES))
    strip = (
        "ply\nformat ascii 1.0\nelement vertex 4\nproperty double X\nproperty double Y\nproperty double Z\nproperty uchar r\n"
    )
    strip += "property uchar g\nproperty uchar b\nelement tristrips 1\nproperty list int int vertex_indices\nend_header\n"
    out[".ply"].append((strip + "".join(f"{i} {i * i} {i % 2} 9 8 7\n" for i in range(4)) + "6 0 1 2 -1 1 2\n").encode())
    out[".obj"].append(b"".join(b"v %d %d 1 .5 .5 .5\nvn 0 0 1\n" % (i, i * i) for i in range(20)))
    out[".obj"].append(b"".join(b"v %d %d 1\nv %d 1 1\nv 1 2 %d\nf -3 -2 -1\n" % (i, i, i, i) for i in range(9)))
    fields = [(a, POINTS[:, i]) for i, a in enumerate("xyz")] + [
        ("_", np.zeros((N, 3), "u1")),
        ("rgb", np.arange(N, dtype="u4")),
    ]
    for data in ("ascii", "binary", "binary_compressed"):
        made(".pcd", lambda path, data=data: write_pcd(path, fields, data))
    for suffix in (".las", ".laz"):
        made(suffix, lambda path: write_las(path, points, rgb.astype(np.uint8)))
    made(".e57", lambda path: write_e57(path, [(points, [0, 0, 0], np.ones(60))]))
    return out


def damaged(data, rng):
    """A copy of ``data`` with one to three damages: bytes and words changed, cut out, doubled, moved; numbers made huge."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        reach = min(len(data), 4000 if rng.random() < 0.7 else len(data))
        at, length = int(rng.integers(0, max(1, reach))), int(rng.integers(1, 50))
        way = rng.integers(0, 11)
        if way == 0:
            data[at : at + 1] = rng.bytes(1)
        elif way == 1:
            del data[at : at + length]
        elif way == 2:
            data[at:at] = data[at : at + 4 * length]
        elif way == 3:
            data[at : at + 4] = b"\xff\xff\xff\x7f" if rng.random() < 0.5 else rng.bytes(4)
        elif way == 4:
            data = bytearray(bytes(data).replace(b"60", b"6000000000", 1))
        elif way == 5:
            del data[at:]
        elif way == 6:
            data[at : at + int(rng.integers(0, 8))] = WORDS[rng.integers(len(WORDS))]
        elif way == 7:  # another word for one of those that are there
            words = bytes(data[:4000]).split(b" ")
            words[rng.integers(len(words))] = WORDS[rng.integers(len(WORDS))]
            data[:4000] = b" ".join(words)
        elif way == 8:  # lines in another order
            lines = bytes(data).split(b"\n")
            i, j = rng.integers(0, min(len(lines), 30), 2)
            lines[i], lines[j] = lines[j], lines[i]
            data = bytearray(b"\n".join(lines))
        elif way == 9:
            old, new = rng.integers(0, 128, 2).tolist()
            data = bytearray(bytes(data).replace(bytes([old]), bytes([new])))
        elif data:
            data[at] ^= 1 << int(rng.integers(8))
    return bytes(data)


def check(path):
    """Read a file. Whether it was refused; AssertionError or what a reader raised, if it is neither a cloud nor refused."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cloud = read_cloud(path)
        except InputError as e:
            assert path.name in e.line()
            assert "\n" not in e.line() and len(e.line()) < 1000
            return True
    n = len(cloud.points)
    assert n > 0 and cloud.points.shape == (n, 3) and cloud.points.dtype == np.float64
    for values, shape, kind in (
        (cloud.normals, (n, 3), np.float64),
        (cloud.colours, (n, 3), np.uint8),
        (cloud.intensity, (n,), np.float32),
        (cloud.sensor, (n,), np.int32),
    ):
        assert values is None or (values.shape == shape and values.dtype == kind)
    assert cloud.intensity is None or np.isfinite(cloud.intensity).all()
    assert cloud.faces is None or (cloud.faces.shape[1] == 3 and cloud.faces.min() >= 0 and cloud.faces.max() < n)
    assert all("\n" not in note for note in cloud.notes)
    return False


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("suffixes", nargs="*", default=sorted(BY_SUFFIX), metavar="SUFFIX")
    options.add_argument("--minutes", type=float, default=1.0)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    files = good_files(folder)
    rng = np.random.default_rng(given.seed)
    done = dict.fromkeys(given.suffixes, 0)
    refused, wrong, end = 0, 0, time.time() + 60 * given.minutes
    for suffix in itertools.cycle(given.suffixes):
        if time.time() > end:
            break
        path = folder / f"a{suffix}"
        for _ in range(2 if BY_SUFFIX[suffix].isolated else 50):
            path.write_bytes(damaged(files[suffix][rng.integers(len(files[suffix]))], rng))  # if it crashes, this is left
            done[suffix] += 1
            begun = time.perf_counter()
            try:
                refused += check(path)
                assert time.perf_counter() - begun < SLOWEST
            except Exception:
                wrong += 1
                kept = path.rename(folder / f"wrong{wrong}{suffix}")
                print(f"{kept}:\n{traceback.format_exc()}", flush=True)
    print(f"{done}: {refused:,} refused, {wrong} wrong")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
