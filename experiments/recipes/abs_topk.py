"""AbsTopK: the k largest magnitudes with their signs, AuxK by magnitude too (checked against
SAELens, which follows the authors' code; numbers as in batch_topk.py)."""
from experiments.recipes import batch_topk


def recipe(features, k, steps, batch_size, **options):
    made = batch_topk.recipe(features, k, steps, batch_size, **options)
    made['dictionary']['selector'] = dict(name='abs_topk', k=int(k))
    made['losses']['auxk']['signed'] = True
    return made
