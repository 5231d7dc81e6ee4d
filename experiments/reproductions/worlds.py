"""Small planted worlds, each with the property that a claim is about."""
PLANTED = dict(name='planted', d_in=32, features=64, l0=4.0)
TRAINING = dict(features=128, steps=1500, batch_size=256)


def world(fixed=False, source=None, training=None, **planted):
    """A world: source section, size of the dictionaries, steps and rows of a step. fixed:
    the seeds share the planted dictionary and its rows, and differ in their start."""
    return dict(TRAINING | (training or {}), fixed=fixed,
                source=dict(PLANTED | planted | (source or {})))


WORLDS = {
    'plain': world(),
    'fixed': world(fixed=True),
    'varied': world(correlation_rank=2, correlation=0.6),           # rows of unequal L0
    'signed': world(signed=1.0, training=dict(features=64)),        # both poles fire
    'low_rank': world(subspace=12, features=48),
    'narrow': world(subspace=12, features=48, training=dict(features=48)),
    'hierarchy': world(branching=3, depth=2, exclusive=True),
    'noisy': world(noise=0.3),
    'blocks': world(correlation_rank=8, correlation=0.9),
    'labelled': world(source=dict(name='planted_tasks', keys=('labels',))),
    'mapped': world(source=dict(name='planted_tasks', keys=('y',))),
}
