"""Othello: does a dictionary find the board that the network must infer? For accelerators.

    python experiments/run.py --config=experiments/othello.py --workdir=runs/othello

The subject is the published Othello-GPT's size (8 layers of width 512; Li et al. 2023) and
was not trained here. On a CPU, boards of 4 or 6 with a small subject run in minutes, but their
dictionaries hardly separate from those of an untrained network: board squares are dense, so a
constant latent already scores .42 to .46. Read every score beside floors/always_on.

Arguments (--config=experiments/othello.py:n=6,layers=3,width=64): runlocal, n, layers, width,
subject_steps, seed.
"""
import ml_collections

from experiments.datasets import othello
from experiments.recipes import batch_topk, jumprelu
from experiments.subjects import small_decoder
from saex.config import parse_arg


def get_config(arg=None):
    arg = parse_arg(arg, runlocal=False, n=8, layers=8, width=512, subject_steps=100_000,
                    seed=0)
    if arg.runlocal:
        arg.n, arg.layers, arg.width, arg.subject_steps = 4, 2, 32, 20
    steps, batch = (20, 256) if arg.runlocal else (20_000, 4096)
    features, k = 8 * arg.width, 2 * arg.n ** 2 // 4

    def dictionaries(**extra):
        return {'batch_topk': batch_topk.recipe(features, k, steps, batch, lr=1e-3) | extra,
                'jumprelu': jumprelu.recipe(features, k, steps, batch, lr=3e-3) | extra}

    untrained = dictionaries(subject='untrained')
    site = f'blocks.{max(arg.layers * 3 // 4 - 1, 0)}.resid_post'
    return ml_collections.ConfigDict(dict(
        title='othello', seed=arg.seed,
        world=othello.world(arg.n),
        subject=small_decoder.subject(steps=arg.subject_steps, width=arg.width,
                                      layers=arg.layers, batch_size=256,
                                      lr=3e-3 if arg.width <= 128 else 5e-4),
        source=othello.source(sequences=128 if arg.runlocal else 2048, site=site),
        dictionaries=dictionaries() | {
            f'{name}_untrained': section for name, section in untrained.items()},
        evaluation=dict(sequences=64 if arg.runlocal else 4096, seed=1234),
        log_every=10, save_every=1000))
