"""JumpReLU with a tanh penalty (Anthropic, January 2025 update).

Loss ||e||^2 + lambda_S Sum tanh(4 f_j n_j) + lambda_P Sum max(theta_j - a_j, 0) n_j over dead
latents. Checked against SAELens: the factor 4, lambda_P 3e-6, the jump's gradient also to the
pre-activation. Checked against OpenMOSS: bandwidth 2 on inputs with E||x||^2 = D.
Reconstructed: theta starts at .1, lambda_S ramps over the whole run to 20. The coefficient
is found for `l0` unless given.
"""
from experiments.recipes import _penalty


def recipe(features, l0, steps, batch_size, lr=2e-4, coefficient=None, bandwidth=2.0,
           dead_after=1_000_000):
    return dict(
        dictionary=dict(
            features=features, dead_after=dead_after,
            transform=dict(name='scale', to='width'),
            encoder=dict(name='linear', pre_bias=False),
            selector=dict(name='jumprelu', init=0.1, bandwidth=bandwidth, to_input=True)),
        init=dict(atoms=dict(name='gaussian_rows', norm=0.1)),
        losses=dict(mse={}, tanh=dict(weight=_penalty.weight(l0, coefficient, over=1.0)),
                    pre_act=dict(weight=3e-6)),
        optim=dict(name='adam', lr=lr, clip=1.0, schedule=dict(name='constant', tail=0.2),
                   constraints=dict(floor=dict(path='threshold'))),
        steps=steps, batch_size=batch_size)
