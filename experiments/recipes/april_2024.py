"""ReLU with the norm-weighted L1 (Anthropic, April 2024 update).

No pre-bias, free decoder norms, loss ||e||^2 + lambda Sum f_j n_j. Numbers: rows of norm .1,
tied start (checked against dictionary_learning and SAELens); lambda 5 ramped over 5 % of the
run, inputs with E||x||^2 = D, Adam 5e-5 falling to 0 over the last fifth, clip 1
(reconstructed). The coefficient is found for `l0` unless given.
"""
from experiments.recipes import _penalty


def recipe(features, l0, steps, batch_size, lr=5e-5, coefficient=None):
    return dict(
        dictionary=dict(features=features, transform=dict(name='scale', to='width'),
                        encoder=dict(name='linear', pre_bias=False), selector='relu'),
        init=dict(atoms=dict(name='gaussian_rows', norm=0.1)),
        losses=dict(mse={}, l1_norm=dict(weight=_penalty.weight(l0, coefficient))),
        optim=dict(name='adam', lr=lr, clip=1.0, schedule=dict(name='constant', tail=0.2)),
        steps=steps, batch_size=batch_size)
