"""MP-SAE: k steps of matching pursuit over the decoder are the encoder (checked against
overcomplete and SAELens; lr reconstructed)."""


def recipe(features, k, steps, batch_size, lr=1e-3, search='matching_pursuit'):
    return dict(
        dictionary=dict(features=features,
                        transform=dict(name='chain', parts=('centre', dict(name='scale',
                                                                           to='width'))),
                        encoder=dict(name=search, k=int(k)), selector='relu'),
        losses=dict(mse={}),
        optim=dict(name='adam', lr=lr, schedule=dict(name='constant', warmup=100, tail=0.2),
                   constraints=dict(unit_rows={})),
        steps=steps, batch_size=batch_size)
