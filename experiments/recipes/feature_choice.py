"""Feature Choice (Ayonrinde 2024): every latent keeps its own top rows of the batch, as many as
a Zipf law gives its rank; aux_zipf (reconstructed). Rows are independent in evaluation, by one
threshold a latent. Numbers as in batch_topk.py; `budget='k'` gives all latents as many."""
from experiments.recipes import mutual_choice


def recipe(features, k, steps, batch_size, budget='zipf', **options):
    made = mutual_choice.recipe(features, k, steps, batch_size, **options)
    made['dictionary']['selector'] = dict(name='general', k=float(k), among='column',
                                          budget=budget)
    return made
