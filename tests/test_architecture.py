"""The plan that one sees from `ls`: eight rooms, imports that run one way, short functions."""

import ast

import pytest

from irmas_utils.project import paths

ROOMS = ("project", "audio", "data", "metrics", "models", "systems", "plots", "paper")
MODULES = sorted(paths.PACKAGE.rglob("*.py"))


def imported_rooms(tree):
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        for top, _, rest in (name.partition(".") for name in names):
            if top == paths.PACKAGE.name and rest.partition(".")[0] in ROOMS:
                yield rest.partition(".")[0]


def against_the_direction(room, code):
    allowed = ROOMS[: ROOMS.index(room) + 1]
    return {found for found in imported_rooms(ast.parse(code)) if found not in allowed}


def test_there_are_eight_rooms_and_nothing_else():
    entries = {p.name for p in paths.PACKAGE.iterdir() if p.name != "__pycache__"}
    assert entries == {"__init__.py", "__main__.py", *ROOMS}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way(room):
    found = {
        str(path.relative_to(paths.PACKAGE)): wrong
        for path in MODULES
        if path.is_relative_to(paths.PACKAGE / room)
        and (wrong := against_the_direction(room, path.read_text()))
    }
    assert found == {}


def test_an_import_against_the_direction_is_seen():
    code = "def f():\n    from irmas_utils.systems import mixtures"
    assert against_the_direction("models", code) == {"systems"}
    assert against_the_direction("audio", "from irmas_utils import plots") == {"plots"}
    assert not against_the_direction("systems", code)


def test_no_function_is_over_forty_lines():
    long = {
        f"{path.stem}.{node.name}": lines
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := _lines_of_code(node)) > 40
    }
    assert long == {}


def _lines_of_code(function):
    """Lines from the signature to the end, docstring left out."""
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = first.end_lineno - first.lineno + 1 if is_docstring else 0
    return function.end_lineno - function.lineno + 1 - docstring
