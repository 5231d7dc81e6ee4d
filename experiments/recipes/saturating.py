"""log(1 + ReLU) codes under the FLOPs penalty (SPLADE; Paria et al. 2020; reconstructed): latents
of an inverted index. L0 is what the coefficient (ours) leaves; the argument is not used."""


def recipe(features, l0, steps, batch_size, lr=1e-3, coefficient=1e-2):
    return dict(
        dictionary=dict(features=features, transform=dict(name='scale', to='width'),
                        selector=dict(name='general', among='all', value='log',
                                      k=float(features))),
        losses=dict(mse={}, flops=dict(weight=coefficient)),
        optim=dict(name='adam', lr=lr), steps=steps, batch_size=batch_size)
