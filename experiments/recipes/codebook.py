"""Codebook features (Tamkin et al. 2023; checked against codebook-features): the k codes of
largest cosine, averaged, no coefficients and no gradient to the choice."""


def recipe(features, k, steps, batch_size, lr=1e-3):
    return dict(
        dictionary=dict(features=features, transform='centre', encoder='codebook',
                        decoder='codebook',
                        selector=dict(name='general', k=float(k), value='one',
                                      estimator='none')),
        init=dict(atoms='data_rows'), losses=dict(mse={}),
        optim=dict(name='adam', lr=lr), steps=steps, batch_size=batch_size)
