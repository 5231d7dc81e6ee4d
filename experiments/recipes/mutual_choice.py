"""Mutual Choice (Ayonrinde 2024): the B k largest affinities of the batch, with aux_zipf in
place of AuxK (the selection is BatchTopK's; weights of the auxiliary reconstructed; numbers
as in batch_topk.py)."""
from experiments.recipes import batch_topk


def recipe(features, k, steps, batch_size, aux=1 / 32, **options):
    made = batch_topk.recipe(features, k, steps, batch_size, **options)
    made['losses']['auxk'] |= dict(name='aux_zipf', weight=aux)
    return made
