"""Run one notebook with papermill, guarded against what papermill lets pass.

It only warns about an unknown parameter, lets the defaults win when the ``parameters`` tag is lost,
and needs a kernel of the recorded name. Here the first two are errors, the kernel is python3, and
the output appears whole or not at all: what a failed one has executed is kept under another name.
"""

import ast
import contextlib
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# nbformat would import grammars of internet addresses and of periods of time, which no notebook's
# schema asks for, and which take longer than all the rest here together.
for grammar in ("rfc3987_syntax", "isoduration"):
    sys.modules.setdefault(grammar, None)

import nbformat  # noqa: E402
import papermill  # noqa: E402
from papermill.exceptions import PapermillException  # noqa: E402
from traitlets.config import Config  # noqa: E402

from irmas_utils.project import files, kernels, paths  # noqa: E402
from irmas_utils.project.errors import NotebookError  # noqa: E402

_NUMBER = re.compile(r"[-+]?(?!0\d)(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}


def execute(notebook: Path, output: Path, parameters: dict[str, Any]) -> Path:
    """Execute a notebook, write the result to `output` and return that path.

    `parameters` are JSON values for names that the notebook's ``parameters`` cell assigns. Raises
    NotebookError if the source is unusable, a parameter is unknown, or a cell fails; in the last
    case the message says where the partly executed notebook is.
    """
    if output.resolve() == notebook.resolve():
        expected = "another file, for the notebook with its outputs"
        raise NotebookError(output, "the notebook itself", expected, "Name another output.")
    known = parameters_of(notebook)
    if unknown := sorted(parameters.keys() - known.keys()):
        found, expected = f"unknown parameter {', '.join(unknown) or repr('')}", ", ".join(known)
        raise NotebookError(notebook, found, expected, "Check the spelling.")
    failed = output.with_name(f"{output.stem}.failed{output.suffix}")
    with files.replacing(output) as temporary:
        try:
            _run(notebook, temporary, parameters)
        except (PapermillException, RuntimeError) as error:  # the latter where a kernel dies
            temporary.replace(failed)
            temporary.touch()
            name = getattr(error, "ename", type(error).__name__)
            found = " ".join(f"{name}: {getattr(error, 'evalue', error)}".split())
            remedy = f"The cells up to the failure, with their outputs, are in {failed}."
            raise NotebookError(notebook, found, "every cell to run", remedy) from error
    failed.unlink(missing_ok=True)
    return output


def _run(notebook: Path, output: Path, parameters: dict[str, Any]) -> None:
    # Trainings print a line an epoch instead of drawing a bar that nobody watches.
    os.environ["IRMAS_BATCH"] = "1"
    options = {"kernel_name": "python3", "language": "python", "progress_bar": False}
    options |= {"cwd": notebook.resolve().parent, "extra_arguments": [*kernels.OPTIONS]}
    # papermill takes braces in a path for a parameter's place.
    plain = [str(path).replace("{", "{{").replace("}", "}}") for path in (notebook, output)]
    with kernels.sockets() as folder, kernels.lent() as kernel:
        # Two that start together may choose the same TCP port.
        manager = {"transport": "ipc", "connection_file": f"{folder}/kernel.json"}
        config = Config({"KernelManager": manager})
        papermill.execute_notebook(*plain, parameters, **options, config=config, **kernel)


def parameters_of(notebook: Path) -> dict[str, Any]:
    """Return the names and defaults that a notebook's ``parameters`` cell assigns.

    Raises NotebookError if the file is no notebook, has not exactly one tagged cell, or that cell
    holds anything but assignments of plain JSON literals.
    """
    try:
        cells = nbformat.read(notebook, as_version=4).cells
        cells = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    except Exception as error:  # a damaged file can fail in any way at all
        found = f"{type(error).__name__}: {error}"
        remedy = "Check the path, or restore the file (`git checkout`)."
        raise NotebookError(notebook, found, "a Jupyter notebook", remedy) from error
    if len(cells) != 1:
        found = f"{len(cells)} cells tagged `parameters`"
        remedy = "Tag the cell that assigns the parameters, and no other."
        raise NotebookError(notebook, found, "exactly one", remedy)
    values = {}
    try:
        for node in ast.parse(cells[0].source).body:
            if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
                raise ValueError(f"line {node.lineno}")
            values[node.targets[0].id] = ast.literal_eval(node.value)
        json.dumps(values)
        return values
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        found = f"a parameters cell with more than plain literals ({error})"
        expected, remedy = "one `name = literal` a line", "Move everything else to a later cell."
        raise NotebookError(notebook, found, expected, remedy) from error


def read_parameters(notebook: Path, texts: Mapping[str, str]) -> dict[str, Any]:
    """Read the values of a notebook's parameters from texts of the command line.

    Where the default is text, the value is, as a run's name always; paths are made absolute, for
    the kernel starts in the notebook's folder. Raises NotebookError as `parameters_of`.
    """
    defaults, values = parameters_of(notebook), {}
    for name, text in texts.items():
        is_text = isinstance(defaults.get(name), str) or (name == "run" and text != "null")
        value = text if is_text else parse_value(text)
        if name.endswith("_path") and value is not None:
            value = str(paths.given(text))
        values[name] = paths.given_profile(text) if name == "profile" else value
    return values


def parse_value(text: str) -> Any:
    """Read a number, true, false, null, or a JSON list or object; all else is the text itself.

    >>> parse_value("1e-4"), parse_value("[1, 2]"), parse_value("007"), parse_value("null")
    (0.0001, [1, 2], '007', None)
    """
    with contextlib.suppress(ValueError, RecursionError):
        value = _WORDS.get(text, text)
        if text.startswith(("[", "{")):
            value = json.loads(text)
        elif _NUMBER.fullmatch(text):
            value = int(text) if text.lstrip("+-").isdigit() else float(text)
        json.dumps(value, allow_nan=False)  # infinity is no JSON
        return value
    return text
