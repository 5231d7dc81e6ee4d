"""TopK with AuxK (Gao et al. 2024); numbers as in batch_topk.py."""
from experiments.recipes import batch_topk


def recipe(features, k, steps, batch_size, **options):
    made = batch_topk.recipe(features, k, steps, batch_size, **options)
    made['dictionary']['selector'] = dict(name='topk', k=int(k))
    return made
