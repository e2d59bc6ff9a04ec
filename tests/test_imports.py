"""Who may import whom: the layers of the core, the narrow door of the plugins, and what must stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "synthgen"
PLUGINS = sorted(path for path in (ROOT / "plugins").iterdir() if path.is_dir())
PLUGIN_NAMES = {path.name for path in PLUGINS}

LAYERS: tuple[tuple[str, ...], ...] = (
    ("allocator", "errors", "seeding"),
    ("config",),
    ("api",),
    ("answers", "hookspecs", "builtin", "discovery"),
    ("plugins",),
    ("registry",),
    ("diffusion", "nn"),
    ("distributed", "data", "io"),
    ("testing", "training", "generation", "evaluation"),
    ("cli",),
    ("__main__",),
)
"""From the bottom up. A part imports its own layer and those below it."""

TENSORS_ONLY = {"diffusion", "nn"}
HEAVY = {"torch", "torchvision", "numpy", "pandas", "pyarrow", "scipy", "sklearn", "matplotlib", "PIL", "tsai", "pyts"}
LIGHT = [
    "__init__",
    "__main__",
    "api",
    "config",
    "errors",
    "allocator",
    "seeding",
    "answers",
    "hookspecs",
    "builtin",
    "discovery",
    "plugins",
    "registry",
]
PLUGIN_MAY_IMPORT = {"__version__", "api", "errors", "seeding", "config", "data", "io", "nn", "diffusion", "registry"}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def modules_of(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imported(node: ast.AST) -> Iterator[str]:
    """Every module named by an import below this node, `from a import b` as both `a` and `a.b`."""
    for item in ast.walk(node):
        if isinstance(item, ast.Import):
            yield from (alias.name for alias in item.names)
        elif isinstance(item, ast.ImportFrom):
            assert item.level == 0, f"relative import at line {item.lineno}: write the whole name"
            yield from (f"{item.module}.{alias.name}" for alias in item.names)


def at_import_time(path: Path) -> ast.Module:
    """The module without function bodies and without what only type checkers see."""

    class Strip(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            return None

        visit_AsyncFunctionDef = visit_FunctionDef

        def visit_If(self, node: ast.If) -> ast.AST | None:
            return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)

    stripped = Strip().visit(ast.parse(path.read_text(encoding="utf-8")))
    assert isinstance(stripped, ast.Module)
    return stripped


def parts_of_core(names: Iterator[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("synthgen.")} - {"__version__"}


def core_parts() -> dict[str, list[Path]]:
    return {
        path.stem: modules_of(path)
        for path in sorted(CORE.iterdir())
        if (path.suffix == ".py" or (path.is_dir() and modules_of(path))) and path.name != "__init__.py"
    }


@pytest.mark.parametrize("part", core_parts())
def test_each_part_of_the_core_imports_only_its_own_layer_and_those_below(part: str) -> None:
    level = {name: height for height, layer in enumerate(LAYERS) for name in layer}
    assert part in level, f"synthgen/{part} has no place in LAYERS"
    for path in core_parts()[part]:
        for target in parts_of_core(imported(tree(path))):
            assert target in level, f"{path}: synthgen.{target} has no place in LAYERS"
            assert level[target] <= level[part], f"{path} imports synthgen.{target}, which lies above it"


@pytest.mark.parametrize("part", sorted(TENSORS_ONLY))
def test_networks_and_diffusion_know_tensors_only(part: str) -> None:
    for path in modules_of(CORE / part):
        for name in imported(tree(path)):
            top = name.split(".")[0]
            if top == "synthgen":
                assert name.split(".")[1] in TENSORS_ONLY | {"api", "errors", "seeding"}, f"{path} imports {name}"
            else:
                assert top in sys.stdlib_module_names | {"torch", "numpy"}, f"{path} imports {name}"


def test_the_core_names_no_plugin() -> None:
    for path in modules_of(CORE):
        for name in imported(tree(path)):
            assert name.split(".")[0] not in PLUGIN_NAMES, f"{path} imports {name}"
        for item in ast.walk(tree(path)):
            if isinstance(item, ast.Constant) and isinstance(item.value, str) and "\n" not in item.value:
                assert not any(plugin in item.value for plugin in PLUGIN_NAMES), f"{path}:{item.lineno} {item.value!r}"


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_imports_the_open_parts_of_the_core_and_no_other_plugin(plugin: Path) -> None:
    for path in modules_of(plugin):
        for name in imported(tree(path)):
            top, *rest = name.split(".")
            assert top not in PLUGIN_NAMES - {plugin.name}, f"{path} imports {name}"
            if top == "synthgen":
                assert rest[0] in PLUGIN_MAY_IMPORT, f"{path} imports {name}"
                assert rest[0] != "api" or len(rest) <= 2, f"{path} imports {name}: take it from synthgen.api"
                private = [part for part in rest if part.startswith("_") and part != "__version__"]
                assert not private, f"{path} imports the private name {name}"


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_a_plugins_entry_module_imports_the_api_and_nothing_else(plugin: Path) -> None:
    for name in imported(at_import_time(plugin / "__init__.py")):
        public = name.startswith("synthgen.api.") and name.count(".") == 2
        allowed = public or name.split(".")[0] in sys.stdlib_module_names
        assert allowed, f"{plugin.name}/__init__.py imports {name}"


def test_only_the_command_line_knows_typer_and_rich() -> None:
    for path in [*modules_of(CORE), *(module for plugin in PLUGINS for module in modules_of(plugin))]:
        if path.is_relative_to(CORE / "cli"):
            continue
        for name in imported(tree(path)):
            assert name.split(".")[0] not in ("typer", "rich", "click"), f"{path} imports {name}"


def test_tsai_is_imported_in_one_file_and_inside_a_function() -> None:
    everything = [*modules_of(CORE), *(module for plugin in PLUGINS for module in modules_of(plugin))]
    users = [path for path in everything if any(name.split(".")[0] == "tsai" for name in imported(tree(path)))]
    assert [path.parent.name for path in users] == ["synthgen_timeseries"]
    assert not any(name.split(".")[0] == "tsai" for name in imported(at_import_time(users[0])))


@pytest.mark.parametrize("name", [*LIGHT, "cli"])
def test_light_modules_import_nothing_heavy_at_their_top(name: str) -> None:
    for path in modules_of(CORE / name if (CORE / name).is_dir() else CORE / f"{name}.py"):
        for module in imported(at_import_time(path)):
            assert module.split(".")[0] not in HEAVY, f"{path} imports {module}"


def test_every_module_says_its_purpose_and_defers_annotations() -> None:
    for path in [*modules_of(CORE), *(module for plugin in PLUGINS for module in modules_of(plugin))]:
        module = tree(path)
        assert ast.get_docstring(module), f"{path} does not say what it is for"
        if len(module.body) > 1:
            assert ast.unparse(module.body[1]) == "from __future__ import annotations", path
        assert path.stem not in ("utils", "helpers", "common", "misc"), f"{path}: name it for what it holds"


def heavy_modules_after(program: str) -> set[str]:
    report = "import sys; print('|'.join(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)"
    result = subprocess.run(
        [sys.executable, "-c", f"import atexit\natexit.register(lambda: exec({report!r}))\n{program}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return HEAVY & set(result.stderr.strip().splitlines()[-1].split("|"))


def test_importing_synthgen_and_finding_every_plugin_imports_nothing_heavy() -> None:
    program = (
        "import synthgen, synthgen.api, synthgen.plugins, synthgen.registry as registry\n"
        "assert synthgen.plugins.plugin_host().as_json()\n"
        "assert {'image', 'mask', 'timeseries'} <= set(registry.names('modalities'))\n"
        "for kind in synthgen.plugins.KINDS: registry.specs(kind)"
    )
    assert heavy_modules_after(program) == set()


def test_showing_help_imports_nothing_heavy() -> None:
    program = "import sys; sys.argv = ['synthgen', '--help']\nfrom synthgen.cli import main\nsys.exit(main())"
    assert heavy_modules_after(program) == set()
