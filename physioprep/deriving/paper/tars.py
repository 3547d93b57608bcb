"""Pictures in tar files, as WebDataset reads them, with the same bytes for the same pictures."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from physioprep.atomic import make_folders, temporary_file


def write_tar(path: Path, pictures: Iterable[tuple[str, bytes]]) -> None:
    """Write pictures into a tar file: without times, owners and other marks of this machine.

    Parameters
    ----------
    path : Path
        File to make.
    pictures : iterable of (str, bytes)
        Names and contents.
    """
    with (
        temporary_file(path) as temporary,
        tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, content in pictures:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


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
                target.write(file.read())
