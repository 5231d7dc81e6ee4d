"""Multi-TopK: L(k) + L(4 k) / 8, so that a dictionary may be read at other k (Gao et al. 2024; the
weight checked against CSR; numbers as in batch_topk.py)."""
from experiments.recipes import topk


def recipe(features, k, steps, batch_size, **options):
    made, k = topk.recipe(features, k, steps, batch_size, **options), int(k)
    made['dictionary']['view'] = dict(name='nested_k', ks=(k, min(4 * k, features)))
    made['losses'].pop('mse')
    made['losses']['nested_k'] = dict(weights=(1.0, 0.125), normalised=False)
    return made
