"""The rules of the house that a machine can hold."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "imnet_data"

# a module imports what stands above it, and nothing beside or below it; a package is one module
LAYERS = [
    {"errors", "closing", "provenance"},
    {"record", "labels", "rng", "native"},
    {"order", "files", "manifest", "tar", "jpeg", "pool", "reencode", "variants"},
    {"pipeline", "augment", "index", "description", "fixups", "formats"},
    {"metrics", "sources"},
    {"dataset", "journal", "plan", "synth"},
    {"expectation", "shard_writer", "loaders"},
    {"staging", "verify_shard"},
    {"finish", "comparison"},
    {"conversion", "verification"},
    {"restoration", "inspect"},
    {"inspect_charts", "inspect_text"},
    {"inspect_page", "demo", "train"},
    {"evaluation", "bench"},
    {"cli"},
]
# each of its parameters is one that a training script has to say, and they have no common noun
LONG = {"open_loader"}
VAGUE = {"utils", "util", "helpers", "common", "base", "core", "manager", "misc"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def noun(path: Path) -> str:
    """Name the module or package under imnet_data that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Give what a file imports of the package when it runs, by its name under imnet_data."""
    for node in ast.walk(without_typing(ast.parse(path.read_text()))):
        if isinstance(node, ast.ImportFrom) and node.module == "imnet_data":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("imnet_data."):
            yield str(node.module).split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (
                alias.name.split(".")[1]
                for alias in node.names
                if alias.name.startswith("imnet_data.")
            )


def without_typing(tree: ast.Module) -> ast.Module:
    """Leave out what only type checkers import."""
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    return tree


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    return (
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)
    )


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_upwards(path: Path) -> None:
    name = noun(path)
    if name in {"__init__", "__main__"}:
        return
    rank = {member: number for number, layer in enumerate(LAYERS) for member in layer}
    assert name in rank, f"{name} has no place in LAYERS"
    for other in set(imported(path)) - {name}:
        assert rank[other] < rank[name], f"{name} imports {other}"


def test_importing_the_package_imports_numpy_at_most() -> None:
    code = (
        "import sys; before = set(sys.modules); import imnet_data;"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    foreign = set(out.stdout.split()) - set(sys.stdlib_module_names) - {"imnet_data", "numpy"}
    assert foreign == set()


def test_every_public_name_is_there_and_listed_in_order() -> None:
    import imnet_data

    assert imnet_data.__all__ == sorted(imnet_data.__all__)
    for name in imnet_data.__all__:
        assert getattr(imnet_data, name) is not None


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_signatures_are_small_and_names_say_something(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert not VAGUE & set(path.relative_to(PACKAGE).with_suffix("").parts)
    for function in functions(path):
        if any("click" in ast.unparse(decorator) for decorator in function.decorator_list):
            continue  # one parameter an option
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        named = [argument.arg for argument in arguments if argument.arg not in {"self", "cls"}]
        assert len(named) <= 8 or function.name in LONG, f"{function.name}: {named}"


def test_native_files_are_small_and_python_is_known_to_the_bindings_alone() -> None:
    for path in sorted((PACKAGE / "native").glob("*.?pp")):
        text = path.read_text()
        assert len(text.splitlines()) <= 400, path.name
        assert path.name.startswith("bind") or "nanobind" not in text, path.name
