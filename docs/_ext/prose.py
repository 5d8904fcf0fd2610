"""Formulas as MathML, which browsers draw by themselves, and terms that lead to the glossary."""

import re
from pathlib import Path

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx import addnodes
from sphinx.transforms import SphinxTransform


class LinkTerms(SphinxTransform):
    """Lead each glossary term to its explanation where a page first uses it."""

    default_priority = 880

    def apply(self, **kwargs):
        if self.env.docname == "docs/glossary":
            return
        terms = _terms(Path(self.env.srcdir) / "docs" / "glossary.md")
        words = "|".join(map(re.escape, sorted(terms, key=len, reverse=True)))
        self.pattern = re.compile(rf"\b({words})\b", re.IGNORECASE)
        self.open = {term.lower(): term for term in terms}
        for text in [*self.document.findall(nodes.Text)]:
            if _is_prose(text):
                text.parent.replace(text, [*self._linked(text.astext())])

    def _linked(self, text):
        for number, part in enumerate(self.pattern.split(text)):
            term = self.open.pop(part.lower(), None) if number % 2 else None
            if term is None:
                yield nodes.Text(part)
                continue
            shown = nodes.inline(part, part, classes=["std", "std-term"])
            target = {"reftype": "term", "refdomain": "std", "reftarget": term}
            where = {"refdoc": self.env.docname, "refexplicit": True, "refwarn": True}
            yield addnodes.pending_xref("", shown, **target, **where)


def _terms(glossary):
    body = re.search(r"```\{glossary\}\n(.*?)```", glossary.read_text(encoding="utf-8"), re.S)[1]
    return re.findall(r"^(\S.*)$", body, re.M)


def _is_prose(text):
    node, paragraph = text.parent, False
    while node is not None:
        if isinstance(node, nodes.reference | addnodes.pending_xref | nodes.literal | nodes.title):
            return False
        if isinstance(node, nodes.math | nodes.caption | nodes.table | nodes.literal_block):
            return False
        paragraph |= isinstance(node, nodes.paragraph)
        node = node.parent
    return paragraph


def drawn(page: str) -> str:
    """Draw the formulas between dollar signs in the text of an HTML page."""
    return re.sub(r"\$([^$<>]+)\$", lambda found: latex2mathml.tex2mathml(found[1]), page)


def _visit_math(writer, node, mode=""):
    mathml = latex2mathml.tex2mathml(node.astext(), as_block=bool(mode))
    writer.body.append(f'<div class="formula">{mathml}</div>' if mode else mathml)
    raise nodes.SkipNode


def setup(app):
    """Draw formulas as MathML, which browsers know, and link the glossary's terms."""
    block = (lambda writer, node: _visit_math(writer, node, "block"), None)
    app.add_html_math_renderer("mathml", (_visit_math, None), block)
    app.add_transform(LinkTerms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
