"""Measurements of a trained network: arrays in, arrays out; no tasks and no pages.

landscape     the loss as a function of the parameters: gradients, Hessian products, lines
spectra       ends and density of the spectrum of a Hessian
normal_form   solutions of one function brought to one point
"""
