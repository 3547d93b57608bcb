"""Limits of time and memory of the process that parses a file, set and kept by the kernel.

They grow with the bytes of the file. A process that is over its time is killed by a signal;
memory over the limit cannot be allocated.
"""

from __future__ import annotations

import math
import resource
import signal
from dataclasses import asdict, dataclass
from os import environ
from pathlib import Path
from typing import Any, Final

from physioprep.limits import VARIABLE, read_factor

_MIB: Final = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What reading one file may take, beside what grows with its bytes.

    Parameters
    ----------
    cpu_s, wall_s : float
        Seconds of processor time, and by the clock; and one more per MiB of the file.
    memory_mib : float
        MiB beyond what the libraries take; and 64 bytes more per byte of the file.
    """

    cpu_s: float = 4.0
    wall_s: float = 120.0
    memory_mib: float = 1024.0

    def to_json(self) -> dict[str, float]:
        """Return the limits as JSON values.

        Returns
        -------
        dict
        """
        return asdict(self)


def chosen() -> Limits:
    """Return the limits, times the factor of `physioprep.limits`.

    Returns
    -------
    Limits

    Examples
    --------
    >>> chosen().memory_mib
    1024.0
    """
    factor = read_factor(environ.get(VARIABLE))
    plain = Limits()
    return Limits(plain.cpu_s * factor, plain.wall_s * factor, plain.memory_mib * factor)


_now: dict[str, Any] = {}


def begin(limits: Limits, n_bytes: int) -> None:
    """Limit this process from now on.

    Parameters
    ----------
    limits : Limits
    n_bytes : int
        Of the file to be read.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    _now.update(limits=limits, bytes=0, cpu_s=used.ru_utime + used.ru_stime, memory=_memory())
    allow(n_bytes)


def allow(n_bytes: int) -> None:
    """Raise the limits for more bytes of the recording; without effect where there are none.

    Parameters
    ----------
    n_bytes : int
        Of further files that exist.
    """
    if not _now:
        return
    limits, memory = _now["limits"], _now["memory"]
    _now["bytes"] += n_bytes
    mib = _now["bytes"] / _MIB
    _soft(resource.RLIMIT_CPU, math.ceil(_now["cpu_s"] + limits.cpu_s + mib))
    signal.setitimer(signal.ITIMER_REAL, limits.wall_s + mib)
    if memory is not None:
        _soft(resource.RLIMIT_AS, int(memory + limits.memory_mib * _MIB + 64 * _now["bytes"]))


def end() -> None:
    """Lift the limits of time."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    _soft(resource.RLIMIT_CPU, resource.RLIM_INFINITY)
    _soft(resource.RLIMIT_AS, resource.RLIM_INFINITY)
    _now.clear()


def _soft(kind: int, value: int) -> None:
    _, most = resource.getrlimit(kind)
    if most != resource.RLIM_INFINITY:
        value = most if value == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(kind, (value, most))


def _memory() -> int | None:
    """Return the bytes of address space in use; None where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    except OSError:
        return None
    return int(pages) * resource.getpagesize()
