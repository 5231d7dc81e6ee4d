"""The smallest experiments that pass through every stage: planted, or `:rooms`."""
import ml_collections

from saex.config import parse_arg


def get_config(arg=None):
    arg = parse_arg(arg, rooms=False)

    def dictionary(name, **extra):
        return dict(dictionary=dict(features=16, selector=dict(name=name, k=2), dead_after=200),
                    losses=dict(mse=dict(), auxk=dict(k_aux=4, weight=0.1)),
                    optim=dict(name='adam', lr=1e-2, constraints=dict(unit_rows=dict())),
                    steps=60, batch_size=32) | extra

    config = dict(title='tiny', seed=0, log_every=1, save_every=5,
                  source=dict(name='planted', d_in=8, features=16, l0=2.0),
                  dictionaries=dict(topk=dictionary('topk'),
                                    batch=dictionary('batch_topk', steps=40)),
                  evaluation=dict(rows=256, seed=1))
    if arg.rooms:
        config |= dict(
            world=dict(name='rooms', size=3, colours=4, seed=1),
            subject=dict(model=dict(name='decoder', width=16, layers=1, heads=2), steps=10,
                         batch_size=8, optim=dict(name='adam', lr=1e-3)),
            source=dict(name='harvest', site='blocks.0.resid_post', sequences=16),
            evaluation=dict(sequences=16, seed=1))
        config['dictionaries'] = dict(topk=dictionary('topk', steps=20))
    return ml_collections.ConfigDict(config)
