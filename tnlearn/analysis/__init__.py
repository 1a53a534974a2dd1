"""Measurements of a trained network: arrays in, arrays out; no tasks and no pages.

weights       a weight as matrices: singular values, cuts to low rank
places        where a weight sits in the chain
retraining    training that goes on at the rank that was cut to
masks         states and cells left out of the input
correlation   how much of an amplitude the label explains
landscape     the loss as a function of the parameters: gradients, Hessian products, lines
spectra       ends and density of the spectrum of a Hessian
normal_form   solutions of one function brought to one point
approach      how close to a transition an answer is right
"""
