"""How Sphinx makes the site of these pages and of the executed notebooks.

`irmas_utils.paper.site` brings the sources together as they lie in the repository, so that links
between notebooks and pages hold there, in JupyterLab and on the site, and calls Sphinx. What goes
beyond configuration lies in `_ext/`.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
# As in irmas_utils/project/execute.py: a grammar of addresses that takes longer than all the rest.
sys.modules.setdefault("rfc3987_syntax", None)

project = html_title = "irmas-notebooks"
author = "the irmas-notebooks authors"
extensions = ["myst_nb", "sphinxcontrib.bibtex", "executed", "front", "prose"]

nb_execution_mode = "off"
nb_ipywidgets_js = {}  # widgets need a kernel; their script would come from another host
nb_render_markdown_format = "gfm"  # with tables
nb_code_prompt_show, nb_code_prompt_hide = "Show the code", "Hide the code"
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "unsrt"
numfig = True
numfig_format = {"figure": "Figure %s"}

html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["ledger.js"]
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_math_renderer = "mathml"
html_theme_options = {
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
if repository := os.environ.get("GITHUB_REPOSITORY"):  # where it is published from
    html_theme_options |= {
        "repository_url": f"https://github.com/{repository}",
        "repository_branch": os.environ.get("GITHUB_REF_NAME", "main"),
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {
            "binderhub_url": "https://mybinder.org",
            "notebook_interface": "jupyterlab",
        },
    }
