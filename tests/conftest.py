"""Fixtures shared by all tests: where the real recordings are, and skipping without them."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests of real recordings, with a reason, where those are absent."""
    if (SHARED / "data").is_dir():
        return
    absent = pytest.mark.skip(reason=f"real recordings absent: no {SHARED / 'data'}")
    for item in items:
        if item.get_closest_marker("realdata"):
            item.add_marker(absent)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real recordings; use it in tests marked `realdata` only."""
    return SHARED / "data"
