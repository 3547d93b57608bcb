"""``python -m physioprep`` is the command line."""

from physioprep.cli import app

if __name__ == "__main__":
    app()
