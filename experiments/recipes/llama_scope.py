"""Llama Scope (He et al. 2024): TopK scored by a_j n_j, with k falling from the width to k over
the first tenth of the run, on inputs of E||x||^2 = D (checked against OpenMOSS; lr
reconstructed). Decoder norms are free, which the score makes harmless."""


def recipe(features, k, steps, batch_size, lr=8e-4, over=0.1, start=None):
    return dict(
        dictionary=dict(
            features=features, transform=dict(name='scale', to='width'),
            encoder=dict(name='linear', pre_bias=False),
            selector=dict(name='general', k=float(k), score='norm',
                          k_start=float(start or features // 2),
                          anneal=max(int(over * steps), 1))),
        losses=dict(mse={}),
        optim=dict(name='adam', lr=lr, schedule=dict(name='constant', warmup=500, tail=0.2)),
        steps=steps, batch_size=batch_size)
