"""Read a waveform back from a picture: from the pixels and the row of the table alone."""

import io

import numpy as np
from PIL import Image
from scipy.linalg import solveh_banded


def ink_of(content: bytes) -> np.ndarray:
    """Return how much of each pixel is inked, 0 to 1: the red of the grid is never below 235."""
    red = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), float)[:, :, 0]
    return np.clip((235 - red) / (235 - 0x1A), 0, 1)


def curve_of(ink: np.ndarray, row: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of a lead's box and the middle of the ink of each, pixels."""
    columns = np.arange(int(np.ceil(row["left_px"])), int(row["right_px"]) + 1)
    top, bottom = int(np.ceil(row["top_px"])), int(row["bottom_px"]) + 1
    box = ink[top:bottom, columns]
    with np.errstate(invalid="ignore"):
        return columns, (box * np.arange(top, bottom)[:, None]).sum(0) / box.sum(0)


def samples_of(ink: np.ndarray, row: dict, pen: float) -> np.ndarray:
    """Return the samples, mV, by least squares over columns without a bend in the pen's reach."""
    columns, middle = curve_of(ink, row)
    place = (columns - row["x_first_px"]) / row["px_per_sample"]
    below = np.floor(place).astype(int)
    reach = (pen / 2 + 0.5) / row["px_per_sample"]
    inside = (below >= 0) & (below < row["n_samples"] - 1) & np.isfinite(middle)
    straight = inside & (np.abs(place - below - 0.5) < 0.5 - reach)
    at, part, middle = below[straight], (place - below)[straight], middle[straight]
    # normal equations: each column lies on the line between two samples, so they are tridiagonal
    count, bands = row["n_samples"], np.zeros((2, row["n_samples"]))
    bands[1] = np.bincount(at, (1 - part) ** 2, count) + np.bincount(at + 1, part**2, count)
    bands[0, 1:] = np.bincount(at, part * (1 - part), count)[:-1]
    right = np.bincount(at, (1 - part) * middle, count) + np.bincount(at + 1, part * middle, count)
    y = solveh_banded(bands, right)
    return (row["y_zero_px"] - y) / row["px_per_mv"]
