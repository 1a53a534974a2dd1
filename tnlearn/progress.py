"""Progress bars: a widget in a notebook that can show one, text elsewhere."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that a notebook without widgets has bars of text
    from tqdm.auto import tqdm

__all__ = ["tqdm"]
