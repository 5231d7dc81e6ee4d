"""Dictionary learning with gradient pursuit as the coder (Engels et al. 2024 use it on a trained
decoder; checked; that the atoms are trained with it is ours; numbers as in
matching_pursuit.py)."""
from experiments.recipes import matching_pursuit


def recipe(features, k, steps, batch_size, **options):
    return matching_pursuit.recipe(features, k, steps, batch_size, search='gradient_pursuit',
                                   **options)
