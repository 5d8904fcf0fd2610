import json

import pytest

from irmas_utils.project import paths, sources


def names(code):
    return {path.relative_to(paths.PACKAGE).as_posix() for path in sources.reached(code)}


def test_sources_follow_imports_and_the_facts_they_read():
    code = sources.of_notebook(paths.NOTEBOOKS / "03_lstm_model.ipynb")
    found = names(code)
    assert {"models/lstm.py", "models/training.py", "data/index.py"} <= found
    assert "data/published/irmas.yaml" in found
    assert not {"models/fft.py", "project/execute.py", "paper/site.py"} & found


@pytest.mark.parametrize(
    ("cell", "another"),
    [
        ("%matplotlib inline", "%matplotlib widget"),
        ("!ls", "!ls -l"),
        ("%%time\nx = 1", "%%time\nx = 2"),
        ("if True:\n    %cd -", "if True:\n    %cd"),
        ("files = !ls\nx?", "files = !ls\ny?"),
        ("x = (", "y = ("),
    ],
)
def test_magics_and_broken_cells_hide_nothing_of_the_others(cell, another, tmp_path):
    digests = set()
    for source in ("", cell, another):
        path = tmp_path / "nb.ipynb"
        other = "from irmas_utils.systems import mixtures"
        cells = [{"cell_type": "code", "source": [source]}, {"cell_type": "code", "source": other}]
        path.write_text(json.dumps({"cells": cells}))
        code = sources.of_notebook(path)
        assert "systems/mixtures.py" in names(code)
        digests.add(sources.digest(code, []))
    assert len(digests) == 3


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"{", b"\xff", b'{"cells": [3]}'])
def test_a_file_that_is_no_notebook_has_a_digest_too(content, tmp_path):
    (tmp_path / "nb.ipynb").write_bytes(content)
    code = sources.of_notebook(tmp_path / "nb.ipynb")
    assert names(code) == set()
    assert sources.digest(code, []) != sources.digest("", [])


def test_imports_inside_functions_count():
    assert "systems/mixtures.py" in names("def f():\n    from irmas_utils.systems import mixtures")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("x = 1  # one", True),
        ('"""Says more."""\nx = 1', True),
        ("x = (1)", True),
        ("x = 2", False),
        ("x = 1\ny = 2", False),
    ],
)
def test_only_what_code_does_counts(other, same):
    assert (sources.digest("x = 1", []) == sources.digest(other, [])) is same


def test_docstrings_of_functions_and_classes_do_not_count():
    plain = "class A:\n    def f(self):\n        return 1"
    told = 'class A:\n    """An A."""\n    def f(self):\n        """One."""\n        return 1'
    assert sources.digest(plain, []) == sources.digest(told, [])


def test_a_training_depends_on_its_modules_and_not_on_settings_or_data(monkeypatch, tmp_path):
    package = tmp_path / "irmas_utils"
    for file, code in {
        "__init__.py": "",
        "models/__init__.py": "",
        "models/net.py": "from irmas_utils.project import settings\nx = 1",
        "project/__init__.py": "",
        "project/settings.py": "y = 1",
    }.items():
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).write_text(code)
    monkeypatch.setattr(paths, "PACKAGE", package)

    def digest():
        sources._digest_of.cache_clear()
        sources._imports_of.cache_clear()
        return sources.digest_of("irmas_utils.models.net")

    before = digest()
    (package / "project/settings.py").write_text("y = 2")
    assert digest() == before
    (package / "models/net.py").write_text("from irmas_utils.project import settings\nx = 2")
    assert digest() != before
