"""A dictionary on what an encoder of the BERT family makes of sentences.

    python experiments/run.py --workdir=runs/embeddings \
        --config=experiments/embeddings.py:model=sentence-transformers/all-MiniLM-L6-v2

`model` is a Hugging Face repository or a local directory (config.json, model.safetensors,
tokenizer.json; the tokenizer is read from the directory). `rows=sentences` are the means over
the tokens of a sentence at the last layer, `rows=tokens` the tokens themselves; `layer` is
another one. The text is that of experiments/text.py, sentence by sentence, or `path`. The
rows are harvested once into a store; the best latents with their sentences are in
contexts/NAME.txt of the workdir, beside those of an untrained network of the same shape and
of a random dictionary.

Arguments: runlocal, seed, model, rows, layer, path, documents (0: all), features, steps.
"""
import ml_collections

from experiments.datasets import text
from experiments.recipes import batch_topk
from saex.config import ConfigError, parse_arg
from saex.subjects.checkpoints import files, load

ROWS = ('sentences', 'tokens')


def get_config(arg=None):
    arg = parse_arg(arg, runlocal=False, seed=0, model='', rows='sentences', layer=-1,
                    path='', documents=0, features=1024, steps=3000)
    if not arg.model:
        raise ConfigError('name an encoder: --config=experiments/embeddings.py:model='
                          'sentence-transformers/all-MiniLM-L6-v2, or a local directory')
    if arg.rows not in ROWS:
        raise ConfigError(f'config argument rows: expected {" or ".join(ROWS)}, got '
                          f'{arg.rows!r}')
    small, folder = arg.runlocal, str(files.directory(arg.model))
    layers = load.model(folder).layers
    steps, batch, features = (20, 64, 64) if small else (arg.steps, 256, arg.features)

    def recipe(**extra):
        return batch_topk.recipe(features, 16, steps, batch, lr=1e-3, k_aux=64,
                                 dead_after=100_000) | extra

    world = text.world(arg.path, folder, length=16 if small else 32,
                       documents=1500 if small else arg.documents,
                       packing='sentences') | dict(test_share=0.1)
    return ml_collections.ConfigDict(dict(
        title='embeddings', seed=arg.seed, world=world, subject=dict(checkpoint=folder),
        source=text.stored(f'blocks.{arg.layer % layers}.resid_post',
                           pool='mean' if arg.rows == 'sentences' else ''),
        dictionaries=dict(batch_topk=recipe(), batch_topk_untrained=recipe(
            subject='untrained')),
        evaluation=dict(sequences=256 if small else 2000, seed=1234),
        log_every=10, save_every=500))
