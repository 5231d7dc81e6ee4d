"""G-SAE: guided latents, SCAR with a sigmoid after TopK (checked: C labels on the first C
latents, the losses added). Needs labels."""
from experiments.recipes import scar


def recipe(features, k, steps, batch_size, **options):
    made = scar.recipe(features, k, steps, batch_size, **options)
    made['dictionary']['selector'] = dict(name='general', k=float(k), value='sigmoid')
    return made
