"""experiments/embeddings.py end to end on a BERT of 13 tokens."""
import json
import pathlib
import shutil

import numpy as np
import pytest

from saex import cli, execute, experiment
from saex.config import ConfigError

ROOT = pathlib.Path(__file__).parents[1]
WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'a', 'cat', 'dog', 'saw', 'the', 'old', 'small',
         '##s', '.']


@pytest.fixture(scope='module')
def encoder(tmp_path_factory):
    """A directory with a config, random weights and a tokenizer; and text."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
    home = ROOT / 'tests' / 'subjects' / 'golden' / 'bert_plain'
    folder = tmp_path_factory.mktemp('hf') / 'encoder'
    folder.mkdir()
    for name in ('config.json', 'model.safetensors'):
        shutil.copy(home / name, folder / name)
    inner = Tokenizer(models.WordPiece({w: i for i, w in enumerate(WORDS)},
                                       unk_token='[UNK]'))
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.add_special_tokens([AddedToken(w, special=True) for w in WORDS[:4]])
    inner.save(str(folder / 'tokenizer.json'))
    (folder / 'tokenizer_config.json').write_text(json.dumps(
        {'cls_token': '[CLS]', 'sep_token': '[SEP]', 'pad_token': '[PAD]'}))
    rng = np.random.default_rng(0)
    with open(folder / 'text.jsonl', 'w', encoding='utf-8') as file:
        for _ in range(1500):
            file.write(json.dumps({'text': ' '.join(
                rng.choice(WORDS[4:11], rng.integers(6, 12)))}) + '\n')
    return folder


def load(encoder, rows='sentences'):
    return cli.load(f'{ROOT}/experiments/embeddings.py:runlocal,model={encoder},'
                    f'rows={rows},path={encoder}/text.jsonl')


def test_it_runs_end_to_end(encoder, tmp_path, monkeypatch):
    monkeypatch.setenv('SAEX_CACHE', str(tmp_path / 'cache'))
    results = execute.run(load(encoder), tmp_path / 'run')
    for name in ('batch_topk', 'batch_topk_untrained', 'floors/random_dictionary'):
        assert results[f'{name}/judged_latents'] > 0
        assert all(0 <= results[f'{name}/{kind}'] <= 1 for kind in ('word_f1', 'coherence'))
    assert 'batch_topk/loss_recovered' not in results         # there are no logits to splice
    text = (tmp_path / 'run' / 'contexts' / 'batch_topk.txt').read_text()
    assert ' saw ' in text and '[CLS]' not in text
    assert len(list((tmp_path / 'cache' / 'stores').iterdir())) == 2


def test_tokens_at_another_layer(encoder):
    made = experiment.plan(load(encoder, 'tokens,layer=0'))
    source = made.config['source']
    assert source['harvest'] == dict(site='blocks.0.resid_post', sequences=512, pool='')
    assert made.recipes['batch_topk'].model.d_in == 8


def test_a_model_is_asked_for(encoder):
    with pytest.raises(ConfigError, match='name an encoder'):
        cli.load(f'{ROOT}/experiments/embeddings.py')
    with pytest.raises(ConfigError, match='expected sentences or tokens'):
        cli.load(f'{ROOT}/experiments/embeddings.py:model={encoder},rows=words')
