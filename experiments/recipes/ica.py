"""ICA as a dictionary: signed components of a sample, TopK, nothing trained (the baseline of
Cunningham et al. 2023). k counts components; both signs of each are atoms."""


def recipe(features, k, steps, batch_size):
    return dict(
        dictionary=dict(features=features, transform='centre',
                        selector=dict(name='topk', k=int(k))),
        init=dict(atoms='ica_rows'),
        losses=dict(mse={}),
        optim=dict(name='sgd', lr=1.0, constraints=dict(frozen=dict(path='.*'))),
        steps=steps, batch_size=batch_size)
