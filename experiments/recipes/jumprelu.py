"""JumpReLU (Rajamanoharan et al. 2024) under the L0 controller.

Direct thresholds with three times the learning rate, and the jump's gradient also to the
pre-activation (Anthropic, January 2025): without it a planted dictionary is recovered much
less. Inputs are scaled to E||x||^2 = D, so the initial threshold .5 and the bandwidth 1 are
in units of one standard deviation (all measured here). Short runs want a larger gain and
an earlier target.
"""


def recipe(features, l0, steps, batch_size, lr=1e-2, bandwidth=1.0, init=0.5,
           dead_after=100_000, gain=0.02, over=0.5):
    return dict(
        dictionary=dict(
            features=features, dead_after=dead_after,
            transform=dict(name='chain', parts=('centre', dict(name='scale', to='width'))),
            selector=dict(name='jumprelu', init=init, bandwidth=bandwidth, to_input=True)),
        losses=dict(mse=dict(name='mse'),
                    l0=dict(name='l0', weight=dict(name='l0_control', target=float(l0),
                                                   start=1.0, gain=gain,
                                                   over=over))),
        optim=dict(name='adam', lr=lr, lr_scale=dict(threshold=3.0),
                   schedule=dict(name='constant', warmup=100, tail=0.2),
                   constraints=dict(unit_rows=dict(name='unit_rows', path='w_dec'),
                                    floor=dict(name='floor', path='threshold', value=1e-3))),
        steps=steps, batch_size=batch_size)
