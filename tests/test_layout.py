"""The directions of imports, and that importing physioprep stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A module may import from its own layer and from those below it, never from one above.
LAYERS = [
    {"atomic", "versions", "recording", "errors", "facts", "manifest", "remote", "remote_zarr"},
    {"readers"},
    {"corpora", "harmonise", "simulation"},
    {"parallel"},
    {"store", "shards", "stream", "auditing", "viewing", "describe"},
    {"console"},
    {"pipeline"},
    {"cli", "cli_shard", "cli_train", "__main__"},
]
# The commands and steps that train, and nothing else, reach for the models.
MAY_TRAIN = {"cli_train", "pipeline"}
TORCH_HOME = {"stream"}


def part_of(path: Path) -> str:
    first = path.relative_to(ROOT / "physioprep").parts[0]
    return first.removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    """Absolute names of all modules imported anywhere in a file, function bodies included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; the layout test reads absolute ones"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def layer_of(part: str) -> int:
    for number, parts in enumerate(LAYERS):
        if part in parts:
            return number
    raise AssertionError(f"physioprep/{part} stands in no layer: add it to LAYERS")


SOURCES = sorted((ROOT / "physioprep").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":  # the public surface names everything, lazily
        return
    for name in imported_modules(path):
        pieces = name.split(".")
        if pieces[0] == "physiomodels":
            assert part in MAY_TRAIN, f"{path} imports {name}; only commands that train may"
        if pieces[0] == "torch":
            assert part in TORCH_HOME, f"{path} imports torch; only physioprep.stream may"
        if pieces[0] == "physioprep" and len(pieces) > 1 and pieces[1] != part:
            target = pieces[1]
            if not any(target in parts for parts in LAYERS):
                continue  # a name of physioprep/__init__, such as __version__
            below = layer_of(target) <= layer_of(part)
            assert below, f"{path} imports {name}, which is above it"


HEAVY = ["torch", "pandas", "dask", "mne", "neurokit2", "matplotlib", "sklearn", "zarr", "wfdb"]


def test_importing_physioprep_is_light() -> None:
    code = f"import sys, physioprep; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_loads() -> None:
    import physioprep

    for name in physioprep.__all__:
        assert getattr(physioprep, name) is not None


def test_toolkit_works_without_torch() -> None:
    """All of physioprep but the stream imports where torch is not installed."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in SOURCES
        if part_of(path) not in TORCH_HOME | {"__init__"}
    ]
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from importlib import import_module\n"
        f"[import_module(name) for name in {modules}]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
