"""PolySAE: a decoder of degree three over TopK codes, orthonormal projections by QR (checked:
l_2 -.5 and l_3 .5 at the start, ranks E; numbers as in batch_topk.py)."""
from experiments.recipes import topk


def recipe(features, k, steps, batch_size, shared=True, ranks=None, **options):
    made = topk.recipe(features, k, steps, batch_size, **options)
    made['dictionary']['decoder'] = dict(name='polynomial', shared=shared, ranks=ranks)
    made['dictionary']['encoder'] = dict(name='linear', pre_bias=False)
    made['losses'].pop('auxk')
    made['optim']['constraints'] = dict(orthonormal=dict(path='u_1'))
    return made
