"""Archetypal x crosscoder: atoms of all sites together stay near mixtures of whole rows (ours: no
peer trains it). The numbers of batch_topk_crosscoder.py and of archetypal.py. Needs sites."""
from experiments.recipes import archetypal, batch_topk_crosscoder


def recipe(features, k, steps, batch_size, points=0, delta=1.0, **options):
    made = batch_topk_crosscoder.recipe(features, k, steps, batch_size, **options)
    near = archetypal.recipe(features, k, steps, batch_size, points, delta)
    made['dictionary']['decoder'] = near['dictionary']['decoder']
    made['optim']['constraints'] = near['optim']['constraints']
    made['init'] = {}
    return made
