"""Crossing: a polynomial decoder over JumpReLU codes (ours; numbers as in jumprelu.py)."""
from experiments.recipes import jumprelu, poly


def recipe(features, l0, steps, batch_size, shared=True, ranks=None, **options):
    made = jumprelu.recipe(features, l0, steps, batch_size, **options)
    like = poly.recipe(features, l0, steps, batch_size, shared=shared, ranks=ranks)
    made['dictionary'] |= {k: like['dictionary'][k] for k in ('decoder', 'encoder')}
    made['optim']['constraints'].pop('unit_rows')
    made['optim']['constraints'] |= like['optim']['constraints']
    return made
