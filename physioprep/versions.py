"""Versions of physioprep and of the packages that can change the bytes of a store."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

try:
    #: Version of physioprep itself.
    __version__ = version("physioprep")
except PackageNotFoundError:  # a checkout on sys.path that is not installed
    __version__ = "0+unknown"

#: Packages whose version can change the bytes of a store.
SOFTWARE: Final = ("physioprep", "numpy", "scipy", "numcodecs", "zarr", "pyarrow", "wfdb", "mne")


@cache
def software() -> dict[str, str]:
    """Return the installed versions of the packages that can change the bytes of a store.

    Returns
    -------
    dict of str to str
        Version per installed package of `SOFTWARE`.

    Examples
    --------
    >>> "numpy" in software()
    True
    """
    found = {}
    for name in SOFTWARE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
