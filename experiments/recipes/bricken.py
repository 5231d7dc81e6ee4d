"""ReLU with an L1 penalty and resampling (Bricken et al. 2023, Towards Monosemanticity).

Numbers (checked against dictionary_learning, whose StandardTrainer follows the paper): Adam
1e-3, lambda .1, unit rows by projection, lr warm-up 1000 steps, sparsity warm-up 2000,
resampling every 25 000 steps. Reconstructed: the resampling power 2. The coefficient is
found for `l0` unless given.
"""
from experiments.recipes import _penalty


def recipe(features, l0, steps, batch_size, lr=1e-3, coefficient=None, resample_every=25_000,
           dead_after=1_000_000, warmup=1000):
    return dict(
        dictionary=dict(features=features, dead_after=dead_after,
                        transform=dict(name='scale', to='width'),
                        selector='relu'),
        init=dict(bias='geometric_median'),
        losses=dict(mse={}, l1=dict(weight=_penalty.weight(l0, coefficient))),
        optim=dict(name='adam', lr=lr, schedule=dict(name='constant', warmup=warmup, tail=0.2),
                   constraints=dict(unit_rows={})),
        events=dict(resample=dict(every=resample_every)),
        steps=steps, batch_size=batch_size)
