"""The site is made from what is committed, whole and without a complaint."""

import json
import re
from urllib.parse import unquote, urlsplit

import executed
import front
import pytest
from bs4 import BeautifulSoup

from irmas_utils.paper import site
from irmas_utils.project import files, paths, records, settings
from irmas_utils.project.errors import NotebookError

MIB = 2**20


def test_it_has_every_notebook_and_is_small(site_pages):
    made = {path.stem for path in (site_pages / "notebooks").iterdir()}
    assert made == {path.stem for path in paths.NOTEBOOKS.glob("*.ipynb")}
    assert sum(path.stat().st_size for path in site_pages.rglob("*")) < 15 * MIB


def test_every_figure_has_a_number_a_caption_and_words_for_who_cannot_see_it(site_pages):
    for path in site_pages.glob("notebooks/*.html"):
        page = BeautifulSoup(path.read_text(), "html.parser")
        for image in page.select("article img"):
            assert image["alt"].strip(), path
            caption = image.find_parent("figure").figcaption.text
            assert re.match(r"\s*Figure \d+ .*Data: ", caption, re.S), caption


def test_every_link_leads_to_a_file_and_a_place_in_it(site_pages):
    pages = {p: BeautifulSoup(p.read_text(), "html.parser") for p in site_pages.rglob("*.html")}
    places = {path: {tag["id"] for tag in page.select("[id]")} for path, page in pages.items()}
    lost = []
    for path, page in pages.items():
        for link in {tag["href"] for tag in page.select("a[href], link[href]")}:
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = target.is_file() and parts.fragment in {"", *places.get(target, ())}
            if not (parts.scheme or there):
                lost.append(f"{path.name}: {link}")
    assert lost == []


def test_terms_lead_to_the_glossary_once_a_page(site_pages):
    page = BeautifulSoup((site_pages / "notebooks/03_lstm_model.html").read_text(), "html.parser")
    links = [a["href"] for a in page.select("article a[href*='glossary.html#term-']")]
    assert len(links) > 10
    assert len(links) == len({*links})


def test_the_numbers_of_the_front_page_lead_to_their_claims(site_pages):
    page = BeautifulSoup((site_pages / "index.html").read_text(), "html.parser")
    claims = {row["id"] for row in page.select(".ledger tbody tr")}
    story = page.select_one("#what-the-paper-found, #what-we-found").parent
    numbers = [a for a in story.select("a[href^='#']") if a["href"][1:] in claims]
    assert len(numbers) >= 8
    assert all(a.text for a in numbers)
    assert "$" not in page.text


def test_an_unknown_name_on_the_front_page_is_an_error():
    with pytest.raises(KeyError, match="found.gone"):
        front.fill("${found.gone}", settings.load("sample"), paths.reference_dir())


def test_a_profile_without_results_says_what_to_run():
    with pytest.raises(NotebookError, match="make paper PROFILE='my folder/smoke.yaml'"):
        site.build(settings.load("smoke"), "my folder/smoke.yaml")


def test_the_front_page_reads_the_profile_where_it_lies(tmp_path, monkeypatch):
    def build(arguments):
        (given,) = (a.partition("=")[2] for a in arguments if a.startswith("-Dirmas_profile="))
        assert settings.load(given) == cfg
        return 1

    (file := tmp_path / "mine.yaml").write_text("extends: smoke")
    cfg = settings.load(file)
    files.write_text(records.results_dir("mine") / "notebooks" / "00_primer.ipynb", "{}")
    monkeypatch.setattr("sphinx.cmd.build.build_main", build)
    with pytest.raises(NotebookError, match="unreadable pages"):
        site.build(cfg, str(file))


def test_every_section_that_has_a_caption_is_there():
    for name, captions in executed.CAPTIONS.items():
        notebook = json.loads((paths.NOTEBOOKS / f"{name}.ipynb").read_text())
        text = "\n\n".join("".join(cell["source"]) for cell in notebook["cells"])
        heads = executed.SECTION.findall(text)
        assert [head for head in captions if head not in heads] == []
        each = [[w] if isinstance(w[0], str) else w for w in captions.values()]
        assert all(2 <= len(words) <= 3 for of in each for words in of)
