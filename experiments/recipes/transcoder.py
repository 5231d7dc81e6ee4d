"""Transcoder (Dunefsky et al. 2024; checked): x is an MLP's input and y its output; ReLU + L1
1.4e-4, lr 4e-4, 32 times as wide, 60 M tokens, bias at the mean output. The coefficient is
found for `l0` unless given. Needs y."""
from experiments.recipes import _penalty


def recipe(features, l0, steps, batch_size, lr=4e-4, coefficient=None, skip=False):
    return dict(
        dictionary=dict(features=features, transform=dict(name='scale', to='width'),
                        encoder=dict(name='linear', pre_bias=False), selector='relu',
                        decoder=dict(name='linear', skip=skip)),
        init=dict(bias='mean', encoder='uniform'),
        losses=dict(mse={}, l1_norm=dict(weight=_penalty.weight(l0, coefficient))),
        optim=dict(name='adam', lr=lr), steps=steps, batch_size=batch_size)
