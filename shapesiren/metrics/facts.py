"""What was found about images, sounds, videos (decibels throughout) and solutions when they were judged."""

from __future__ import annotations

from pydantic import Field

from ..facts import Facts


class StoredWeights(Facts):
    """bits : of a weight; bytes : of all of them; share_of_file : of the signal's file; quality : what is left, in decibels"""

    bits: int
    bytes: int
    share_of_file: float
    quality: float

    def line(self, unit: str) -> str:
        size = f"{self.bytes / 1024:,.0f} KiB, {self.share_of_file:.2f} x the file"
        return f"{self.bits:>2}-bit weights: {size}, {self.quality:.2f} {unit}"


class ClassicalSolver(Facts):
    """psnr : of its answer to the same input; solver : its name"""

    psnr: float
    solver: str


class ImageMetrics(Facts):
    """psnr, mse, ssim : of the intensities
    gradient_psnr, laplacian_psnr : of derivatives against filters on the original; .._exact : against its interpolation
    aligned : mean that was given to the result, of each channel; classical : a solver of the same problem
    unknown_psnr : where nothing was known; compression : quality with fewer bits
    """

    psnr: float
    mse: float
    ssim: float
    gradient_psnr: float
    laplacian_psnr: float
    gradient_exact: float
    laplacian_exact: float
    aligned: tuple[float, ...] | None = None
    classical: ClassicalSolver | None = None
    unknown_psnr: float | None = None
    compression: list[StoredWeights] = Field(default_factory=list)

    def lines(self) -> list[str]:
        lines = [
            f"PSNR {self.psnr:.2f} dB, SSIM {self.ssim:.4f}",
            f"gradient PSNR {self.gradient_exact:.2f} dB, Laplacian {self.laplacian_exact:.2f} dB against the image's "
            f"interpolation; {self.gradient_psnr:.2f} and {self.laplacian_psnr:.2f} dB against filters on it",
        ]
        if self.aligned is not None:
            lines.append("before that its mean was aligned: derivatives do not hold the constant")
        if self.classical is not None:
            lines.append(f"classical solver on the same input: PSNR {self.classical.psnr:.2f} dB")
        if self.unknown_psnr is not None:
            lines.append(f"PSNR {self.unknown_psnr:.2f} dB where nothing was known")
        return lines + [row.line("dB") for row in self.compression]


class CompositeMetrics(Facts):
    """gradient_psnr : where gradients were fitted; background_psnr : where intensities were, of a clone
    classical_psnr : between the result and the classical solver's answer to the same problem
    """

    gradient_psnr: float
    background_psnr: float | None = None
    classical_psnr: float

    def lines(self) -> list[str]:
        background = self.background_psnr
        around = f", {background:.2f} dB where the background is" if background is not None else ""
        return [
            f"gradient PSNR {self.gradient_psnr:.2f} dB{around}",
            f"PSNR {self.classical_psnr:.2f} dB against the classical solver's answer",
        ]


class SoundMetrics(Facts):
    """mse : in full scale; mse_of_peak : with the sound's peak as 1; snr; spectral_distance : log-spectral
    compression : quality with fewer bits
    """

    mse: float
    mse_of_peak: float
    snr: float
    spectral_distance: float
    compression: list[StoredWeights] = Field(default_factory=list)

    def lines(self) -> list[str]:
        first = (
            f"SNR {self.snr:.2f} dB, MSE {self.mse:.3g} of full scale ({self.mse_of_peak:.3g} of the peak), "
            f"log-spectral distance {self.spectral_distance:.2f} dB"
        )
        return [first, *(row.line("dB SNR") for row in self.compression)]


class VideoMetrics(Facts):
    """psnr : of the mean squared error over all compared frames; worst, best : of a frame
    frames : those that were compared; frame_psnr : of each; compression : quality with fewer bits
    """

    psnr: float
    worst: float
    best: float
    frames: list[int]
    frame_psnr: list[float]
    compression: list[StoredWeights] = Field(default_factory=list)

    def lines(self) -> list[str]:
        first = f"PSNR {self.psnr:.2f} dB; by frame {self.worst:.2f} to {self.best:.2f} dB"
        return [first, *(row.line("dB") for row in self.compression)]


class SolutionMetrics(Facts):
    """residual : root mean square of each equation, see `metrics.equations.residual`
    relative_error, correlation : against the reference, where the problem is free of layers; reference_error : its own
    error_over_time : relative, of a wave at each of ``times``
    """

    residual: dict[str, float]
    relative_error: float | None = None
    correlation: float | None = None
    reference_error: float | None = None
    error_over_time: list[float] | None = None
    times: list[float] | None = None

    def lines(self) -> list[str]:
        return number_lines(self)


class InversionMetrics(Facts):
    """Of the squared slowness that was found, where it was unknown; ``adjoint_..`` of the baseline's.

    centre, contrast : of the anomaly; centre_off, contrast_ratio : beside the true one
    slowness_error, change_error, correlation : of all of it; misfit : of what a simulation in it measures, relative
    adjoint_solves : of the baseline's equations; adjoint_seconds : that it took
    """

    centre: list[float]
    contrast: float
    centre_off: float | None = None
    contrast_ratio: float | None = None
    slowness_error: float | None = None
    change_error: float | None = None
    correlation: float | None = None
    misfit: float
    adjoint_centre: list[float] | None = None
    adjoint_contrast: float | None = None
    adjoint_centre_off: float | None = None
    adjoint_contrast_ratio: float | None = None
    adjoint_slowness_error: float | None = None
    adjoint_change_error: float | None = None
    adjoint_correlation: float | None = None
    adjoint_misfit: float | None = None
    adjoint_solves: int | None = None
    adjoint_seconds: float | None = None

    def lines(self) -> list[str]:
        return number_lines(self)


def number_lines(facts: Facts) -> list[str]:
    """A line for each number."""
    numbers = {name: value for name, value in facts.tree().items() if isinstance(value, (int, float))}
    return [f"{name.replace('_', ' ')}: {value:.4g}" for name, value in numbers.items()]
