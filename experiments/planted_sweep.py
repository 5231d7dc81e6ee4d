"""Sparsity against reconstruction on a planted dictionary: two families, seven members, one
stream of activations.

    python experiments/run.py --config=experiments/planted_sweep.py --workdir=runs/sweep

`:runlocal` is a run of under two minutes.
"""
import ml_collections

from experiments.recipes import jumprelu, topk
from saex.config import parse_arg


def get_config(arg=None):
    arg = parse_arg(arg, runlocal=False, seed=0)
    steps, batch = (120, 256) if arg.runlocal else (3000, 1024)
    return ml_collections.ConfigDict(dict(
        title='planted, a sweep', seed=arg.seed,
        source=dict(name='planted', d_in=64, features=256, law='zipf', l0=8.0),
        dictionaries=dict(
            topk=topk.recipe(512, 8, steps, batch, lr=4e-3) | dict(
                sweep={'dictionary/selector/k': (2, 4, 8, 16)}),
            jumprelu=jumprelu.recipe(512, 8, steps, batch, over=0.7) | dict(
                sweep={'losses/l0/weight/target': (4.0, 8.0, 16.0)})),
        evaluation=dict(rows=8192 if arg.runlocal else 65536, seed=1234),
        log_every=10, save_every=40 if arg.runlocal else 500))
