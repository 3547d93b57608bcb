"""The public names of physioprep: functions and classes, documented, and known to mypy."""

import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import physioprep as pp

ROOT = Path(__file__).resolve().parents[1]
NAMES = [name for name in pp.__all__ if name != "__version__"]


def test_no_module_takes_the_name_of_a_function() -> None:
    """Importing a submodule sets an attribute on its package: all are imported first."""
    for path in sorted((ROOT / "physioprep").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        import_module(name.removesuffix(".__init__"))
    for name in NAMES:
        value = getattr(pp, name)
        assert inspect.isfunction(value) or inspect.isclass(value), name
        assert value.__name__ == name
        assert inspect.getdoc(value)
    assert set(pp.__all__) <= set(dir(pp))


def test_every_name_is_on_the_page() -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"`pp\.(\w+)`", page)) == sorted(NAMES)


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'opn_store'"):
        pp.opn_store  # type: ignore[attr-defined]  # noqa: B018


def test_mypy_finds_a_misspelt_name(tmp_path: Path) -> None:
    """The surface alone is checked, without what it imports: this takes seconds, not minutes."""
    code = "import physioprep as pp\npp.opn_store('mitdb.zarr')\npp.open_store('mitdb.zarr')\n"
    for package in ("physioprep", "models/physiomodels"):
        surface = ROOT / package / "__init__.py"
        (tmp_path / surface.parent.name).mkdir()
        (tmp_path / surface.parent.name / "__init__.py").write_text(surface.read_text())
    (tmp_path / "user.py").write_text(code + "from physiomodels import pretrian\n")
    options = "--config-file= --no-site-packages --ignore-missing-imports --cache-dir=/dev/null"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options.split(), "user.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.findall(r'"(\w+)"(?:;|$)', done.stdout, re.M)[:2] == ["opn_store", "pretrian"]
    assert done.stdout.splitlines()[-1].startswith("Found 2 errors")
