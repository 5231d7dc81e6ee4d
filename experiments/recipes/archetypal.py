"""RA-SAE: atoms near mixtures of data centroids (Fel et al. 2025; checked against overcomplete:
delta 1, mixtures from the identity; numbers as in batch_topk.py)."""
from experiments.recipes import topk


def recipe(features, k, steps, batch_size, points=0, delta=1.0, **options):
    made = topk.recipe(features, k, steps, batch_size, **options)
    made['dictionary']['decoder'] = dict(name='archetypal', points=points)
    made['optim']['constraints'] = dict(
        simplex=dict(path='w_mix'), norm_at_most=dict(path='relax', value=delta))
    return made
