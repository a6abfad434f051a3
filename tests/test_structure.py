"""The rules of the house that a machine can hold."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "imnet_data"

# A package imports what stands in a lower layer, and nothing beside or above it.
LAYERS = [
    {"errors", "arguments"},
    {"record", "rng", "native", "html"},
    {"machine", "imagenet", "jpeg", "augment", "metrics"},
    {"storage"},
    {"images", "transforms", "archives"},
    {"formats"},
    {"dataset"},
    {"sources", "loaders", "synth"},
    {"conversion", "exports", "inspection", "train"},
    {"verification", "evaluation", "bench"},
    {"demo", "installation"},
    {"demo_store"},
    {"cli"},
]
# each of their parameters is one that a caller has to say, and they have no common noun
LONG = {"open_loader", "convert", "convert_part"}
VAGUE = {"utils", "util", "helpers", "common", "base", "core", "manager", "misc"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    """Return a file's dotted name under imnet_data; a package's is that of its folder."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def noun(path: Path) -> str:
    """Name the module or package under imnet_data that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Return the dotted names under imnet_data that a file imports, if only for type checkers."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "imnet_data":
            module = str(node.module).removeprefix("imnet_data").removeprefix(".")
            for alias in node.names:
                dotted = f"{module}.{alias.name}".removeprefix(".")
                yield dotted if dotted in NAMES else module
        elif isinstance(node, ast.Import):
            yield from (
                alias.name.removeprefix("imnet_data.")
                for alias in node.names
                if alias.name.startswith("imnet_data.")
            )


NAMES = {dotted(path) for path in modules()}


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    return (
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)
    )


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_to_lower_layers(path: Path) -> None:
    name = noun(path)
    if name in {"__init__", "__main__"}:
        return
    rank = {member: number for number, layer in enumerate(LAYERS) for member in layer}
    assert name in rank, f"{name} has no place in LAYERS"
    for other in {one.split(".")[0] for one in imported(path)} - {name}:
        assert rank[other] < rank[name], f"{name} imports {other}"


def test_no_module_imports_itself_through_others() -> None:
    imports = {dotted(path): set(imported(path)) - {dotted(path)} for path in modules()}
    assert (
        sum(map(len, imports.values())) > 500
    )  # so that a reader of imports that finds none fails
    settled: set[str] = set()
    while ready := {name for name in imports.keys() - settled if imports[name] <= settled}:
        settled |= ready
    assert imports.keys() - settled == set()


def test_the_root_has_few_files_and_each_package_says_what_belongs_there() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 8
    packages = list(PACKAGE.glob("*/__init__.py"))
    assert len(packages) > 10
    for path in packages:
        said = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert "elong" in said, path.parent.name


def test_docstrings_begin_with_what_code_does() -> None:
    documented = [
        (path.name, node.name, (ast.get_docstring(node) or "").split())
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    ]
    first_words = [(file, name, words[0]) for file, name, words in documented if words]
    assert len(first_words) > 500
    spoken = {"Give", "Gives", "Tell", "Tells", "Say", "Says"}
    assert [each for each in first_words if each[2] in spoken] == []


def test_importing_the_package_imports_numpy_at_most() -> None:
    code = (
        "import sys; before = set(sys.modules); import imnet_data;"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    foreign = set(out.stdout.split()) - set(sys.stdlib_module_names) - {"imnet_data", "numpy"}
    assert foreign == set()


def test_help_names_each_command_on_one_line_and_imports_none_of_them() -> None:
    code = (
        "import atexit, sys; from imnet_data.cli import main;"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main(['--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    listed = done.stdout.partition("Commands:\n")[2].splitlines()
    commands = {path.stem for path in (PACKAGE / "cli").glob("*.py")}
    commands -= {"__init__", "examples", "output", "progress", "values"}
    assert {line.split()[0] for line in listed} == commands
    assert len(listed) == len(commands)
    assert all(line.endswith(".") and "..." not in line for line in listed)
    assert "numpy" not in done.stderr.split()


def test_no_dependency_is_only_declared() -> None:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    declared = {line.partition(">=")[0] for line in project["dependencies"]}
    assert "lmdb" in declared
    for name in declared:
        module = {"pillow": "PIL"}.get(name, name)
        statement = re.compile(rf"^ *(import|from) {module}\b", re.MULTILINE)
        assert any(statement.search(path.read_text()) for path in modules()), name


def test_every_public_name_is_there_and_listed_in_order() -> None:
    import imnet_data

    assert "convert" in imnet_data.__all__
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
    native = PACKAGE / "native"
    paths = [path.relative_to(native) for path in sorted(native.rglob("*.?pp"))]
    assert paths
    for path in paths:
        text = (native / path).read_text()
        assert len(text.splitlines()) <= 400, path
        assert path.parts[0] == "bind" or "nanobind" not in text, path


def test_one_place_words_the_command_that_checks_a_dataset() -> None:
    """A message that spells it by itself leaves out the dataset, or names an option of old."""
    spelled = [
        path.relative_to(PACKAGE).as_posix()
        for path in modules()
        if re.search(r"imnet-data verify \S|verify it", path.read_text())
    ]
    assert spelled == ["cli/verify.py", "errors.py"]  # the first has them as examples of --help


def test_no_two_files_of_tests_have_one_name() -> None:
    """Pytest imports each by its name alone."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert len(names) > 50
    assert sorted(names) == sorted(set(names))
