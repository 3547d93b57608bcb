"""A disk that keeps only what was flushed: what a loss of power may leave of a folder.

While a `LossyDisk` is entered, it sees every fsync of this process and every change of a name, and
knows so what is on the disk for certain: the content of a file as it was at its last fsync, and
the names in a folder as they were at the folder's. It also notes whoever acts too early.
"""

import hashlib
import os
import random
import re
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

from physioprep import exchange

CHANGES = ("rename", "replace", "unlink", "remove", "rmdir", "mkdir", "link")
#: Names that promise nothing: temporary ones, locks, folders that are to be removed or exchanged.
PLAIN = re.compile(r"\..*\.tmp(\.\w+)?|.*\.tmp|.*\.lock|done|.*\.whole|\..*\.old|\d+\.\d+\.\d+")
#: In the names of temporary files and of traces: what differs from run to run.
BY_CHANCE = re.compile(r"(\.\d+)?\.[0-9a-f]{8,12}(?=\.(?:tmp|old))|(?<=\d)\.\d+\.\d+$")
INODE = re.compile(rb'"inode": (\d+)')
#: How to lose: only what was flushed is left; all names are, but no other content; or by chance.
WAYS = ("flushed", "names", "chance")
Names = dict[str, int]


class LossyDisk:
    """Files are known by their inode; each is kept open, so that no number comes twice."""

    def __init__(self, place: Path, markers: str, saved: Path | None = None) -> None:
        self.place, self.markers, self.saved = place, re.compile(markers), saved
        self.wanted: Callable[[int, bool], bool] = lambda number, near_exchange: False
        self.names: dict[int, Names] = {}
        self.contents: dict[int, bytes] = {}
        self.n_events, self.exchanged = 0, -100
        self.n_lost = 0
        self.states: set[str] = set()
        self.kinds: list[str] = []
        self.problems: list[str] = []
        self.named: list[str] = []
        self._held: dict[int, tuple[int, bool]] = {}
        self._replacing: tuple[int, str, int] | None = None
        self._lock = threading.RLock()
        self._patches = ExitStack()

    def __enter__(self) -> "LossyDisk":
        for folder, _, files in os.walk(self.place):
            self._flush(folder)
            for name in files:
                self._flush(f"{folder}/{name}")
        for name in CHANGES:
            self._patch(os, name, getattr(os, name))
        self._patch(exchange, "_exchange", exchange._exchange)
        self._patches.enter_context(mock.patch.object(os, "fsync", self._fsync))
        return self

    def __exit__(self, *_: object) -> None:
        self._patches.close()
        for handle, _ in self._held.values():
            os.close(handle)

    def _patch(self, where: Any, name: str, real: Callable[..., Any]) -> None:
        def call(*paths: Any, **options: Any) -> Any:
            inside = [str(path) for path in paths if str(path).startswith(str(self.place))]
            with self._lock:
                if inside:
                    self._before(name, inside)
                if self._replacing is not None and name in ("unlink", "remove", "rmdir"):
                    self._check_replaced()
                result = real(*paths, **options)
                if inside:
                    self._event(name)
                return result

        self._patches.enter_context(mock.patch.object(where, name, call))

    def _fsync(self, handle: int) -> None:
        path = str(Path(f"/proc/self/fd/{handle}").readlink())
        with self._lock:
            if path == str(self.place) or path.startswith(f"{self.place}/"):
                self._flush(path)
                self._event("fsync")

    def _flush(self, path: str) -> None:
        inode = self._seen(path)
        if self._is_folder(inode):
            self.names[inode] = self._names_now(path)
        else:
            self.contents[inode] = Path(path).read_bytes()

    def _seen(self, path: str) -> int:
        handle = os.open(path, os.O_PATH | os.O_NOFOLLOW)
        status = os.fstat(handle)
        if status.st_ino in self._held:
            os.close(handle)
        else:
            self._held[status.st_ino] = handle, stat.S_ISDIR(status.st_mode)
        return status.st_ino

    def _is_folder(self, inode: int) -> bool:
        return self._held[inode][1]

    def _names_now(self, path: str) -> Names:
        return {entry.name: self._seen(entry.path) for entry in os.scandir(path)}

    # What must be on the disk, and when

    def _before(self, name: str, paths: list[str]) -> None:
        if name == "_exchange":
            self._replacing = (
                self._seen(str(Path(paths[1]).parent)),
                Path(paths[1]).name,
                self._seen(paths[0]),
            )
            self.exchanged = self.n_events
        if name not in ("rename", "replace", "_exchange") or len(paths) < 2:
            return
        new, final = paths
        if PLAIN.fullmatch(Path(final).name) or new.endswith(".whole"):
            return
        where = os.path.relpath(final, self.place)
        self.named.append(where)
        self.problems += [f"named {where}: {line}" for line in self._not_flushed(new)]
        if self.markers.search(where):
            skipped = self._seen(new)
            lines = self._not_flushed(str(self.place), skipped)
            self.problems += [f"before {where}: {line}" for line in lines]

    def _check_replaced(self) -> None:
        parent, name, inode = self._replacing or (0, "", 0)
        if self.names.get(parent, {}).get(name) != inode:
            self.problems.append(f"{name}: the old one goes before the new one is on the disk")
        self._replacing = None

    def _not_flushed(self, path: str, skipped: int = 0) -> Iterator[str]:
        """Give what would be lost of a file or folder."""
        inode = self._seen(path)
        where = os.path.relpath(path, self.place)
        if not self._is_folder(inode):
            if self.contents.get(inode) != Path(path).read_bytes():
                yield f"content of {where}"
            return
        flushed = self.names.get(inode, {})
        for name, child in self._names_now(path).items():
            if PLAIN.fullmatch(name) or child == skipped:
                continue
            if flushed.get(name) != child:
                yield f"name of {where}/{name}"
            yield from self._not_flushed(f"{path}/{name}", skipped)

    def check_end(self) -> None:
        """At the end all has to be on the disk."""
        self.problems += [f"at the end: {line}" for line in self._not_flushed(str(self.place))]

    # What a loss of power leaves

    def _event(self, kind: str) -> None:
        self.n_events += 1
        self.kinds.append(kind)
        near = 0 <= self.n_events - self.exchanged <= 6
        if self.saved is None or not self.wanted(self.n_events, near):
            return
        now: dict[int, Names] = {}
        paths: dict[int, str] = {}
        for folder, _, files in os.walk(self.place):
            now[self._seen(folder)] = self._names_now(folder)
            for name in files:
                path = f"{folder}/{name}"
                paths[self._seen(path)] = path
        replacing, self._replacing = self._replacing, None  # what is removed below is ours
        for way in WAYS:
            to = self.saved / f"{self.n_events:05d}-{way}"
            chance = random.Random(self.n_events)
            made: dict[int, int] = {}
            self._leave(self._seen(str(self.place)), to, way, now, paths, chance, made)
            for note in to.rglob("finished.json"):  # a real disk would keep the numbers
                text = note.read_bytes()
                number = INODE.search(text)
                if number and int(number[1]) in made:
                    text = text.replace(number[0], b'"inode": %d' % made[int(number[1])])
                note.write_bytes(text)
            self.n_lost += 1
            state = state_of(to)
            if state in self.states:
                shutil.rmtree(to)
            self.states.add(state)
        self._replacing = replacing

    def _leave(
        self,
        inode: int,
        to: Path,
        way: str,
        now: dict[int, Names],
        paths: dict[int, str],
        chance: random.Random,
        made: dict[int, int],
    ) -> None:
        if not self._is_folder(inode):
            content = self.contents.get(inode, b"")
            if way == "chance" and inode in paths:
                last = Path(paths[inode]).read_bytes()
                if last != content:
                    content = chance.choice([content, last, last[: len(last) // 2]])
            to.write_bytes(content)
            return
        to.mkdir()
        made[inode] = to.stat().st_ino
        names = self.names.get(inode, {})
        if way == "names":
            names = now.get(inode, names)
        elif way == "chance" and inode in now:
            both = [names, now[inode]]
            picked = {
                name: chance.choice(both).get(name) for name in sorted({**both[0], **both[1]})
            }
            names = {name: child for name, child in picked.items() if child is not None}
        for name, child in names.items():
            self._leave(child, to / name, way, now, paths, chance, made)


def state_of(folder: Path) -> str:
    """Hash all that a run can know of a folder: two of one state are continued alike.

    Nobody reads who held the lock of a killed process, nor the names of temporary files. Of a
    number of a folder counts which folder it is.
    """
    paths = sorted(folder.rglob("*"))
    folders = {path.stat().st_ino: path for path in paths if path.is_dir()}
    found = hashlib.sha256()
    for path in paths:
        where = path.relative_to(folder).as_posix()
        content = b"" if path.is_dir() else path.read_bytes()
        if path.name.endswith(".lock"):
            content = b"held" if content else b""
        number = INODE.search(content) if path.name == "finished.json" else None
        if number:
            named = folders.get(int(number[1]))
            known = named and named.relative_to(folder).as_posix()
            content = content.replace(number[0], f"inode of {known}".encode())
        found.update(f"{BY_CHANCE.sub('', where)}\0{path.is_dir()} {len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def fill(folder: Path, source: Path) -> None:
    """Move all that is in `source`, which keeps the inodes, into the empty `folder`."""
    for path in source.iterdir():
        path.rename(folder / path.name)
