"""Pictures in tar files, as WebDataset reads them, with the same bytes for the same pictures."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from physioprep.atomic import make_folders, temporary_file

#: The older form of a header cannot say more, bytes.
_MOST: Final = 8 << 30


@dataclass(frozen=True, eq=False)
class Streamed:
    """A content that is made while it is written, so that it is never held as a whole.

    Parameters
    ----------
    size : int
        Bytes.
    parts : iterator of bytes
        Of this size together.
    """

    size: int
    parts: Iterator[bytes]


class _Reader(io.RawIOBase):
    """Parts one after the other, as a file."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._left = parts, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left and (part := next(self._parts, None)) is not None:
            self._left = memoryview(part)
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


def write_tar(path: Path, pictures: Iterable[tuple[str, bytes | Streamed]]) -> None:
    """Write pictures into a tar file: without times, owners and other marks of this machine.

    Parameters
    ----------
    path : Path
        File to make.
    pictures : iterable of (str, bytes or Streamed)
        Names and contents.
    """
    with (
        temporary_file(path) as temporary,
        tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, content in pictures:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                content = Streamed(len(content), iter([content]))
            member.size = content.size
            tar.format = tarfile.USTAR_FORMAT if content.size < _MOST else tarfile.GNU_FORMAT
            tar.addfile(member, io.BufferedReader(_Reader(content.parts)))


def unpack(path: Path, folder: Path) -> None:
    """Write the pictures of a tar file of ours into a new folder.

    Parameters
    ----------
    path : Path
        Made by `write_tar`.
    folder : Path
        To make.

    Raises
    ------
    FileExistsError
        Two names are one on this file system.
    """
    make_folders(folder)
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            with (folder / member.name).open("xb") as target:
                shutil.copyfileobj(file, target)
