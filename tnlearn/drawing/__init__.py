"""Pictures of a network and of its contraction trees: shapes in inches first, then any medium.

What lives here, from the foundation up: `scene` (the shapes), `layout` (layers, few crossings,
columns), `panel` (one contraction as a physicist draws it), `graph`, `tree`, and `show` (a scene
as figure, SVG or HTML page).  It reads a graph and its plan and imports `tnlearn.networks` only;
matplotlib is loaded when something is drawn.
"""
