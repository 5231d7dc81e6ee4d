"""BatchTopK with AuxK (Bussmann et al. 2024). The learning rate, the scale and AuxK's size
are those that worked on small worlds (measured here), not the paper's."""


def recipe(features, k, steps, batch_size, lr=2e-3, k_aux=32, aux_weight=1 / 32,
           dead_after=100_000):
    return dict(
        dictionary=dict(
            features=features, dead_after=dead_after,
            transform=dict(name='chain', parts=('centre', dict(name='scale', to='width'))),
            selector=dict(name='batch_topk', k=float(k))),
        losses=dict(mse=dict(name='mse'), auxk=dict(name='auxk', k_aux=k_aux, weight=aux_weight)),
        optim=dict(name='adam', lr=lr, schedule=dict(name='constant', warmup=100, tail=0.2),
                   constraints=dict(unit_rows=dict(name='unit_rows', path='w_dec'))),
        steps=steps, batch_size=batch_size)
