"""Crossing: a gated encoder from x to another y (ours; numbers as in gated.py). Needs y."""
from experiments.recipes import gated


def recipe(features, l0, steps, batch_size, **options):
    made = gated.recipe(features, l0, steps, batch_size, **options)
    made['dictionary']['encoder'] = dict(name='gated', pre_bias=False)
    return made
