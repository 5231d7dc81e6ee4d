"""EASE: the linear autoencoder with zero diagonal in closed form (Steck 2019; checked). No
sparsity and nothing trained; the first D of the latents are the coordinates, so L0 is D and
`l0` is not used."""


def recipe(features, l0, steps, batch_size, l2=1.0):
    return dict(
        dictionary=dict(features=features, transform='centre',
                        encoder=dict(name='linear', pre_bias=False),
                        selector=dict(name='general', among='all', value='signed',
                                      k=float(features))),
        init=dict(atoms='identity_rows', encoder=dict(name='ease', l2=l2)),
        losses=dict(mse={}),
        optim=dict(name='sgd', lr=1.0, constraints=dict(frozen=dict(path='.*'))),
        steps=steps, batch_size=batch_size)
