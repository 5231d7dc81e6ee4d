"""LISTA (Gregor and LeCun 2010; reconstructed): three unrolled steps with learned matrices under
an L1 penalty, whose coefficient is found for `l0` unless given."""
from experiments.recipes import _penalty


def recipe(features, l0, steps, batch_size, lr=1e-3, coefficient=None, iterations=3):
    return dict(
        dictionary=dict(features=features, transform=dict(name='scale', to='width'),
                        encoder=dict(name='lista', steps=iterations), selector='relu'),
        losses=dict(mse={}, l1=dict(weight=_penalty.weight(l0, coefficient))),
        optim=dict(name='adam', lr=lr, constraints=dict(unit_rows={})),
        steps=steps, batch_size=batch_size)
