"""Crosscoder with BatchTopK by f_j Sum_s ||d_j^s||: no shrinkage, and norms that may be compared
between sites (reconstructed; numbers as in batch_topk.py). Needs a source with sites."""
from experiments.recipes import batch_topk


def recipe(features, k, steps, batch_size, **options):
    made = batch_topk.recipe(features, k, steps, batch_size, **options)
    made['dictionary'] |= dict(
        transform=dict(name='per_site', part=dict(name='scale', to='width')),
        encoder=dict(name='linear', pre_bias=False),
        selector=dict(name='general', among='batch', score='norm', k=float(k)))
    made['init'] = dict(atoms=dict(name='gaussian_rows', norm=0.1))
    made['optim']['constraints'] = {}
    return made
