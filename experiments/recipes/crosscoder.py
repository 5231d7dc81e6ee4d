"""Crosscoder: one code for several sites, Sum_j f_j Sum_s ||d_j^s|| (Lindsey et al. 2024;
reconstructed: numbers of april_2024.py, whose one-site form it is). Needs a source with sites.
The coefficient is found for `l0` unless given."""
from experiments.recipes import april_2024


def recipe(features, l0, steps, batch_size, **options):
    made = april_2024.recipe(features, l0, steps, batch_size, **options)
    made['dictionary']['transform'] = dict(name='per_site', part=dict(name='scale', to='width'))
    return made
