"""Which code a result comes from: the files that are reached by imports, and their digest.

Two files are the same code if their syntax trees are, docstrings left out: neither a comment nor
a docstring is a reason to train again.
"""

import ast
import contextlib
import functools
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

from irmas_utils.project import paths

_MAGIC = re.compile(r"^(\s*)([%!].*|\w+ *= *[%!].*|.*\?)$", re.MULTILINE)
"""A line that IPython alone understands, such as ``%matplotlib inline``, after its indent."""
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def of_notebook(notebook: Path) -> str:
    """Return the code of a notebook's cells, as one text; what is no Python is a text in it."""
    content = notebook.read_bytes()
    try:
        cells = json.loads(content)["cells"]
        return "\n".join(_python("".join(c["source"])) for c in cells if c["cell_type"] == "code")
    except (ValueError, LookupError, TypeError, RecursionError):
        return f"_ = {content!r}"


@functools.cache
def _python(cell: str) -> str:
    """Return a cell's code, in which magics, or the whole where it is broken, stand as texts."""
    for code in (cell, _MAGIC.sub(lambda line: f"{line[1]}_ = {line[2]!r}", cell)):
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            ast.parse(code)
            return code
    return f"_ = {cell!r}"


def reached(code: str) -> list[Path]:
    """Return the files of this package that some code imports, directly or through others.

    Facts in a folder of a package count as source of its ``__init__`` that reads them.
    """
    found, pending = set(), _imported(code)
    while pending:
        found |= pending
        pending = {path for each in pending for path in _imports_of(each)} - found
    return sorted(found)


def digest(code: str, files: Iterable[Path]) -> str:
    """Return a short hash of what some code and some files do."""
    whole = hashlib.blake2b(_parsed(code)[0].encode(), digest_size=8)
    for path in sorted(files):
        whole.update(str(path.relative_to(paths.PACKAGE)).encode() + _digest_of(path))
    return whole.hexdigest()


def digest_of(*modules: str) -> str:
    """Return the digest of modules, such as ``irmas_utils.models.lstm``, and what they reach.

    The rooms ``project`` and ``data`` do not count, `project.backend` aside: what they give to a
    computation goes into its parts by content, and a setting that is added, or a corpus, must not
    make every network train again.
    """
    files = reached("\n".join(f"import {module}" for module in modules))
    backend = paths.PACKAGE / "project" / "backend.py"
    aside = {paths.PACKAGE / "project", paths.PACKAGE / "data"}
    return digest("", [p for p in files if p == backend or not aside & {*p.parents}])


@functools.cache
def _digest_of(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".py":
        content = _parsed(content.decode())[0].encode()
    return hashlib.blake2b(content, digest_size=16).digest()


@functools.cache
def _parsed(code: str) -> tuple[str, frozenset[str]]:
    """Return the syntax tree of some code without its docstrings, as text, and what it imports."""
    tree, names = ast.parse(code), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree), frozenset(names)


@functools.cache
def _imports_of(path: Path) -> frozenset[Path]:
    if path.suffix != ".py":
        return frozenset()
    facts = path.parent.glob("*.yaml") if path.name == "__init__.py" else ()
    return frozenset({*_imported(path.read_text(encoding="utf-8")), *facts})


def _imported(code: str) -> set[Path]:
    """Return the files of what some code imports of this package, and of the packages it is in."""
    found = set()
    for name in _parsed(code)[1]:
        if name.partition(".")[0] == paths.PACKAGE.name:
            parts = name.split(".")
            for depth in range(1, len(parts) + 1):
                base = paths.PACKAGE.parent.joinpath(*parts[:depth])
                found |= {base.with_suffix(".py"), base / "__init__.py"}
    return {path for path in found if path.is_file()}
