"""Crossing: nested prefixes on JumpReLU codes (ours; numbers as in jumprelu.py)."""
from experiments.recipes import jumprelu, matryoshka


def recipe(features, l0, steps, batch_size, shares=matryoshka.SHARES, **options):
    made = jumprelu.recipe(features, l0, steps, batch_size, **options)
    made['dictionary']['view'] = dict(name='nested', shares=shares)
    made['losses'].pop('mse')
    made['losses']['prefixes'] = {}
    return made
