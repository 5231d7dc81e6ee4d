"""Codes by gradient pursuit."""
from saex.dictionary.encoders import _search
from saex.ops import pursuit


class GradientPursuit(_search.Search):
    """k steps of gradient pursuit on x - b_dec over unit atoms (ops/pursuit.py).

    Used to code better with a decoder that something else trained (Engels et al. 2024;
    checked against the authors' repository). Codes carry no gradient.
    """
    search = staticmethod(pursuit.gradient)
