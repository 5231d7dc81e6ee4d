"""ReLU + L1 with ghost gradients (Anthropic, January 2024; SAE-Track's and the transcoder
paper's recipe): lr 4e-5, L1 8e-5, geometric-median bias (checked against SAE-Track's
pipeline). The coefficient is found for `l0` unless given."""
from experiments.recipes import bricken


def recipe(features, l0, steps, batch_size, lr=4e-5, **options):
    made = bricken.recipe(features, l0, steps, batch_size, lr=lr, **options)
    made.pop('events')
    made['losses']['ghost'] = dict(weight=1.0)
    return made
