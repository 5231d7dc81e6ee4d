"""The rooms world: does a dictionary find the room that the network must infer?

    python experiments/run.py --config=experiments/quickstart.py --workdir=runs/quickstart

Arguments (--config=experiments/quickstart.py:world_seed=11,size=8): runlocal, world_seed,
seed, size, colours (0: four rooms share each).
"""
import math

import ml_collections

from experiments.datasets import rooms
from experiments.recipes import batch_topk, jumprelu
from experiments.subjects import small_decoder
from saex.config import parse_arg


def get_config(arg=None):
    arg = parse_arg(arg, runlocal=False, world_seed=7, seed=0, size=6, colours=0)
    grown = max(arg.size / 6, 1) ** 3        # larger mazes need longer training
    steps, batch = (30, 256) if arg.runlocal else (int(1600 * grown), 1024)
    count, k = arg.size ** 2, 4

    def dictionaries(**extra):
        return {'batch_topk': batch_topk.recipe(
                    32 * math.ceil(count / 12), k, steps, batch, lr=1e-3, k_aux=4,
                    aux_weight=1 / 2, dead_after=20_000) | extra,
                'jumprelu': jumprelu.recipe(32 * math.ceil(count / 9), k, steps, batch,
                                            gain=0.03, over=0.35) | extra}

    untrained = dictionaries(subject='untrained')
    return ml_collections.ConfigDict(dict(
        title='rooms', seed=arg.seed,
        world=rooms.world(arg.size, arg.colours or max(count // 4, 2), arg.world_seed),
        subject=small_decoder.subject(steps=20 if arg.runlocal else int(800 * grown)),
        source=rooms.source(sequences=256 if arg.runlocal else 4096),
        dictionaries=dictionaries() | {
            f'{name}_untrained': section for name, section in untrained.items()},
        evaluation=dict(sequences=64 if arg.runlocal else 4096, seed=1234),
        log_every=10, save_every=200))
