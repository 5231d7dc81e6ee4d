"""ReLU with an annealed Lp penalty (Karvonen et al. 2024, board games).

Bricken's dictionary with Sum_j f_j^p; p is 1 until `start` of the run, then falls in 10 equal
steps to .2, and the coefficient is rescaled at each so that the pressure does not jump.
Checked against dictionary_learning's p_anneal.py: queue 10, 10 updates, start at step 15 000.
The paper's coefficient is swept; .1 is dictionary_learning's.
"""


def recipe(features, l0, steps, batch_size, lr=1e-3, coefficient=0.1, p_end=0.2,
           start=0.15, updates=10):
    shape = dict(name='lp_anneal', p_end=p_end, start=start, updates=updates)
    return dict(
        dictionary=dict(features=features, transform=dict(name='scale', to='width'),
                        selector='relu'),
        init=dict(bias='geometric_median'),
        losses=dict(mse={}, ahead=dict(shape, ahead=1, weight=0.0),
                    lp=dict(shape, weight=dict(name='keep_pressure', value=coefficient,
                                               now='lp', ahead='ahead', start=start,
                                               updates=updates, warmup=0.05))),
        optim=dict(name='adam', lr=lr, schedule=dict(name='constant', warmup=1000, tail=0.2),
                   constraints=dict(unit_rows={})),
        steps=steps, batch_size=batch_size)
