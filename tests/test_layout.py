"""The directions of imports, circles, sizes, and that importing physioprep stays light."""

import ast
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (ROOT / "physioprep", ROOT / "models" / "physiomodels")

# A module imports from its own layer and from those below it, never from one above. Within a
# layer, and within every package, no circle is allowed: see `all_circles`. One thing bends: the
# runner (parallel) names the functions of its tasks, which lie above it, as text.
LAYERS = [
    {"atomic", "exchange", "outputs", "lock", "new_folder", "pictures", "versions", "errors",
     "limits", "documents", "recording", "samples", "facts", "facts_parts", "facts_yaml", "hashes",
     "manifest", "query", "retry", "file_systems", "remote", "remote_zarr", "plain_text", "splits",
     "bounds", "suggest", "web", "listings", "patterns", "zarr_metadata", "zarr_files", "strays",
     "local_path", "notebook", "shown", "trees", "work_folder", "xml_pieces", "channel_choice",
     "lead_views", "starting", "decisions", "positions", "hub_address",
     "hub_files"},
    {"parallel"},
    {"readers"},
    {"harmonise", "corpora", "simulation", "drawing", "exporting"},
    {"store"},
    {"shards"},
    {"stream"},
    {"auditing", "viewing", "deriving", "browsing", "shard_exports", "describe", "verifying",
     "run_notes", "estimates"},
    {"hub"},
    {"console"},
    {"pipeline"},
    {"cli", "cli_audit", "cli_browse", "cli_derive", "cli_errors", "cli_export", "cli_hub",
     "cli_options", "cli_pictures", "cli_pipeline", "cli_predict", "cli_shard", "cli_split",
     "cli_train", "cli_words", "__main__"},
]  # fmt: skip
# The commands and steps that train, and nothing else, reach for the models.
MAY_TRAIN = {"cli_export", "cli_predict", "cli_train", "pipeline"}
TORCH_HOME = {"stream"}

FILE_LINES, FUNCTION_LINES = 400, 60


def modules_of(*packages: Path) -> dict[str, Path]:
    """Return the files of packages by dotted name; a package's name is its __init__.py."""
    return {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for package in packages
        for path in sorted(package.rglob("*.py"))
    }


def imported_modules(path: Path) -> set[tuple[str, str]]:
    """Return all (module, name) imported in a file, function bodies and TYPE_CHECKING included."""
    found: set[tuple[str, str]] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; the layout test reads absolute ones"
            found |= {(node.module or "", alias.name) for alias in node.names}
    return found


Graph = dict[str, set[str]]


def file_graph(modules: dict[str, Path]) -> Graph:
    """Return which module imports which.

    ``from package import name`` counts for the submodule of that name, else for the package's
    ``__init__.py``; that a parent package is imported with its submodule does not count.
    """
    graph: Graph = {}
    for name, path in modules.items():
        pairs = imported_modules(path)
        targets = {f"{m}.{n}" if f"{m}.{n}" in modules else m for m, n in pairs}
        graph[name] = (targets & modules.keys()) - {name}
    return graph


def room_graphs(modules: dict[str, Path]) -> dict[str, Graph]:
    """Return for each folder which of its files and sub-packages imports which other.

    An import counts between the children of the lowest folder that holds both modules; the
    folder's own ``__init__.py``, which names what others may use of it, is left out.
    """
    rooms: dict[str, Graph] = {}
    places = {
        name: (*name.split("."), "__init__") if path.name == "__init__.py" else (*name.split("."),)
        for name, path in modules.items()
    }
    for name, targets in file_graph(modules).items():
        for target in targets:
            a, b = places[name], places[target]
            depth = next(i for i, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1])
            if depth and "__init__" not in (a[depth], b[depth]):
                graph = rooms.setdefault(".".join(a[:depth]), {})
                graph.setdefault(a[depth], set()).add(b[depth])
    return rooms


def circles(graph: Graph) -> list[set[str]]:
    """Return the sets of nodes that reach each other."""

    def reached(node: str) -> set[str]:
        seen: set[str] = set()
        ahead = [node]
        while ahead:
            new = graph.get(ahead.pop(), set()) - seen
            seen |= new
            ahead += new
        return seen

    reach = {node: reached(node) for node in graph}
    found = [{b for b in reach[a] if a in reach.get(b, ())} for a in graph if a in reach[a]]
    return distinct(found)


def distinct(found: list[set[str]]) -> list[set[str]]:
    return [circle for n, circle in enumerate(found) if circle not in found[:n]]


def all_circles(*packages: Path) -> list[set[str]]:
    """Return the circles of files and those of the children of each folder, by full names."""
    modules = modules_of(*packages)
    found = circles(file_graph(modules))
    for room, graph in room_graphs(modules).items():
        found += [{f"{room}.{child}" for child in circle} for circle in circles(graph)]
    return distinct(found)


def test_nothing_imports_in_a_circle() -> None:
    found = [" <-> ".join(sorted(circle)) for circle in all_circles(*PACKAGES)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("files", "circle"),
    [
        # two files of one folder, one import hidden in a function
        ({"a.py": "import top.b", "b.py": "def f():\n    from top import a"}, {"top.a", "top.b"}),
        # three, one under TYPE_CHECKING
        (
            {"a.py": "from top.b import x", "b.py": "import top.c",
             "c.py": "if TYPE_CHECKING:\n    from top.a import y"},
            {"top.a", "top.b", "top.c"},
        ),
        # a package's __init__ imports a file that imports from the package
        (
            {"p/__init__.py": "from top.p.a import x", "p/a.py": "from top.p import y"},
            {"top.p", "top.p.a"},
        ),
        # packages, where no file is in a circle
        (
            {"p/a.py": "import top.q.a", "q/a.py": "", "q/b.py": "from top.p import b",
             "p/b.py": ""},
            {"top.p", "top.q"},
        ),
        # a package and a file beside it
        ({"p/a.py": "import top.c", "c.py": "import top.p.b", "p/b.py": ""}, {"top.p", "top.c"}),
        # packages deeper down, by an import of a name out of a package
        (
            {"r/p/__init__.py": "", "r/p/a.py": "from top.r.q import z", "r/q/__init__.py": "",
             "r/q/b.py": "from top.r.p.c import z", "r/p/c.py": ""},
            {"top.r.p", "top.r.q"},
        ),
    ],
)  # fmt: skip
def test_a_planted_circle_is_found(tmp_path: Path, files: dict[str, str], circle: set[str]) -> None:
    plant(tmp_path, files)
    assert all_circles(tmp_path / "top") == [circle]


def test_a_way_down_and_a_surface_are_no_circles(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "p/__init__.py": "from top.p.a import x", "p/a.py": "import top.p.b",
            "p/b.py": "from top.q import z", "q/__init__.py": "from top.q.a import z",
            "q/a.py": "import os",
        },
    )  # fmt: skip
    assert all_circles(tmp_path / "top") == []


def plant(folder: Path, files: dict[str, str]) -> None:
    for name, text in {"__init__.py": "", **files}.items():
        path = folder / "top" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def part_of(path: Path) -> str:
    first = path.relative_to(ROOT / "physioprep").parts[0]
    return first.removesuffix(".py")


def layer_of(part: str) -> int:
    for number, parts in enumerate(LAYERS):
        if part in parts:
            return number
    raise AssertionError(f"physioprep/{part} is in no layer: add it to LAYERS")


SOURCES = sorted((ROOT / "physioprep").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":  # the public surface names everything, lazily
        return
    for module, name in imported_modules(path):
        first, *rest = f"{module}.{name}".rstrip(".").split(".")
        if first == "physiomodels":
            assert part in MAY_TRAIN, f"{path} imports {module}; only commands that train may"
        if first == "torch":
            assert part in TORCH_HOME, f"{path} imports torch; only physioprep.stream may"
        if first == "physioprep":
            if not rest:
                assert layer_of(part) == len(LAYERS) - 1, f"{path}: the surface is for commands"
            elif rest[0] != part:
                below = layer_of(rest[0]) <= layer_of(part)
                assert below, f"{path} imports {module}, which is above it"


def long_ones(paths: Iterable[Path]) -> set[str]:
    """Return files and functions that are too long to read in one go.

    A docstring does not count; nor, of a command, the list of its options.
    """
    found = set()
    for path in paths:
        name = path.relative_to(ROOT).as_posix().removeprefix("models/")
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > FILE_LINES:
            found.add(name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first, last = node.body[0], node.body[-1]
                begin = first.lineno if path.name.startswith("cli") else node.lineno
                lines = (last.end_lineno or 0) - begin + 1
                if ast.get_docstring(node) is not None:
                    lines -= (first.end_lineno or 0) - first.lineno + 1
                if lines > FUNCTION_LINES:
                    found.add(f"{name}: {node.name}")
    return found


def test_no_file_and_no_function_is_too_long() -> None:
    folders = (*PACKAGES, ROOT / "tests", ROOT / "benchmarks")
    assert sorted(long_ones(path for folder in folders for path in folder.rglob("*.py"))) == []


HEAVY = ["torch", "pandas", "dask", "mne", "neurokit2", "matplotlib", "sklearn", "zarr", "wfdb"]


def test_importing_physioprep_is_light() -> None:
    code = f"import sys, physioprep; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_line_is_light() -> None:
    """Help takes no NumPy, and tasks of this process take no Dask."""
    code = (
        "import sys, physioprep.cli\n"
        "assert 'numpy' not in sys.modules\n"
        "from physioprep.parallel.run import run_tasks\n"
        "run_tasks('sleep', [0], {}, lambda item, result: print(item))\n"
        "assert 'dask' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


def test_toolkit_works_without_torch() -> None:
    """All of physioprep but the stream imports where torch is not installed."""
    modules = [
        name
        for name, path in modules_of(PACKAGES[0]).items()
        if part_of(path) not in TORCH_HOME | {"__init__"}
    ]
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from importlib import import_module\n"
        f"[import_module(name) for name in {modules}]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
