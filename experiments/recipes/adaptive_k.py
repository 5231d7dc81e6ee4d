"""AdaptiveK: k(x) from a linear probe of the row's complexity (checked against
hiyukie/adaptiveK: k from .25 to 4 times the base of 80, MSE + l1 ||f||_1 / ||x|| + AuxK / 32).

Their three phases become one: here the probe learns beside the dictionary from the label
`complexity` [B] in [0, 1], so the source must supply it. lr reconstructed.
"""


def recipe(features, k, steps, batch_size, lr=1e-3, l1=1e-3, k_aux=32, dead_after=10_000,
           probe=1.0):
    return dict(
        dictionary=dict(features=features, dead_after=dead_after,
                        transform=dict(name='scale', to='width'),
                        selector=dict(name='adaptive', k_min=max(int(k / 4), 1),
                                      k_max=min(int(4 * k), features))),
        losses=dict(mse={}, l1_relative=dict(weight=l1), complexity=dict(weight=probe),
                    auxk=dict(k_aux=k_aux, weight=1 / 32)),
        optim=dict(name='adam', lr=lr, clip=1.0, constraints=dict(unit_rows={})),
        steps=steps, batch_size=batch_size)
