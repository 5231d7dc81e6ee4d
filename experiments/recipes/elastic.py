"""ReLU with an elastic net, lambda_1 ||f||_1 + lambda_2 ||f||_2^2: the dictionary of DILA
(1e-4 and 1e-5; checked against a third-party port). lambda_1 is found for `l0` unless
given, and lambda_2 keeps the ratio 1/10 of the paper's pair at its own 1e-4."""
from experiments.recipes import _penalty


def recipe(features, l0, steps, batch_size, lr=1e-3, coefficient=None, l2=1e-5):
    return dict(
        dictionary=dict(features=features, transform=dict(name='scale', to='width'),
                        selector='relu'),
        losses=dict(mse={}, l1=dict(weight=_penalty.weight(l0, coefficient)),
                    l2=dict(weight=l2)),
        optim=dict(name='adam', lr=lr, constraints=dict(unit_rows={})),
        steps=steps, batch_size=batch_size)
