"""One error that names the store, whatever Zarr or a codec makes of damaged bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from physioprep.errors import PhysioprepError, StoreError


@contextmanager
def named(path: Any) -> Iterator[None]:
    """Turn what libraries raise on damaged metadata or chunks into an error of ours.

    Parameters
    ----------
    path : Path or str
        Of the store.

    Yields
    ------
    None

    Raises
    ------
    StoreError
        In place of everything that is neither ours nor of the operating system.
    PhysioprepError
        As it is.
    OSError
        As it is.

    Examples
    --------
    >>> with named("a.zarr"):
    ...     {}["channels"]
    Traceback (most recent call last):
        ...
    physioprep.errors.StoreError: a.zarr: damaged (KeyError: 'channels'); `physioprep verify` ...
    """
    try:
        yield
    except (PhysioprepError, OSError):
        raise
    except MemoryError:
        raise StoreError(f"{path}: does not fit into memory") from None
    except Exception as error:  # codecs, Zarr, NumPy and pandas raise many classes
        cause = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise StoreError(
            f"{path}: damaged ({cause}); `physioprep verify` lists all damage"
        ) from error
