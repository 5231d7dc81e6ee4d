"""Crossing: end-to-end x BatchTopK, no penalty to balance against the network's KL (ours; numbers
as in e2e.py). Needs the source `spliced`."""
from experiments.recipes import e2e


def recipe(features, k, steps, batch_size, **options):
    made = e2e.recipe(features, k, steps, batch_size, **options)
    made['dictionary']['selector'] = dict(name='batch_topk', k=float(k))
    made['losses'].pop('l1')
    return made
