"""Make a clean picture look photographed or copied: turned, creased, shaded, compressed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.paper.spec import PictureSpec, colours_of

if TYPE_CHECKING:
    from PIL.Image import Image

Light = NDArray[np.float32]

_MOST_DEG: Final = 6.0
#: Share of the light that shadows and creases take at most, and at least.
_SHADOW: Final = (0.2, 0.5)
_CREASE: Final = (0.15, 0.4)
_JPEG_QUALITY: Final = (30, 85)


def generator(spec: PictureSpec, key: str) -> np.random.Generator:
    """Return the random numbers of a picture.

    Parameters
    ----------
    spec : PictureSpec
        Its seed.
    key : str
        Of the picture.

    Returns
    -------
    numpy.random.Generator
        The same for the same seed and key, whatever was drawn before.
    """
    words = np.frombuffer(hashlib.sha256(key.encode()).digest(), "<u4")
    return np.random.default_rng([spec.seed, *words.tolist()])


def augment(
    image: Image, spec: PictureSpec, random: np.random.Generator
) -> tuple[Image, float, int | None]:
    """Change a picture at random, as `spec` asks.

    Parameters
    ----------
    image : PIL.Image.Image
        With a palette.
    spec : PictureSpec
        What is done, in the order rotation, crease, shadow, JPEG.
    random : numpy.random.Generator
        From `generator`.

    Returns
    -------
    image : PIL.Image.Image
        In RGB.
    angle : float
        By which it was turned about its middle, degrees, anticlockwise as seen.
    quality : int or None
        At which it is to be saved as JPEG.
    """
    from PIL import Image as pil

    # all are drawn always, so that one does not change the others
    angle, shadow, crease = random.uniform(-_MOST_DEG, _MOST_DEG), *random.uniform(size=(2, 4))
    quality = int(random.integers(_JPEG_QUALITY[0], _JPEG_QUALITY[1], endpoint=True))
    out = image.convert("RGB")
    if "rotation" in spec.augment:
        out = out.rotate(angle, pil.Resampling.BICUBIC, fillcolor=colours_of(spec.grid)[0])
    light: Light | None = None
    for name, shade, at in (("crease", _creased, crease), ("shadow", _shadowed, shadow)):
        if name in spec.augment:
            now = shade(out.height, out.width, at)
            light = now if light is None else light * now
    if light is not None:
        # eight bits of light, multiplied by Pillow, are faster than floats of all colours
        out = _darker(out, light)
    return (
        out,
        angle if "rotation" in spec.augment else 0.0,
        quality if "jpeg" in spec.augment else None,
    )


def _darker(image: Image, light: Light) -> Image:
    from PIL import Image as pil
    from PIL import ImageChops

    mask = pil.fromarray(np.round(light * np.float32(255)).astype(np.uint8))
    return ImageChops.multiply(image, pil.merge("RGB", (mask, mask, mask)))


def _across(height: int, width: int, angle: float, place: float) -> Light:
    """Return how far each pixel is from a line, as a share of the picture's diagonal."""
    y = (np.arange(height, dtype=np.float32) - height * np.float32(0.2 + 0.6 * place))[:, None]
    x = np.arange(width, dtype=np.float32) - width * np.float32(0.2 + 0.6 * place)
    size = np.float32(np.hypot(height, width))
    along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    return np.asarray(along / size, np.float32)


def _shadowed(height: int, width: int, at: NDArray[np.float64]) -> Light:
    """Return light that is less on one side of a soft edge."""
    far = _across(height, width, 2 * np.pi * at[0], at[1])
    softness = np.float32(0.02 + 0.15 * at[2])
    share = np.clip(far / softness, -1, 1) * np.float32(0.5) + np.float32(0.5)
    deepest = np.float32(_SHADOW[0] + at[3] * (_SHADOW[1] - _SHADOW[0]))
    return np.asarray(1 - deepest * share, np.float32)


def _creased(height: int, width: int, at: NDArray[np.float64]) -> Light:
    """Return light with a dark line, and less dark beside it on one side."""
    far = _across(height, width, 2 * np.pi * at[0], at[1])
    depth = np.float32(_CREASE[0] + at[3] * (_CREASE[1] - _CREASE[0]))
    fold = np.clip(1 - np.abs(far) / np.float32(0.002 + 0.002 * at[2]), 0, 1)
    beside = np.where(far > 0, np.clip(1 - far / np.float32(0.05), 0, 1), np.float32(0))
    return np.asarray(1 - depth * np.maximum(fold, beside * np.float32(0.4)), np.float32)
