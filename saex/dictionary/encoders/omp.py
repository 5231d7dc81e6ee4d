"""Codes by orthogonal matching pursuit."""
from saex.dictionary.encoders import _search
from saex.ops import pursuit


class Omp(_search.Search):
    """k steps of orthogonal matching pursuit on x - b_dec, least squares (non-negative: NNLS).

    OMP and NNLS dictionary learning (checked against overcomplete), ITDA's and ICFL's coder.
    Codes carry no gradient: only the decoder learns, as in the method of optimal directions.
    """
    search = staticmethod(pursuit.orthogonal)
