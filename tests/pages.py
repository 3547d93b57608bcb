"""Run the code of a page of documentation, and compare what it prints with what the page shows.

``python -m tests.pages docs/tutorials/ecg.md`` runs a tutorial in an empty folder, writes what was
printed and drawn into the page, and says how long it took.

A block of ```bash or ```python is run unless it has the flag ``no-run``; ``real`` marks one that
needs real recordings, ``exit-1`` one whose last command ends with that code. A block of
```text output`` shows what the block before it prints; ``...`` stands for anything. Of
``output near`` the numbers may differ a little, as those of a training do between processors.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import json
import multiprocessing
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"^!\[[^\]]*\]\((\S+/tutorials/\S+\.png)\)", re.MULTILINE)
#: What is another in each run or with each version, in what the verbs print.
_OTHERWISE = re.compile(r"^((?:seconds|windows per second|plan|plan_sha256) +)\S.*$", re.MULTILINE)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
#: How far apart numbers are that are near: a tenth of what an AUROC can be.
_NEAR = 0.1
#: Pictures of real recordings, which are drawn only where those are.
REAL_PICTURES = ("ecg-mitdb",)
#: How lines begin that run in a fork of a process that has imported all.
_FORKED = ("physioprep ", "python -c ")
_FORK = multiprocessing.get_context("fork")
_ALIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the words behind it, its text, and what it should print."""

    language: str
    flags: tuple[str, ...]
    code: str
    output: str | None = None
    near: bool = False

    @property
    def exit_code(self) -> int:
        """The code that its last command ends with."""
        return 1 if "exit-1" in self.flags else 0


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page, each with the output that the page shows below it."""
    found: list[Block] = []
    for language, flags, code in BLOCK.findall(text):
        if "output" in flags.split():
            last = found.pop()
            near = "near" in flags.split()
            found.append(Block(last.language, last.flags, last.code, code, near))
        else:
            found.append(Block(language, tuple(flags.split()), code))
    return found


def to_run(page: Path, languages: Sequence[str], *, real: bool = True) -> list[Block]:
    """Return the blocks of a page that are run; those of real recordings only where `real`."""
    return [
        block
        for block in blocks(page.read_text(encoding="utf-8"))
        if block.language in languages
        and "no-run" not in block.flags
        and (real or "real" not in block.flags)
    ]


def run(found: Sequence[Block], work: Path, timeout_s: float = 1800) -> list[str]:
    """Run blocks in order in the folder `work`; return what each printed.

    All Python blocks share one process and its names.
    """
    told = work.parent / f"{work.name}.json"
    told.write_text(json.dumps([[b.language, b.code, b.exit_code] for b in found]))
    here = Path(__file__).resolve()
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", here, "--child", told],
        cwd=work, capture_output=True, text=True, timeout=timeout_s, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "COLUMNS": "80"},
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
    printed: list[str] = json.loads(told.read_text())
    return printed


def link_real(work: Path, data: Path) -> bool:
    """Link the real corpora that tutorials use into their folder; return whether they are there."""
    for name in ("mitdb", "eegmmidb"):
        if (data / name).is_dir():
            (work / name).symlink_to(data / name)
    return data.is_dir()


def is_shown(block: Block, printed: str) -> bool:
    """Return whether a page shows what a block printed; ``...`` stands for anything."""
    if block.output is None:
        return True
    shown = block.output
    if block.near:
        numbers = [[float(each) for each in _NUMBER.findall(text)] for text in (shown, printed)]
        if len(numbers[0]) != len(numbers[1]):
            return False
        if any(abs(a - b) > _NEAR for a, b in zip(*numbers, strict=True)):
            return False
        shown, printed = (_NUMBER.sub("0", text) for text in (shown, printed))
    return doctest.OutputChecker().check_output(shown, printed, _ALIKE)


def pictures(page: Path) -> list[Path]:
    """Return the committed pictures of a page; its blocks make files of the same names."""
    return [page.parent / name for name in PICTURE.findall(page.read_text(encoding="utf-8"))]


def shrunk(picture: Path) -> Image.Image:
    """Return a picture as it is committed: at most 800 pixels wide, of 32 colours."""
    image = Image.open(picture).convert("RGB")
    if image.width > 800:
        height = round(image.height * 800 / image.width)
        image = image.resize((800, height), Image.Resampling.LANCZOS)
    return image.quantize(32, Image.Quantize.MAXCOVERAGE)  # keeps black black


def _child(told: Path) -> None:
    """Run the blocks listed in a file, and write there what they printed."""
    here, there = _FORK.Pipe()
    # before anything runs: its forks have what is imported now, and no thread
    _import_all()
    verbs = _FORK.Process(target=_serve, args=(there,))
    verbs.start()
    names: dict[str, object] = {"__name__": "__main__"}
    printed = []
    for language, code, exit_code in json.loads(told.read_text()):
        if language == "bash":
            printed.append(_run_lines(code, exit_code, here))
        else:
            out = io.StringIO()
            try:
                with contextlib.redirect_stdout(out):
                    exec(compile(code, "<page>", "exec"), names)
            except Exception:
                here.send(None)
                sys.exit(f"{code}\n{traceback.format_exc()}")
            printed.append(out.getvalue())
    here.send(None)
    told.write_text(json.dumps(printed))


def _import_all() -> None:
    """Import what the verbs need, once for all of them."""
    for name in ("physioprep.cli", "numpy", "pandas", "zarr", "scipy.signal", "pyarrow.parquet",
                 "matplotlib.pyplot"):  # fmt: skip
        importlib.import_module(name)


def _run_lines(code: str, exit_code: int, verbs: Any) -> str:
    """Run a block's lines; a fork each for `physioprep` and `python -c`, bash for those between."""
    printed, rest, ended = "", "", 0
    lines = code.splitlines()
    for number, line in enumerate(lines):
        verb = line.startswith(_FORKED)
        if not verb:
            rest += f"{line}\n"
            if number + 1 < len(lines) and not lines[number + 1].startswith(
                ("physioprep ", "python")
            ):
                continue
        if verb:
            verbs.send(shlex.split(line))
            ended, out, err = verbs.recv()
        else:
            done = subprocess.run(
                ["bash", "-ec", rest], capture_output=True, text=True, check=False
            )
            rest, ended, out, err = "", done.returncode, done.stdout, done.stderr
        printed += out
        if ended != (exit_code if number + 1 == len(lines) else 0):
            verbs.send(None)
            sys.exit(f"exit code {ended}:\n{code}\n{printed}\n{err}")
    return printed


def _serve(pipe: Any) -> None:
    """Run what comes, each in a fork of its own, until None comes."""
    while (words := pipe.recv()) is not None:
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / "out", Path(folder) / "err"]
            one = _FORK.Process(target=_run_words, args=(words, files))
            one.start()
            one.join()
            pipe.send((one.exitcode, *(each.read_text() for each in files)))


def _run_words(words: list[str], files: list[Path]) -> None:
    """Run a verb, or `python -c CODE`, in this process; `> FILE` takes what it prints."""
    if ">" in words:
        *words, _, target = words
        files = [Path(target), files[1]]
        (Path(files[1].parent) / "out").touch()
    for number, each in enumerate(files, 1):
        os.dup2(os.open(each, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    program, *given = words
    if program == "python":
        exec(compile(given[1], "-c", "exec"), {"__name__": "__main__"})
    else:
        from physioprep.__main__ import main

        sys.argv = words
        main()


def _update(page: Path) -> None:
    """Run a page in an empty folder; write into it what was printed, and take its pictures."""
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "empty"
        work.mkdir()
        real = link_real(work, Path(__file__).resolve().parents[2] / "shared" / "data")
        found = to_run(page, ("bash", "python"), real=real)
        begun = time.monotonic()
        for block, printed in zip(found, run(found, work), strict=True):
            if not is_shown(block, printed):
                print(f"was other:\n{block.code}")
                fence = "```text output near" if block.near else "```text output"
                old = f"{block.code}```\n\n{fence}\n{block.output}```"
                new = f"{block.code}```\n\n{fence}\n{_trimmed(printed)}```"
                assert old in text, f"{page}: the output stands not directly below:\n{block.code}"
                text = text.replace(old, new, 1)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"{page}: {len(found)} blocks in {time.monotonic() - begun:.0f} s, "
            f"{used.ru_utime + used.ru_stime:.0f} s of processor time"
        )
        page.write_text(text, encoding="utf-8")
        for picture in pictures(page):
            picture.parent.mkdir(parents=True, exist_ok=True)
            shrunk(work / picture.name).save(picture, optimize=True)


def _trimmed(printed: str) -> str:
    lines = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    return _OTHERWISE.sub(r"\1...", lines)


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        _child(Path(sys.argv[2]))
    else:
        for each in sys.argv[1:]:
            _update(Path(each))
