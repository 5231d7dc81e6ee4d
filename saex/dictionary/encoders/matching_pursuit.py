"""Codes by matching pursuit (MP-SAE)."""
from saex.dictionary.encoders import _search
from saex.ops import pursuit


class MatchingPursuit(_search.Search):
    """k steps of matching pursuit on x - b_dec over the atoms; the search is the encoder.

    MP-SAE (checked against overcomplete and SAELens): gradients reach the atoms through the
    chosen inner products. Wants the constraint `unit_rows`. A code of k may be read at any
    k' < k: it is the first k' steps.
    """
    search = staticmethod(pursuit.matching)
