"""Audits: does a classifier of states follow the invariant, or something that goes with it?

    alterations     chains altered at one place: ends, bulk, sublattices; states blanked out
    interventions   the list of alterations, with what each changes and what it keeps
    certify         pairs of samples, each with the winding number of its own chain recomputed
    suite           the certified pairs of all interventions: what a classifier is asked
    proxies         the edge states counted: the proxy most often suspected
    classifiers     networks, ensembles, torch modules, estimators and functions, all asked alike
    answers         what they give, read as winding numbers
    score           shares of the certified pairs, their intervals, the score
    tables          the result as text and as HTML
    audit           `tnlearn.audit` and its result, `Audit`

Imports `tnlearn.physics` and `tnlearn.data`; torch only where a torch module is asked, and
`tnlearn.report` only for intervals and pictures.
"""
