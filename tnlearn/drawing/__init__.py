"""Pictures of a network and of its contraction trees: shapes in inches first, then any medium.

What lives here, from the foundation up: `scene` (the shapes, and how they become a figure or
SVG), `layout` (layers, few crossings), `panel` (one contraction as a physicist draws it),
`graph`, `tree`, and `show` (figures, files, the HTML page).  It reads a graph and its plan and
imports `tnlearn.networks` only; matplotlib is loaded when something is drawn.
"""
