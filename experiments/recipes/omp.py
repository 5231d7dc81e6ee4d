"""Dictionary learning with non-negative orthogonal matching pursuit: only the atoms learn
(checked against overcomplete; numbers as in matching_pursuit.py)."""
from experiments.recipes import matching_pursuit


def recipe(features, k, steps, batch_size, **options):
    return matching_pursuit.recipe(features, k, steps, batch_size, search='omp', **options)
