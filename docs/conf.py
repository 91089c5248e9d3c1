"""Settings of the documentation. ``make docs`` builds it, without a network."""

import re
import sys
from pathlib import Path

from sphinx.ext.autosummary import Autosummary

import skkd

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "skkd"
author = "The skkd developers"
copyright = author
version = release = skkd.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "mathml",
]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
exclude_patterns = ["_build"]
templates_path = ["_templates"]
# References into skkd must lead somewhere. Other packages' objects stay plain text: their lists of
# names would have to be downloaded.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!skkd\.).*")]

autosummary_generate = True
autosummary_ignore_module_all = False  # __all__ says what is public
autosummary_imported_members = True
autodoc_inherit_docstrings = False
autodoc_typehints = "none"  # types stand in the docstrings
numpydoc_show_class_members = False  # the template lists them
numpydoc_xref_param_type = False

myst_enable_extensions = ["dollarmath", "substitution"]
myst_substitutions = {"version": version}
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "quick_start_first.QuickStartFirst",
    "default_thumb_file": str(Path(__file__).parent / "_static/thumbnail.svg"),
    "copyfile_regex": r".*\.rst",
    "doc_module": ("skkd",),
    "backreferences_dir": "generated/backreferences",
    "reference_url": {"skkd": None},
    "capture_repr": ("_repr_html_", "__repr__"),
    "ignore_repr_types": r"matplotlib.*|.*Display",
    "write_computation_times": False,
    "min_reported_time": 1,
    "plot_gallery": True,
    "abort_on_example_error": True,
}

toc_object_entries_show_parents = "hide"
html_theme = "pydata_sphinx_theme"
html_title = "skkd"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["skkd.css"]
html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "logo": {"text": "skkd"},
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    # Code has lines of up to 100 letters: pages of examples need the width.
    "secondary_sidebar_items": {"*": ["page-toc"], "generated/*": ["page-toc"]},
}
html_sidebars = {name: [] for name in ("benchmarks", "attempts", "speed", "changelog")}


def list_names(app, what, name, obj, options, lines):
    """Say what is in a dict of names, instead of what a dict is."""
    if isinstance(obj, dict):
        lines[:] = ["The names, and what they stand for.", ""]
        lines += [f"- ``{key!r}`` {_described(value)}" for key, value in obj.items()]


def _described(value):
    """A link to what is public; else what it says of itself."""
    module, _, _ = value.__module__.partition("._")
    if value.__name__ in sys.modules[module].__all__:
        return f":py:obj:`~{module}.{value.__name__}`"
    return (value.__doc__ or "").partition("\n")[0]


def skip_foreign(app, what, name, obj, skip, options):
    """Leave out what scikit-learn brings to every estimator: its text refers to its own pages."""
    return True if (getattr(obj, "__module__", "") or "").startswith("sklearn.") else None


class Summaries(Autosummary):
    """Lists of names without the references in their first lines, whose targets are elsewhere."""

    def get_items(self, names):
        return [
            (name, signature, re.sub(r"\s*\[[^\]\s]+\]_", "", summary), real_name)
            for name, signature, summary, real_name in super().get_items(names)
        ]


def setup(app):
    app.add_directive("autosummary", Summaries, override=True)
    app.connect("autodoc-process-docstring", list_names)
    app.connect("autodoc-skip-member", skip_foreign)
