"""A supervised feature dictionary (Makelov et al. 2024; AxBench's DiffMean): the first atoms
turn to the mean direction of the rows that carry their label, the others are TopK's
(reconstructed). Needs labels."""
from experiments.recipes import topk


def recipe(features, k, steps, batch_size, weight=1.0, **options):
    made = topk.recipe(features, k, steps, batch_size, **options)
    made['losses'] |= dict(class_means=dict(weight=weight), supervised=dict(weight=weight))
    return made
