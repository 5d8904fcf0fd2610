"""JupyterLab on the notebooks: ``make lab OPTIONS="--no-browser --ip 0.0.0.0 --port 8080"``.

What is saved of a notebook is its source, so that one that was only run stays as it is in git, and
no result of it is made again; what it showed stays in the browser.
"""

import sys
from typing import Any

from irmas_utils.project import paths

_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_OF_A_RUN = ("execution", "collapsed", "scrolled", "trusted")


def strip(model: dict[str, Any], **_: Any) -> None:
    """Leave of what is about to be saved, if it is a notebook, what somebody has written."""
    if model["type"] != "notebook":
        return
    for cell in model["content"]["cells"]:
        for key in _OF_A_RUN:
            cell["metadata"].pop(key, None)
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    model["content"]["metadata"] = _METADATA


def main(options: list[str]) -> None:
    """Serve the notebooks, as root too, until stopped."""
    from jupyterlab.labapp import LabApp

    paths.settle()
    server = LabApp.initialize_server(["--allow-root", *options, str(paths.NOTEBOOKS)])
    server.contents_manager.register_pre_save_hook(strip)
    server.start()


if __name__ == "__main__":
    main(sys.argv[1:])
