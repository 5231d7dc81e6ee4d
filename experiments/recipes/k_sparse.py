"""k-sparse autoencoder (Makhzani and Frey 2014; reconstructed): tied weights, the k largest
linear activations with their sign, k falling from the width over the first half of the run,
and alpha k of them in evaluation (alpha 1 here; theirs is tuned)."""


def recipe(features, k, steps, batch_size, lr=1e-3, alpha=1.0, start=None, over=0.5):
    return dict(
        dictionary=dict(
            features=features, transform=dict(name='scale', to='width'), encoder='tied',
            selector=dict(name='general', k=float(k), value='signed', k_eval=float(alpha * k),
                          k_start=float(start or features // 2),
                          anneal=max(int(over * steps), 1))),
        losses=dict(mse={}), optim=dict(name='adam', lr=lr, constraints=dict(unit_rows={})),
        steps=steps, batch_size=batch_size)
