"""``python -m physioprep`` is the command line."""

from __future__ import annotations

import io
import os
import sys


def main() -> None:
    """Run the command line; where its libraries do not load, say so in one line (exit code 2)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a locale without "±" gets an escape
            stream.reconfigure(errors="backslashreplace")
    try:
        from physioprep.cli import app
    except (ImportError, MemoryError, OSError, RuntimeError) as error:
        cause = " ".join(f"{type(error).__name__} {error}".split())
        line = f"error: the libraries of physioprep do not load: {cause!a}\n"
        os.write(2, line.encode())  # what prints may be what does not load
        sys.exit(2)
    app()


if __name__ == "__main__":
    main()
