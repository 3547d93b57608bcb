"""Where arguments become paths: an address where only a path of this machine is taken is refused.

``Path`` makes ``http:/host`` of ``http://host``: a folder of that name would be made, and a
password in it would stand on the disk.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from physioprep.errors import PhysioprepError
from physioprep.plain_text import SCHEMES

#: Any address as text, and one of a known kind that went through ``Path``.
_ADDRESS: Final = re.compile(rf"[a-z][a-z0-9+.-]*://|(?:{'|'.join(SCHEMES)}):/", re.IGNORECASE)


def local_path(path: str | Path, error: type[PhysioprepError] = PhysioprepError) -> Path:
    """Return an argument as a path of this machine.

    Parameters
    ----------
    path : path-like
        As the user gave it.
    error : type of PhysioprepError
        What to raise.

    Returns
    -------
    Path

    Raises
    ------
    PhysioprepError
        It is an address; passwords and tokens in it are not shown.

    Examples
    --------
    >>> local_path("build/x").name
    'x'
    >>> local_path(Path("http://me:pass@host/x"))
    Traceback (most recent call last):
        ...
    physioprep.errors.PhysioprepError: http://***@host/x: an address; here a path of ...
    """
    found = _ADDRESS.match(str(path))
    if found:
        scheme = found[0].rstrip("/")
        address = f"{scheme}//{str(path)[len(scheme) :].lstrip('/')}"
        raise error(f"{address}: an address; here a path of this machine is needed")
    return Path(path)
