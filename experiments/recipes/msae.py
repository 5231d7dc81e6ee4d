"""MSAE: one code read at doubling k (CLIP; checked: weights uniform or reverse, centred data,
AdamW 1e-4, eps 6.25e-10, clip 1, linear fall over the last fifth, rows of norm .1)."""


def recipe(features, k, steps, batch_size, lr=1e-4, weights='reverse'):
    ks, largest = [int(k)], features
    while 2 * ks[-1] < largest:
        ks.append(2 * ks[-1])
    return dict(
        dictionary=dict(features=features, transform='centre',
                        selector=dict(name='topk', k=int(k)),
                        view=dict(name='nested_k', ks=(*ks, largest))),
        init=dict(atoms=dict(name='gaussian_rows', norm=0.1)),
        losses=dict(nested_k=dict(weights=weights)),
        optim=dict(name='adamw', lr=lr, eps=6.25e-10, clip=1.0,
                   schedule=dict(name='constant', tail=0.2), constraints=dict(unit_rows={})),
        steps=steps, batch_size=batch_size)
