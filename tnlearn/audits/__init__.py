"""Audits: does a classifier of states follow the invariant, or something that goes with it?

    answers         what a classifier gives, read as winding numbers
    classifiers     networks, ensembles, torch modules, estimators and functions, all asked alike;
                    the edge states counted: the proxy most often suspected
    interventions   what is done to samples: what each changes and keeps, and how it is made
    certify         pairs of samples, each with the winding number of its own chain recomputed
    table           a table of answers, and the shares that a score is made of
    audit           `tnlearn.audit` and its result, `Audit`

In this order; above `tnlearn.lab`, below `tnlearn.studies`.  torch is loaded only where a torch
module is asked, matplotlib only where one draws.
"""
