"""One attack: a file is damaged, read, and what comes of it judged.

The verdict of each mutant is one of two. Either one error of ours, in one line that names the
file; or content that `Subject.judge` takes for right, within 5 s and 1 GB. What is right differs
between formats, and each judge says it: the format may know the damage (a checksum), a plain
reading of the same bytes by an independent decoder may be compared, or, where neither is at hand,
only the promises of a `Recording` hold: shapes, lengths, finite rates.
"""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from physioprep.errors import PhysioprepError
from tests.fuzz.mutate import mutate

SECONDS, BYTES = 5.0, 1 << 30


@dataclass(frozen=True)
class Mutant:
    """A damaged copy of the files of a subject."""

    path: Path  # what is read
    target: Path  # the file that is damaged
    before: bytes  # the whole file
    after: bytes  # the damaged one


@dataclass(frozen=True)
class Subject:
    """What is damaged, how it is read, and what counts as right."""

    make: Callable[[Path], Path]  # writes the files into a folder, returns what is read
    targets: tuple[str, ...]  # glob patterns of the files to damage
    read: Callable[[Path], Any]
    judge: Callable[[Any, Any, Mutant], str | None]  # good, found, mutant; why it is not right
    guarded: bool = False  # read in another process, which has its own limit of memory


@contextmanager
def little_memory(limited: bool) -> Iterator[None]:
    if not limited:
        yield
        return
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def names(text: str, mutant: Mutant) -> bool:
    """Return whether an error names a file of the subject; "r" alone is no name."""
    stem = mutant.path.name.partition("#")[0].partition(".")[0]
    known = [str(mutant.path.parent), mutant.target.name, *([stem] if len(stem) > 3 else [])]
    return any(name in text for name in known)


def verdict(subject: Subject, good: Any, mutant: Mutant, folder: Path) -> str | None:
    """Return why a mutant is read wrongly, None if it is not."""
    begun, stopped = time.monotonic(), False
    try:
        with little_memory(not subject.guarded):
            found = subject.read(mutant.path)
        wrong = subject.judge(good, found, mutant)
    except PhysioprepError as error:
        text = str(error)
        wrong, stopped = None, "took longer than" in text
        if "\n" in text or len(text) > 1000:
            wrong = f"not one line: {text[:400]!r}"
        elif not names(text, mutant):
            wrong = f"does not name the file: {text}"
        elif "reader failed" in text or (not subject.guarded and "fit into memory" in text):
            wrong = text
    except Exception as error:
        wrong = f"foreign {type(error).__name__}: {error}"[:400]
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        if where is not None:
            wrong += f" at {where.tb_frame.f_code.co_filename}:{where.tb_lineno}"
    seconds = time.monotonic() - begun
    # The kernel ends a parser in its own process after 4 s of processor time; others may have
    # kept it waiting.
    most = 2 * SECONDS if subject.guarded else SECONDS
    if wrong is None and seconds > most and not stopped:
        wrong = f"took {seconds:.1f} s"
    return wrong


def attack(subject: Subject, folder: Path, numbers: range, seed: str) -> list[str]:
    """Return what is wrong with how mutants are read, one line each."""
    first = folder / "good"
    first.mkdir()
    path = subject.make(first)
    good = subject.read(path)
    targets = sorted(
        file for each in subject.targets for file in first.glob(each) if file.is_file()
    )
    assert targets
    faults = []
    for number in numbers:
        random = Random(f"{seed}/{number}")
        original = random.choice(targets)
        before = original.read_bytes()
        after = mutate(before, random)
        copy = folder / f"m{number}"  # a folder of its own: no cache knows its files
        shutil.copytree(first, copy)
        target = copy / original.relative_to(first)
        target.write_bytes(after)
        mutant = Mutant(copy / path.relative_to(first), target, before, after)
        wrong = verdict(subject, good, mutant, copy)
        if wrong is not None and "took" in wrong:  # once more: others may have kept us waiting
            wrong = verdict(subject, good, mutant, copy)
        if wrong is None:
            shutil.rmtree(copy)
        else:
            faults.append(f"{number} {target.relative_to(copy)}: {wrong}")
    return faults
