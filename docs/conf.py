"""The documentation: `make docs` builds it, with every notebook executed and warnings as errors."""

import re

import tnlearn

project = "tnlearn"
author = copyright = "the tnlearn developers"
release = tnlearn.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx-mathjax-offline",
]
exclude_patterns = ["_build", "results/**", "baselines/**"]
html_theme = "furo"
html_title = "tnlearn"
html_static_path: list[str] = []

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 180
nb_output_stderr = "remove"  # bars

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say what each argument is
napoleon_google_docstring = False
napoleon_use_rtype = False
suppress_warnings = ["ref.python"]  # shapes such as (samples,) are words, not names


def setup(app):
    """In a docstring |x| is a modulus, not a substitution of reStructuredText."""

    def escape(app, what, name, obj, options, lines):
        for number, line in enumerate(lines):
            if not line.lstrip().startswith((">>>", "...")):
                parts = re.split(r"(``[^`]*``)", line)
                parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
                lines[number] = "".join(parts)

    app.connect("autodoc-process-docstring", escape, priority=1)
