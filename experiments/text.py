"""A small language model of English, and a dictionary on its middle block.

    python experiments/run.py --config=experiments/text.py --workdir=runs/text

The text is what every machine has: the docstrings and comments of the installed Python
(2.4 million characters on 3.11), a byte-level BPE of 2048 tokens, a three-layer
transformer. `path=DIR` reads .txt, .jsonl or .parquet files instead. The best lexical and
context latents are listed with their top contexts in contexts/NAME.txt of the workdir, the
same dictionary on the untrained network and a random dictionary beside them.

Arguments: runlocal (under a minute), seed, path, packing, steps (of the transformer).
"""
import ml_collections

from experiments.datasets import text
from experiments.recipes import batch_topk
from experiments.subjects import small_decoder
from saex.config import parse_arg


def get_config(arg=None):
    arg = parse_arg(arg, runlocal=False, seed=0, path='', packing='packed', steps=750)
    small = arg.runlocal
    steps, batch, features = (30, 256, 128) if small else (1500, 1024, 1024)

    def recipe(**extra):
        return batch_topk.recipe(features, 16, steps, batch, lr=1e-3, k_aux=64,
                                 dead_after=100_000) | extra

    return ml_collections.ConfigDict(dict(
        title='text', seed=arg.seed,
        world=text.world(arg.path, packing=arg.packing, documents=300 if small else 0,
                         vocab_size=512 if small else 2048, length=32 if small else 64),
        subject=small_decoder.subject(steps=20 if small else arg.steps,
                                      batch_size=16 if small else 32,
                                      width=32 if small else 128, layers=3),
        source=text.source(sequences=128 if small else 4096),
        dictionaries=dict(batch_topk=recipe(), batch_topk_untrained=recipe(
            subject='untrained')),
        evaluation=dict(sequences=64 if small else 512, seed=1234),
        log_every=10, save_every=250))
