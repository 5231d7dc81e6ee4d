"""TopK with AuxK as released (Gao et al. 2024; checked against openai/sparse_autoencoder).

Rows standardised, pre-bias at the geometric median, encoder = transposed decoder with the
gain of unit reconstructions; AuxK over 256 latents silent for 10^7 tokens, weight 1/32; Adam
1e-4 with eps 6.25e-10; the weights' average (.999) is what is kept. fvu stands for their
MSE over a fixed variance: the same up to that constant.
"""


def recipe(features, k, steps, batch_size, lr=1e-4, k_aux=256, dead_after=10_000_000):
    return dict(
        dictionary=dict(features=features, dead_after=dead_after, transform='standardise',
                        selector=dict(name='topk', k=int(k))),
        init=dict(bias='geometric_median', encoder='unit_gain'),
        losses=dict(fvu={}, auxk=dict(k_aux=k_aux, weight=1 / 32)),
        optim=dict(name='adam', lr=lr, eps=6.25e-10, constraints=dict(unit_rows={})),
        events=dict(average={}),
        steps=steps, batch_size=batch_size)
