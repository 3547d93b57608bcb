"""The public names of physiomodels: functions and classes, loaded when first used."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import physiomodels

ROOT = Path(physiomodels.__file__).parent


def test_importing_the_package_is_light() -> None:
    code = "import sys, physiomodels; print([m for m in ('torch', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_takes_the_name_of_a_function() -> None:
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        import_module(name.removesuffix(".__init__"))
    for name in physiomodels.__all__:
        value = getattr(physiomodels, name)
        assert callable(value)
        assert value.__name__ == name
    assert set(physiomodels.__all__) <= set(dir(physiomodels))
    with pytest.raises(AttributeError, match="no attribute 'opn'"):
        physiomodels.opn  # type: ignore[attr-defined]  # noqa: B018
