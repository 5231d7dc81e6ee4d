"""Gated SAE (Rajamanoharan et al. 2024; checked against dictionary_learning): Adam (0, .999),
unit rows, tied start, biases 0. The coefficient of the gate's L1 is found for `l0` unless
given."""
from experiments.recipes import _penalty


def recipe(features, l0, steps, batch_size, lr=3e-4, coefficient=None, warmup=1000):
    return dict(
        dictionary=dict(features=features, transform=dict(name='scale', to='width'),
                        encoder='gated', selector='gated'),
        losses=dict(mse={}, gate_aux={}, l1_gate=dict(weight=_penalty.weight(l0, coefficient))),
        optim=dict(name='adam', lr=lr, b1=0.0,
                   schedule=dict(name='constant', warmup=warmup, tail=0.2),
                   constraints=dict(unit_rows={})),
        steps=steps, batch_size=batch_size)
