"""Matryoshka BatchTopK (Bussmann et al. 2025; checked: groups 1/16, 1/16, 1/8, 1/4, 1/2, the mean
over the bias-only and all prefixes, AuxK / 32; numbers as in batch_topk.py)."""
from experiments.recipes import batch_topk

SHARES = (1 / 16, 1 / 16, 1 / 8, 1 / 4, 1 / 2)


def recipe(features, k, steps, batch_size, shares=SHARES, **options):
    made = batch_topk.recipe(features, k, steps, batch_size, **options)
    made['dictionary']['view'] = dict(name='nested', shares=shares)
    made['losses'].pop('mse')
    made['losses']['prefixes'] = {}
    return made
