"""Masking objective (Hiding Data Helps, Chidambaram et al. 2023; reconstructed): codes by OMP on
the visible half of the coordinates, loss on the hidden half."""
from experiments.recipes import matching_pursuit


def recipe(features, k, steps, batch_size, share=0.5, **options):
    made = matching_pursuit.recipe(features, k, steps, batch_size, search='omp', **options)
    made['dictionary']['corruption'] = dict(name='mask', share=share)
    made['losses'] = dict(masked_mse={})
    return made
