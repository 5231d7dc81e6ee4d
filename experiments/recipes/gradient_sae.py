"""g-SAE: TopK whose score adds beta r |g W_d^T|, g the gradient of the subject's loss at x
(reconstructed from a summary of arXiv 2411.10397; numbers as in batch_topk.py). Needs grad."""
from experiments.recipes import topk


def recipe(features, k, steps, batch_size, beta=1.0, **options):
    made = topk.recipe(features, k, steps, batch_size, **options)
    made['dictionary']['selector'] = dict(name='general', k=float(k), score='gradient',
                                          beta=beta)
    return made
