"""Pictures without a display: meshes by ray casting, clouds by splatting. No OpenGL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..field import Field
from ..pointcloud.cloud import PointCloud
from ..pointcloud.io.read import read_cloud
from ..pointcloud.upright import vertical_of_points
from ..runtime.compiled import numba_works
from ..runtime.triangles import Hits, Triangles
from ..tasks.base import View

Image = NDArray[np.float64]  # (height, width, 3), linear in [0, 1]
BACKGROUND = np.array([1.0, 1.0, 1.0])
CLAY = np.array([0.80, 0.74, 0.66])
FIELD_OF_VIEW = 30.0  # degrees
SUPERSAMPLE = 2
OCCLUSION_RAYS = 3  # of each sample of a pixel: its samples, averaged, see twelve directions


def draw_files(
    files: list[Path],
    output: Path,
    size: int = 640,
    azimuth: float = 30,
    elevation: float = 20,
    up: str = "auto",
    inside: bool = False,
) -> None:
    """Draw files side by side, all from the same camera, framed by the first one, which also tells which way is up.

    ``inside`` leaves out faces that look away from the camera, so that a room is seen into through its own walls.
    """
    _check(output, up)
    clouds = [read_cloud(f) for f in files]
    if up == "auto":
        up = vertical_of_points(clouds[0].points, files[0].name)
    camera = Camera.framing(clouds[0].points, azimuth, elevation, up)
    save_panels([draw(c, camera, size, inside) for c in clouds], output)


def draw_run(mesh: Path, field: Field, output: Path, view: View) -> None:
    """The mesh of a run, and beside it the field itself, from the same camera."""
    _check(output, view.up)
    cloud = read_cloud(mesh)
    camera = Camera.framing(cloud.points, view.azimuth, view.elevation, view.up)
    save_panels([draw(cloud, camera, view.size, view.inside), draw_field(field, camera, view.size)], output)


def _check(output: Path, up: str) -> None:
    if output.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"unknown picture format {output.suffix!r}", where=output, hint="known: .png .jpg")
    if up not in ("auto", "x", "y", "z"):
        raise InputError(f"{up!r} is no axis", where="--up", hint="one of x, y, z, or auto")


def save_panels(panels: list[Image], output: Path) -> None:
    from PIL import Image as Pillow

    picture = (np.clip(np.concatenate(panels, 1), 0, 1) * 255).round().astype(np.uint8)
    try:
        Pillow.fromarray(picture).save(output)
    except OSError as e:
        raise InputError(f"cannot write it ({e.strerror or e})", where=output) from None


class Camera:
    """Looks at ``centre`` so that a ball of ``diameter`` fills the picture; angles in degrees."""

    def __init__(self, centre: NDArray[np.float64], diameter: float, azimuth: float, elevation: float, up: str) -> None:
        self.centre, self.scale = centre, diameter
        a, e = np.radians(azimuth), np.radians(elevation)
        # axes so that ``up`` is vertical and the other two keep their cyclic order
        order = {"x": (1, 2, 0), "y": (2, 0, 1), "z": (0, 1, 2)}[up]
        direction, vertical = np.zeros(3), np.zeros(3)
        direction[list(order)] = [np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)]
        vertical[order[2]] = 1.0
        self.forward = -direction
        self.right = np.cross(self.forward, vertical)
        self.right /= np.linalg.norm(self.right)
        self.above = np.cross(self.right, self.forward)
        # the window of the image plane at unit distance that is drawn: its centre and half side
        self.window = (0.0, 0.0, float(np.tan(np.radians(FIELD_OF_VIEW / 2))))
        self.eye = direction * (0.52 / np.sin(np.radians(FIELD_OF_VIEW / 2)))  # in diameters

    @classmethod
    def framing(cls, points: NDArray[np.float64], azimuth: float, elevation: float, up: str) -> Camera:
        """The camera that the finite ones of (n, 3) points fill."""
        finite = points[np.isfinite(points).all(1)]
        low, high = finite.min(0), finite.max(0)
        camera = cls(low + (high - low) / 2, float(np.linalg.norm(high - low)), azimuth, elevation, up)
        camera.frame(finite)
        return camera

    def frame(self, points: NDArray[np.float64]) -> None:
        """Move the window so that the points (user coordinates) fill it, with a small margin."""
        x, y, _ = self._image_plane(self.normalised(points))
        (left, right), (low, high) = (np.quantile(v, [0.0, 1.0]) for v in (x, y))
        self.window = ((left + right) / 2, (low + high) / 2, float(max(right - left, high - low)) / 2 * 1.06)

    def _image_plane(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Normalised points -> coordinates on the plane at unit distance, and depth; each (n,)."""
        q = points - self.eye
        depth = q @ self.forward
        return q @ self.right / depth, q @ self.above / depth, depth

    def normalised(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """User coordinates -> units of the diameter round the centre."""
        return (points - self.centre) / self.scale

    def rays(self, pixels: int) -> NDArray[np.float32]:
        """(pixels, pixels, 6) origins and directions."""
        s = (np.arange(pixels) + 0.5) / pixels * 2 - 1
        cx, cy, half = self.window
        x, y = np.meshgrid(cx + s * half, cy - s * half)
        direction = self.forward + x[..., None] * self.right + y[..., None] * self.above
        origin = np.broadcast_to(self.eye, direction.shape)
        return np.concatenate([origin, direction / np.linalg.norm(direction, axis=-1, keepdims=True)], -1).astype(np.float32)

    def project(self, points: NDArray[np.float64], pixels: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Normalised points -> (n, 2) row and column, (n,) depth."""
        x, y, depth = self._image_plane(points)
        cx, cy, half = self.window
        return np.floor((np.stack([cy - y, x - cx], 1) / half + 1) / 2 * pixels).astype(np.int64), depth

    def light(self, normals: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) of (n, 3): key light over the left shoulder, fill light from the right, sky from above; two-sided."""
        facing = np.where((normals @ self.forward)[..., None] > 0, -normals, normals)
        key = -self.forward + 0.7 * self.above - 0.6 * self.right
        fill = -self.forward + 0.9 * self.right
        light = 0.70 * np.clip(facing @ (key / np.linalg.norm(key)), 0, 1)
        light = light + 0.18 * np.clip(facing @ (fill / np.linalg.norm(fill)), 0, 1)
        return np.asarray(light + 0.20 * (0.5 + 0.5 * facing @ self.above))


def draw(cloud: PointCloud, camera: Camera, size: int, inside: bool = False) -> Image:
    """One panel, (size, size, 3)."""
    if cloud.faces is None:
        return _averaged(_draw_points(cloud, camera, size * SUPERSAMPLE))
    return Sight.of(cloud, Triangles(camera.normalised(cloud.points), cloud.faces), camera, size, inside).painted(cloud.colours)


def _averaged(image: Image) -> Image:
    """Samples of pixels -> pixels."""
    size = len(image) // SUPERSAMPLE
    return np.asarray(image.reshape(size, SUPERSAMPLE, size, SUPERSAMPLE, 3).mean((1, 3)))


def draw_field(field: Field, camera: Camera, size: int) -> Image:
    """One panel of a fitted shape, sphere traced: no mesh between the field and the eye."""
    from ..surface.query import intersect_rays

    rays = camera.rays(size).reshape(-1, 6).astype(np.float64)
    distance, _, normals = intersect_rays(field, rays[:, :3] * camera.scale + camera.centre, rays[:, 3:])
    image = np.broadcast_to(BACKGROUND, (size * size, 3)).copy()
    found = np.isfinite(distance)
    image[found] = CLAY * camera.light(normals[found])[:, None]
    return image.reshape(size, size, 3)


@dataclass(frozen=True)
class Sight:
    """What a camera sees of a mesh, whatever its colours.

    samples : of the picture, on each side
    found : (samples^2,) those at which there is a surface
    corners, weights : (n, 3) vertices of the face at each of these, and their weights there
    light : (n,)
    """

    samples: int
    found: NDArray[np.bool_]
    corners: NDArray[np.int64]
    weights: NDArray[np.float64]
    light: NDArray[np.float64]

    @classmethod
    def of(cls, cloud: PointCloud, scene: Triangles, camera: Camera, size: int, inside: bool) -> Sight:
        """``scene``: the cloud's faces, normalised for the camera; ``inside``: without those that look away."""
        assert cloud.faces is not None
        samples = size * SUPERSAMPLE
        rays = camera.rays(samples).reshape(-1, 6).astype(np.float64)
        hit = scene.cast(rays[:, :3], rays[:, 3:])
        if inside:
            _pass_back_faces(scene, rays, hit)
        found, rays = hit.found, rays[hit.found]
        face = hit.faces[found]
        corners, uv = np.asarray(cloud.faces[face], np.int64), hit.uvs[found]
        weights = np.concatenate([1 - uv.sum(1, keepdims=True), uv], 1)
        normals = scene.normals[face] if cloud.normals is None else _unit((cloud.normals[corners] * weights[..., None]).sum(1))
        at = rays[:, :3] + (hit.distance[found][:, None] - 1e-4) * rays[:, 3:]
        facing = np.where((normals * rays[:, 3:]).sum(1, keepdims=True) > 0, -normals, normals)
        shadow = 1.0 if inside else 0.45 + 0.55 * _open_sky(scene, at, facing)
        return cls(samples, found, corners, weights, camera.light(normals) * shadow)

    def painted(self, colours: NDArray[np.uint8] | None) -> Image:
        """The picture (size, size, 3), with colours (m, 3) of the mesh's vertices or as of clay."""
        albedo = CLAY if colours is None else (colours[self.corners] * self.weights[..., None]).sum(1) / 255
        image = np.broadcast_to(BACKGROUND, (self.samples**2, 3)).copy()
        image[self.found] = albedo * self.light[:, None]
        return _averaged(image.reshape(self.samples, self.samples, 3))


def _open_sky(scene: Triangles, at: NDArray[np.float64], facing: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) Ambient occlusion of (n, 3) places by a few short rays: holes and folds read as such. 1 where nothing is near."""
    if not numba_works():  # numpy takes minutes for them
        return np.ones(len(at))
    rng = np.random.default_rng(0)
    sky, start = np.zeros(len(at)), at + 2e-3 * facing
    for _ in range(OCCLUSION_RAYS):
        sky += ~scene.blocked(start, _unit(facing + 0.98 * _unit(rng.normal(size=at.shape))), 0.0, 0.25)
    return sky / OCCLUSION_RAYS


def _pass_back_faces(scene: Triangles, rays: NDArray[np.float64], hit: Hits, most: int = 12) -> None:
    """Replace hits on faces that look away by the next hit along the same ray; rays (n, 6)."""
    for _ in range(most):
        away = hit.found & ((scene.normals[hit.faces] * rays[:, 3:]).sum(1) > 0)
        if not away.any():
            return
        reached = hit.distance[away] + 1e-4
        further = scene.cast(rays[away, :3] + reached[:, None] * rays[away, 3:], rays[away, 3:])
        hit.distance[away] = further.distance + reached
        hit.faces[away] = further.faces
        hit.uvs[away] = further.uvs


def _unit(v: NDArray[np.float64]) -> NDArray[np.float64]:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-30)


def _draw_points(cloud: PointCloud, camera: Camera, pixels: int) -> Image:
    """Discs of a fixed size in pixels, the nearest on top; oriented points that look away are left out."""
    keep = np.isfinite(cloud.points).all(1)
    points = camera.normalised(cloud.points[keep])
    albedo = np.broadcast_to(np.array([0.25, 0.42, 0.62]), points.shape)
    if cloud.colours is not None:
        albedo = cloud.colours[keep] / 255
    if cloud.normals is not None:
        normals = _unit(cloud.normals[keep])
        front = (normals * (camera.eye - points)).sum(1) > 0
        points, albedo = points[front], albedo[front] * camera.light(normals[front])[:, None] + 0.1
    where, depth = camera.project(points, pixels)
    image = np.broadcast_to(BACKGROUND, (pixels, pixels, 3)).copy()
    order = np.argsort(-depth)  # far ones first: near ones are painted over them
    where, albedo = where[order], albedo[order]
    radius = 1 if len(points) > 20_000 else 2
    for i in range(-radius, radius + 1):
        for j in range(-radius, radius + 1):
            if i * i + j * j > radius * radius:
                continue
            spot = where + (i, j)
            inside = ((spot >= 0) & (spot < pixels)).all(1)
            image[spot[inside, 0], spot[inside, 1]] = albedo[inside]
    return image
