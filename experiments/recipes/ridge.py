"""Ridge codes of random atoms, in closed form: what a dictionary explains without sparsity
and without training (a baseline of ours). `l0` is not used."""


def recipe(features, l0, steps, batch_size, l2=1e-3):
    return dict(
        dictionary=dict(features=features, transform='centre',
                        encoder=dict(name='linear', pre_bias=False),
                        selector=dict(name='general', among='all', value='signed',
                                      k=float(features))),
        init=dict(encoder=dict(name='ridge', l2=l2)),
        losses=dict(mse={}),
        optim=dict(name='sgd', lr=1.0, constraints=dict(frozen=dict(path='.*'))),
        steps=steps, batch_size=batch_size)
