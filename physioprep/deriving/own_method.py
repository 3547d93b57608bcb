"""A method of delineation that is not ours: a function that the user names, ``module:function``.

Only what the user names on the command line or in Python is imported, by Python's own search path
(an installed package, or a folder of ``PYTHONPATH``): no data file, recipe or folder names code.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import PhysioprepError

Found = Mapping[str, NDArray[np.float64]]
Function = Callable[[NDArray[np.float64], int, NDArray[np.int64]], Found]

_NAME: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def is_own(name: str) -> bool:
    """Return whether a name is of a method that is not ours.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool

    Examples
    --------
    >>> is_own("mine:waves"), is_own("dwt")
    (True, False)
    """
    return ":" in name


@lru_cache(maxsize=8)
def own_method(name: str, points: Sequence[str]) -> Function:
    """Import a method of delineation.

    Parameters
    ----------
    name : str
        ``module:function``.
    points : tuple of str
        Names of the points that it may return.

    Returns
    -------
    callable
        The function; what it raises or returns wrongly is an error that names it.

    Raises
    ------
    PhysioprepError
        There is no such module or function.
    """
    if not _NAME.fullmatch(name):
        raise PhysioprepError(f"method {name!r}: write module:function, as mine.waves:delineate")
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function)
    except Exception as error:  # whatever the user's module raises
        hint = "" if module.split(".")[0] in sys.modules else " (installed, or on PYTHONPATH?)"
        cause = f"{type(error).__name__}: {error}"
        raise PhysioprepError(f"method {name}: cannot be imported{hint}: {cause}") from error
    if not callable(found):
        raise PhysioprepError(f"method {name}: {type(found).__name__} is no function")

    def checked(
        cleaned: NDArray[np.float64], rate_hz: int, r_peaks: NDArray[np.int64]
    ) -> dict[str, NDArray[np.float64]]:
        try:
            made = dict(found(cleaned, rate_hz, r_peaks))
            made = {point: np.asarray(values, np.float64).ravel() for point, values in made.items()}
        except Exception as error:  # else a fault of the function were taken for no wave
            cause = f"{type(error).__name__}: {error}"
            raise PhysioprepError(
                f"method {name}: {len(r_peaks)} beats at {rate_hz} Hz: {cause}"
            ) from error
        for point, values in made.items():
            if point not in points:
                raise PhysioprepError(f"method {name}: no point {point!r}: {', '.join(points)}")
            known = values[np.isfinite(values)]
            if len(known) and not (known.min() >= 0 and known.max() < len(cleaned)):
                raise PhysioprepError(f"method {name}: {point}: a sample outside of the signal")
        return made

    return checked


def version_of(name: str) -> str | None:
    """Return what tells one state of a method that is not ours from another.

    Parameters
    ----------
    name : str
        ``module:function``.

    Returns
    -------
    str or None
        Version of the module or its package (``0`` where it states none) and the hash of the
        module's source file; None of a method of ours.

    Raises
    ------
    PhysioprepError
        There is no such module.
    """
    if not is_own(name):
        return None
    own_method(name, ())
    module = sys.modules[name.partition(":")[0]]
    top = module.__name__.split(".")[0]
    stated = getattr(module, "__version__", None) or getattr(sys.modules[top], "__version__", None)
    if stated is None:
        packages = metadata.packages_distributions().get(top, ())
        stated = metadata.version(packages[0]) if packages else "0"
    try:
        source = Path(inspect.getfile(module)).read_bytes()
    except (OSError, TypeError):  # built in
        source = b""
    return f"{stated} sha256:{hashlib.sha256(source).hexdigest()[:16]}"
