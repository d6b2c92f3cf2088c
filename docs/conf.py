"""Settings of the documentation: Markdown pages, and a reference made from the docstrings."""

from __future__ import annotations

project = "blobio"
copyright = "blobio contributors"  # noqa: A001 - the name Sphinx reads
version = release = "0.1"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "blobio"
exclude_patterns = ["_build"]
nitpicky = False

# The docstrings write code in single backticks.
default_role = "code"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

myst_heading_anchors = 3
