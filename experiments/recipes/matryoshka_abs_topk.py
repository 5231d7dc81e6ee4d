"""Crossing: nested prefixes on signed codes (ours; numbers as in batch_topk.py)."""
from experiments.recipes import abs_topk, matryoshka


def recipe(features, k, steps, batch_size, shares=matryoshka.SHARES, **options):
    made = abs_topk.recipe(features, k, steps, batch_size, **options)
    made['dictionary']['view'] = dict(name='nested', shares=shares)
    made['losses'].pop('mse')
    made['losses']['prefixes'] = {}
    return made
