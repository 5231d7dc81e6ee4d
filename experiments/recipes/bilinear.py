"""Bilinear autoencoder (Dooms; checked against tdooms/bae): unit rows, tied gram decoder, loss on
x x^T plus .1 times the Hoyer density ramped over 256 steps, Muon with lr .03 falling to 0. Codes
are dense and signed: L0 is the number of latents, and `l0` is not used. Ranks of the kernel:
ordered=True weighs all nested prefixes alike."""


def recipe(features, l0, steps, batch_size, lr=0.03, alpha=0.1, ordered=False):
    return dict(
        dictionary=dict(features=features, transform='unit', encoder='bilinear',
                        decoder='gram',
                        selector=dict(name='general', among='all', value='signed',
                                      k=float(features))),
        losses=dict(gram=dict(ordered=ordered), hoyer=dict(
            weight=dict(name='ramp', value=alpha, over=min(256 / steps, 1.0)))),
        optim=dict(name='muon', lr=lr, schedule=dict(name='constant', tail=1.0)),
        steps=steps, batch_size=batch_size)
