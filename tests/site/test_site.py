"""The site is made from what is committed, whole and without a complaint."""

import re
import shutil
import subprocess
import sys

import front
import pytest
from bs4 import BeautifulSoup

from irmas_utils.paper import site
from irmas_utils.project import paths, settings
from irmas_utils.project.errors import NotebookError

MIB = 2**20


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The site of the committed sample run, moved to a folder of its own."""
    results = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-m", "irmas_utils", "site", "sample"]
    environment = {"IRMAS_RESULTS": str(results), "PATH": "", "PYTHONPATH": str(paths.ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return shutil.move(results / "sample" / "site", tmp_path_factory.mktemp("moved") / "site")


def test_it_has_every_notebook_and_is_small(pages):
    made = {path.stem for path in (pages / "notebooks").iterdir()}
    assert made == {path.stem for path in paths.NOTEBOOKS.glob("*.ipynb")}
    assert sum(path.stat().st_size for path in pages.rglob("*")) < 15 * MIB


def test_every_figure_has_a_number_a_caption_and_words_for_who_cannot_see_it(pages):
    for path in pages.glob("notebooks/*.html"):
        page = BeautifulSoup(path.read_text(), "html.parser")
        for image in page.select("article img"):
            assert image["alt"].strip(), path
            caption = image.find_parent("figure").figcaption.text
            assert re.match(r"\s*Figure \d+ .*Data: sample corpus", caption, re.S), caption


def test_terms_lead_to_the_glossary_once_a_page(pages):
    page = BeautifulSoup((pages / "notebooks/03_lstm_model.html").read_text(), "html.parser")
    links = [a["href"] for a in page.select("article a[href*='glossary.html#term-']")]
    assert len(links) > 10
    assert len(links) == len({*links})


def test_the_numbers_of_the_front_page_lead_to_their_claims(pages):
    page = BeautifulSoup((pages / "index.html").read_text(), "html.parser")
    claims = {row["id"] for row in page.select(".ledger tbody tr")}
    story = page.select_one("#what-the-paper-found, #what-we-found").parent
    numbers = [a for a in story.select("a[href^='#']") if a["href"][1:] in claims]
    assert len(numbers) >= 8
    assert all(a.text for a in numbers)
    assert "${" not in page.text


def test_an_unknown_name_on_the_front_page_is_an_error():
    with pytest.raises(KeyError, match="found.gone"):
        front.fill("${found.gone}", settings.load("sample"), paths.reference_dir())


def test_a_profile_without_results_says_what_to_run():
    with pytest.raises(NotebookError, match="make paper PROFILE=smoke"):
        site.build(settings.load("smoke"))
