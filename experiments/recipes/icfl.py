"""ICFL: OMP codes on whitened unit rows, atoms redrawn where two come within cosine .9, every
100 steps (checked against the paper's text). Their J rounds of L atoms are k single ones."""


def recipe(features, k, steps, batch_size, lr=1e-3, every=100, limit=0.9):
    return dict(
        dictionary=dict(features=features,
                        transform=dict(name='chain', parts=('whiten', 'unit')),
                        encoder=dict(name='omp', k=int(k)), selector='relu'),
        losses=dict(mse={}), optim=dict(name='adam', lr=lr, constraints=dict(unit_rows={})),
        events=dict(uncollapse=dict(every=every, limit=limit)),
        steps=steps, batch_size=batch_size)
