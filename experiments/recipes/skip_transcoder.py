"""Skip transcoder (Paulo et al. 2025; checked against sparsify: TopK, atoms and skip from 0, no
pre-bias, the loss the batch's fraction of variance unexplained). Needs y."""


def recipe(features, k, steps, batch_size, lr=1e-3, skip=True):
    return dict(
        dictionary=dict(features=features, transform=dict(name='scale', to='width'),
                        encoder=dict(name='linear', pre_bias=False),
                        selector=dict(name='topk', k=int(k)),
                        decoder=dict(name='linear', skip=skip)),
        init=dict(atoms='zero_rows', encoder='uniform'), losses=dict(fvu={}),
        optim=dict(name='adam', lr=lr), steps=steps, batch_size=batch_size)
