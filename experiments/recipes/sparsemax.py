"""Codes on the simplex (sparsemax, Martins and Astudillo 2016, as a selector; checked by its
optimality conditions, the recipe ours). `scale` stands for k: a larger one keeps more latents.
"""


def recipe(features, k, steps, batch_size, lr=1e-3, scale=None):
    return dict(
        dictionary=dict(features=features, transform=dict(name='scale', to='width'),
                        selector=dict(name='sparsemax', scale=float(scale or k))),
        losses=dict(mse={}), optim=dict(name='adam', lr=lr), steps=steps,
        batch_size=batch_size)
