"""The report of a comparison: figures and one self-contained HTML file.

Reads the results of a study (a dictionary of the format `tnlearn-benchmark/1`)
and draws them; nothing here trains, evaluates or recomputes.  May import
matplotlib, numpy and scipy; not torch, not quimb, and no other room of the
package but `tnlearn.errors`.
"""

from tnlearn.report.build import write

__all__ = ["write"]
