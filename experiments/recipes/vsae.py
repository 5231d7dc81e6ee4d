"""Variational TopK SAE: z = mu + e before TopK, loss MSE + AuxK / 32 + beta KL with beta ramped
over 5 % of the run (checked against a copy of the authors' repository: beta 500, Adam 5e-4,
falling over the last fifth)."""
from experiments.recipes import topk


def recipe(features, k, steps, batch_size, lr=5e-4, beta=500.0, learn_variance=False,
           **options):
    made = topk.recipe(features, k, steps, batch_size, lr=lr, **options)
    made['dictionary']['encoder'] = dict(name='gaussian', learn_variance=learn_variance)
    made['losses']['gaussian_kl'] = dict(weight=dict(name='ramp', value=beta, over=0.05))
    return made
