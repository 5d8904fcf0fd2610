"""A figure as a picture: laid out and drawn once, for the notebook and for the results alike.

Laying a figure out takes as long as drawing it, and a notebook's own picture would be made from
nothing beside the one that is kept; a reader sees the very file that lies in the results.
"""

import binascii
import contextlib
import io
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

DPI = 150
"""Dots an inch of a PNG."""


_drawn: "weakref.WeakKeyDictionary[Figure, tuple[bytes, Bbox]]" = weakref.WeakKeyDictionary()


def png(figure: "Figure") -> bytes:
    """Return a figure as PNG, for screens."""
    return _draw(figure)[0]


def pdf(figure: "Figure") -> bytes:
    """Return a figure as PDF, for print: vectors, and the letters of its fonts."""
    (_, box), file = _draw(figure), io.BytesIO()
    with _as_laid_out(figure):
        dateless = {"CreationDate": None}
        figure.savefig(file, format="pdf", bbox_inches=box, metadata=dateless)
    return file.getvalue()


def shown(figure: "Figure") -> tuple[str, dict[str, int]]:
    """Return a figure's PNG in base64 and the width that it is shown at, as IPython asks for it."""
    picture, box = _draw(figure)
    return binascii.b2a_base64(picture).decode(), {"width": round(box.width * figure.dpi)}


def _draw(figure: "Figure") -> "tuple[bytes, Bbox]":
    """Return a figure's PNG and its part of the page [inches], drawn unless it is as it was."""
    if figure.stale or figure not in _drawn:
        figure.draw_without_rendering()
        with _as_laid_out(figure):
            box, file = figure.get_tightbbox().padded(0.1), io.BytesIO()
            nameless = {"Software": None}  # the same figure is the same file, byte for byte
            figure.savefig(file, format="png", dpi=DPI, bbox_inches=box, metadata=nameless)
        _drawn[figure] = file.getvalue(), box
    return _drawn[figure]


@contextlib.contextmanager
def _as_laid_out(figure: "Figure") -> Iterator[None]:
    """Let nothing move while a figure is drawn, which is then as it was."""
    layout = figure.get_layout_engine()
    figure.set_layout_engine("none")
    try:
        yield
    finally:
        figure.set_layout_engine(layout)
    figure.stale = False
