"""Formulas as MathML, which browsers draw by themselves: nothing is fetched, no script runs.

``latex2mathml`` does the translation; what it leaves to be wished for is mended here.
"""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.errors import ExtensionError

NAMED = re.compile(r"(<mi>(?:arg|cos|exp|log)</mi>)(?!</mrow>|<mo stretchy=\"false\">&#x00028;)")


def to_mathml(latex: str, display: str = "inline") -> str:
    """MathML of a formula; fails where a command is not known, instead of showing it as it is."""
    mathml = convert(latex.replace(r"\arg", r"\mathrm{arg}\,"), display=display)
    if unknown := re.findall(r"\\[a-zA-Z]+", mathml):
        raise ExtensionError(f"latex2mathml does not know {', '.join(unknown)} of {latex!r}")
    for code, form in (("27E8", "prefix"), ("27E9", "postfix")):  # angle brackets are fences
        fence = f'<mo fence="true" stretchy="false" form="{form}">&#x0{code};</mo>'
        mathml = mathml.replace(f"<mi>&#x0{code};</mi>", fence)
    for code in ("007C", "002F"):  # |g| and a/b are written without spaces
        mathml = re.sub(
            rf"<mo([^>]*)>&#x0{code};", rf'<mo\1 lspace="0" rspace="0">&#x0{code};', mathml
        )
    return NAMED.sub(r'\1<mspace width="0.167em" />', mathml)  # log p, not logp


def visit_inline(self, node):
    self.body.append(to_mathml(node.astext()))
    raise nodes.SkipNode


def visit_block(self, node):
    self.body.append(self.starttag(node, "div", CLASS="math"))
    self.body.append(to_mathml(node.astext(), "block"))
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
