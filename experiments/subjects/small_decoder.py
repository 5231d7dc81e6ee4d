"""A small transformer; three layers learn the rooms world in a few hundred steps."""


def subject(steps=500, batch_size=64, width=64, layers=3, lr=3e-3):
    return dict(
        model=dict(name='decoder', layers=layers, width=width, heads=4, mlp_ratio=4),
        optim=dict(name='adamw', lr=lr, b2=0.98, weight_decay=0.01, clip=1.0,
                   schedule=dict(name='cosine', warmup=40)),
        steps=steps, batch_size=batch_size)
