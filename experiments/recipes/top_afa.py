"""top-AFA: as many latents as have together the norm of the row, and a loss that makes it so
(checked against top-afa-sae; the loss weight is swept there, default 0). `k` only bounds the
first guess: the method has no k."""
from experiments.recipes import batch_topk


def recipe(features, k, steps, batch_size, weight=1e-2, **options):
    made = batch_topk.recipe(features, k, steps, batch_size, **options)
    made['dictionary']['selector'] = dict(name='general', k=float(k), score='norm',
                                          budget='norm')
    made['losses']['afa'] = dict(weight=weight)
    return made
