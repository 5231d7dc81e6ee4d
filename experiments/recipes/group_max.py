"""GroupMax (sparsify; checked): k blocks of latents, the largest of each. The loss is the
batch's fraction of variance unexplained; lr 2e-4 / sqrt(features / 2^14) (checked)."""


def recipe(features, k, steps, batch_size, lr=None):
    blocks = max(n for n in range(1, int(k) + 1) if features % n == 0)
    return dict(
        dictionary=dict(features=features,
                        selector=dict(name='general', among='group', k=float(blocks),
                                      groups=blocks)),
        losses=dict(fvu={}),
        optim=dict(name='adam', lr=lr or 2e-4 / (features / 2 ** 14) ** 0.5,
                   constraints=dict(unit_rows={})),
        steps=steps, batch_size=batch_size)
