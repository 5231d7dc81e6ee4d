"""Predictive sparse decomposition (Kavukcuoglu et al. 2010; reconstructed): ISTA codes from a
learned predictor, which learns to reach them; evaluation is the predictor alone. The L1 level
is a part of the coder, so it is fixed and L0 follows; the argument is not used."""


def recipe(features, l0, steps, batch_size, lr=1e-3, l1=0.3, alpha=1.0, iterations=20):
    return dict(
        dictionary=dict(features=features, transform=dict(name='scale', to='width'),
                        encoder=dict(name='ista', l1=l1, steps=iterations, predictor=True,
                                     unrolled=False), selector='relu'),
        init=dict(encoder='keep'),
        losses=dict(mse={}, commit=dict(weight=alpha)),
        optim=dict(name='adam', lr=lr, constraints=dict(unit_rows={})),
        steps=steps, batch_size=batch_size)
