"""JumpReLU as in Gemma Scope (Lieberum et al. 2024, section 3; checked against the text).

Inputs with E||x||^2 = 1; bandwidth and initial threshold .001; lr 7e-5 by a cosine warm-up
from .1 over 1000 steps; lambda ramps over 10 000 steps; Adam (0, .999); He-uniform unit rows.
quadratic: Gemma Scope 2's lambda (L0 / L0* - 1)^2 in place of lambda L0. Their log thresholds
move by at most lr a step, which a short run does not survive: `parametrisation='direct'`.
The coefficient is found for `l0` unless given.
"""
from experiments.recipes import _penalty


def recipe(features, l0, steps, batch_size, lr=7e-5, coefficient=None, quadratic=False,
           parametrisation='log', bandwidth=0.001, init=0.001, warmup=1000):
    if quadratic:
        penalty = dict(l0_target=dict(target=float(l0), weight=coefficient or 1.0))
    else:
        over = min(10_000 / steps, 1.0)
        penalty = dict(l0=dict(weight=_penalty.weight(l0, coefficient, over=over)))
    floor = {} if parametrisation == 'log' else dict(floor=dict(path='threshold'))
    return dict(
        dictionary=dict(features=features, transform='scale',
                        selector=dict(name='jumprelu', init=init, bandwidth=bandwidth,
                                      parametrisation=parametrisation)),
        init=dict(atoms='uniform_rows'),
        losses=dict(mse={}, **penalty),
        optim=dict(name='adam', lr=lr, b1=0.0,
                   schedule=dict(name='cosine_warmup', warmup=warmup),
                   constraints=dict(unit_rows={}, **floor)),
        steps=steps, batch_size=batch_size)
