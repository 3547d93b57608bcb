"""Fixtures shared by all tests: where the real recordings are, and skipping without them."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for real recordings, and skip it, with a reason, where those are absent."""
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.realdata)
    if (SHARED / "data").is_dir():
        return
    absent = pytest.mark.skip(reason=f"real recordings absent: no {SHARED / 'data'}")
    for item in items:
        if item.get_closest_marker("realdata"):
            item.add_marker(absent)


@pytest.fixture(scope="session", autouse=True)
def one_command_line() -> Iterator[None]:
    """Build the command line once: typer's runner builds all verbs anew for each call, in 65 ms."""
    import typer.testing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", cache(typer.testing._get_command))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real recordings: a test that takes it is marked `realdata`."""
    return SHARED / "data"


@pytest.fixture(scope="session")
def shared_or_absent() -> Path:
    """Folder of real recordings, for a test that does less where there is none."""
    return SHARED / "data"


@pytest.fixture(scope="session")
def tls_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with a key for Dask, made as docs/cluster.md says."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    docs = Path(__file__).resolve().parents[1] / "docs"
    home = tmp_path_factory.mktemp("home")
    page = (docs / "cluster.md").read_text()
    (lines,) = re.findall(r"^```bash\n([^`]*openssl req [^`]*)^```$", page, re.MULTILINE)
    subprocess.run(
        ["bash", "-ec", lines], cwd=docs / "cluster", env=os.environ | {"HOME": str(home)},
        check=True, capture_output=True,
    )  # fmt: skip
    return home


@pytest.fixture
def tls_configured(tls_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process and those that it starts find the key of `tls_home`."""
    import dask
    import distributed  # its defaults, if added below, would go when the settings are restored

    assert distributed.Security() is not None
    monkeypatch.setenv("HOME", str(tls_home))
    found = dask.config.collect([str(tls_home / ".config" / "dask")], env={})
    with dask.config.set(dask.config.merge(dask.config.config, found)):
        yield


@pytest.fixture
def dig(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Make folders in each other below a folder of a test, and remove them when it ends.

    pytest cannot remove so deep a folder, and ends in an error days later.
    """

    def down(folder: Path, name: str = "d", depth: int = 1100) -> Path:
        assert tmp_path in folder.parents
        where = folder / "deep"
        where.mkdir(parents=True)
        file = os.open(where, os.O_RDONLY)
        for _ in range(depth):
            os.mkdir(name, dir_fd=file)
            below = os.open(name, os.O_RDONLY, dir_fd=file)
            os.close(file)
            file = below
        os.close(file)
        return folder

    yield down
    subprocess.run(["rm", "-rf", tmp_path], check=True)
