"""The rooms of `extract` are what its files say: read from their imports.

A contributor who knows `models/base` knows `extract/`: each source has a room of its own there.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.python.testing import ROOT

PACKAGE = ROOT / "extract"
SOURCES = ("wandb", "huggingface", "instances", "posttrain")
# What any source may use beside the shared modules of `extract` itself.
SHARED_ROOMS = ("landing", "olmes")
# They look at all rooms: the command line, and what has landed in each.
WHOLE = ("extract.__main__", "extract.cli", "extract.status")
# The client of the hub is what `instances` downloads with; nothing else of that room is shared.
SHARED_MODULES = {"instances": {"extract.huggingface.hub"}}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def imports(module: str) -> frozenset[str]:
    """The modules of `extract` that a file names, also inside functions and for types alone."""
    found: set[str] = set()
    path = MODULES[module]
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *filter(None, [base])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                found.add(whole if whole in MODULES else base)
    return frozenset(found & MODULES.keys() - {"extract"})


def room(module: str) -> str:
    """The folder of a module below `extract`; empty for the shared modules in it."""
    parts = module.split(".")
    return parts[1] if len(parts) > 2 or (PACKAGE / parts[-1]).is_dir() else ""


def test_every_source_has_the_room_that_its_base_models_have() -> None:
    folders = {path.name for path in (ROOT / "models" / "base").iterdir() if path.is_dir()}
    assert set(SOURCES) | {"landing"} == folders
    assert {room(module) for module in MODULES} - {""} == {*folders, "olmes", "simulator"}


def test_no_two_files_import_each_other() -> None:
    """Not by way of a third either."""
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way, module))
        if module not in done:
            for other in sorted(imports(module)):
                visit(other, (*way, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_what_it_may(module: str) -> None:
    own = room(module)
    for other in imports(module):
        named = room(other)
        if own == "simulator" or module in WHOLE:
            continue
        allowed = {"", own}
        if own in SOURCES:
            allowed |= set(SHARED_ROOMS)
        elif own == "olmes":
            allowed.add("landing")
        is_shared = other in SHARED_MODULES.get(own, set())
        assert named in allowed or is_shared, f"{module} imports {other}"


@pytest.mark.parametrize("source", [*SOURCES, "simulator"])
def test_each_source_has_its_command(source: str) -> None:
    """With its help and examples; cli.py only puts them together."""
    text = (PACKAGE / source / "command.py").read_text(encoding="utf-8")
    assert "Example" in text
    assert "typer.Option" not in (PACKAGE / "cli.py").read_text(encoding="utf-8")
