"""CSR: contrastive sparse representation of frozen embeddings (Wen et al. 2025).

Tied TopK; loss MSE(k) + MSE(4 k) / 8 + AuxK / 32 + .1 InfoNCE of the codes at temperature .2,
the row's own code as positive. Checked against the authors' vision and text scripts: k_aux
512, lr 4e-4, weights .125 and .1; dead after 30 of their steps.
"""


def recipe(features, k, steps, batch_size, lr=4e-4, k_aux=512, dead_after=None,
           contrast=0.1):
    losses = dict(nested_k=dict(weights=(1.0, 0.125), normalised=False),
                  auxk=dict(k_aux=k_aux, weight=1 / 32))
    if contrast:
        losses['info_nce'] = dict(temperature=0.2, weight=contrast)
    k = int(k)
    return dict(
        dictionary=dict(features=features, dead_after=dead_after or 30 * batch_size,
                        transform='scale', encoder='tied', selector=dict(name='topk', k=k),
                        view=dict(name='nested_k', ks=(k, min(4 * k, features)))),
        losses=losses,
        optim=dict(name='adam', lr=lr, eps=6.25e-10, constraints=dict(unit_rows={})),
        steps=steps, batch_size=batch_size)
