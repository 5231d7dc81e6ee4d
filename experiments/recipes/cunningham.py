"""Tied ReLU + L1 (Cunningham et al. 2023).

c = max(M x + b, 0), x_hat = M^T c with unit rows, no pre-bias. Adam 1e-3, alpha 8.6e-4, .5 to
8 times as many latents as dimensions (reconstructed). The coefficient is found for `l0` unless
given.
"""
from experiments.recipes import _penalty


def recipe(features, l0, steps, batch_size, lr=1e-3, coefficient=None):
    return dict(
        dictionary=dict(features=features, transform=dict(name='scale', to='width'),
                        encoder=dict(name='tied', pre_bias=False), selector='relu'),
        losses=dict(mse={}, l1=dict(weight=_penalty.weight(l0, coefficient))),
        optim=dict(name='adam', lr=lr, constraints=dict(unit_rows={}, frozen=dict(path='b_dec'))),
        steps=steps, batch_size=batch_size)
