"""Crossing: KronSAE's pairs chosen among the whole batch (ours; numbers as in kron.py)."""
from experiments.recipes import kron


def recipe(features, k, steps, batch_size, **options):
    made = kron.recipe(features, k, steps, batch_size, **options)
    made['dictionary']['selector'] = dict(name='batch_topk', k=float(k))
    return made
