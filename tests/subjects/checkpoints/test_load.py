import json
import pathlib
import shutil
from unittest import mock

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from saex import config
from saex.subjects.checkpoints import decoders, files, shard
from saex.subjects.checkpoints.load import load, read
from saex.subjects.rotary import Rotary

GOLDEN = pathlib.Path(__file__).parents[1] / 'golden'
TOKENS = jnp.array([[3, 5, 7, 4, 9, 2]])


@pytest.fixture
def folder(tmp_path):
    """fn(family, change): a copy whose tensors went through change(dict) -> dict."""
    def make(name, change):
        shutil.copytree(GOLDEN / name, tmp_path / name)
        file = tmp_path / name / 'model.safetensors'
        save_file(change(load_file(file)), file)
        return tmp_path / name
    return make


def renamed(*pairs):
    def change(tensors):
        found = {}
        for name, value in tensors.items():
            for old, new in pairs:
                name = name.replace(old, new)
            found[name] = value
        return found
    return change


@pytest.mark.parametrize('family, change', [
    ('gpt2', renamed(('transformer.', ''))),                      # as openai-community/gpt2
    ('gpt2', lambda t: {**t, 'lm_head.weight': t['transformer.wte.weight'].copy(),
                        'transformer.h.0.attn.bias': np.ones((1, 1, 4, 4))}),
    ('gpt_neox', renamed(('embed_out.', 'lm_head.'))),            # transformers 5, in memory
    ('gpt_neox', lambda t: {**t, 'gpt_neox.layers.0.attention.rotary_emb.inv_freq':
                            np.ones(2)}),
])
def test_other_names_of_the_same_weights(folder, family, change):
    np.testing.assert_array_equal(load(folder(family, change)).logits(TOKENS),
                                  load(GOLDEN / family).logits(TOKENS))


IMAGE = jax.random.normal(jax.random.key(0), (1, 8, 8, 3))
PATCHES = (('encoder.layer.', 'layers.'), ('attention.attention.query', 'attention.q_proj'),
           ('attention.attention.key', 'attention.k_proj'),
           ('attention.attention.value', 'attention.v_proj'),
           ('attention.output.dense', 'attention.o_proj'),
           ('intermediate.dense', 'mlp.fc1'), ('output.dense', 'mlp.fc2'))


@pytest.mark.parametrize('family, change', [
    ('bert', renamed(('LayerNorm.weight', 'LayerNorm.gamma'),     # as bert-base-uncased
                     ('LayerNorm.bias', 'LayerNorm.beta'))),
    ('bert', lambda t: {**t, 'bert.pooler.dense.weight': np.ones((8, 8)),
                        'cls.seq_relationship.weight': np.ones((2, 8)),
                        'cls.predictions.decoder.weight':
                        t['bert.embeddings.word_embeddings.weight'].copy(),
                        'bert.embeddings.position_ids': np.arange(32)}),
    ('esm', renamed(('LayerNorm.gamma', 'LayerNorm.weight'),
                    ('LayerNorm.beta', 'LayerNorm.bias'))),
    ('vit', renamed(*PATCHES)),                                   # transformers 5, in memory
    ('dinov2', renamed(*PATCHES[1:5])),
])
def test_other_names_of_an_encoder(folder, family, change):
    found, expected = load(folder(family, change)), load(GOLDEN / family)
    inputs = TOKENS if found.model.vocab else IMAGE
    np.testing.assert_array_equal(found.logits(inputs), expected.logits(inputs))


@pytest.mark.parametrize('kind', ['clip', 'siglip'])
def test_two_towers_in_one_directory(folder, kind):
    path = GOLDEN / f'{kind}_vision_model'
    with pytest.raises(config.ConfigError, match=f"family='{kind}_vision_model' or"):
        load(path)
    shapes = [load(path, family=f'{kind}_{tower}_model').logits(inputs).shape
              for tower, inputs in (('vision', IMAGE), ('text', TOKENS))]
    assert shapes == {'clip': [(1, 6), (1, 6)], 'siglip': [(1, 8), (1, 6)]}[kind]


def test_missing_unused_and_misshapen_weights_are_all_listed(folder):
    def spoil(t):
        t['model.extra'] = t.pop('model.norm.weight')
        del t['model.layers.1.self_attn.k_proj.weight']
        return t

    with pytest.raises(config.ConfigError) as e:
        load(folder('llama', spoil))
    assert e.value.problems == [
        'missing weight: layers.1.self_attn.k_proj.weight', 'missing weight: norm.weight',
        'unused weight: model.extra']


@pytest.mark.parametrize('family, change, line', [
    ('gpt2', lambda t: {**t, 'lm_head.weight': t['transformer.wte.weight'] + 1},
     'lm_head.weight: the config ties it to the token embedding, but it differs'),
    ('esm', lambda t: {**t, 'lm_head.decoder.weight': np.ones((13, 8), np.float32)},
     'lm_head.decoder.weight: the config ties it'),
    ('llama', lambda t: {**t, 'model.norm.weight': np.full(8, np.nan, np.float32)},
     'norm.weight: holds NaN or infinity'),
    ('llama', lambda t: {**t, 'norm.weight': np.ones(8, np.float32)},
     "weights with and without 'model.' before one name"),
    ('llama', lambda t: {k: v for k, v in t.items() if k != 'lm_head.weight'},
     'missing weight: lm_head.weight'),
])
def test_values_that_cannot_be_right(folder, family, change, line):
    with pytest.raises(config.ConfigError, match=line):
        load(folder(family, change))


def test_wrong_shape_names_both(folder):
    path = folder('llama', lambda t: {**t, 'model.norm.weight': np.ones(9, np.float32)})
    with pytest.raises(config.ConfigError, match=r'norm.weight: \[9\] .* asks for \[8\]'):
        load(path)


def in_two_files(path):
    """Splits model.safetensors into two files with an index."""
    tensors = load_file(path / 'model.safetensors')
    (path / 'model.safetensors').unlink()
    names, weight_map = sorted(tensors), {}
    for i, part in enumerate((names[::2], names[1::2])):
        save_file({n: tensors[n] for n in part}, path / f'part-{i}.safetensors')
        weight_map |= {n: f'part-{i}.safetensors' for n in part}
    (path / files.INDEX).write_text(json.dumps({'weight_map': weight_map}))


def test_sharded_checkpoint(folder):
    path = folder('qwen3', lambda t: t)
    in_two_files(path)
    np.testing.assert_array_equal(load(path).logits(TOKENS),
                                  load(GOLDEN / 'qwen3').logits(TOKENS))
    (path / 'part-1.safetensors').unlink()
    with pytest.raises(config.ConfigError, match="'part-1.safetensors' is missing"):
        load(path)
    (path / files.INDEX).write_text('{"weight_map": {"a": "../secret.safetensors"}}')
    with pytest.raises(config.ConfigError, match='outside its folder'):
        load(path)


HEADER = b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,%d]}}'


@pytest.mark.parametrize('content', [
    b'', b'\x00' * 7, b'\xff' * 64, (10 ** 6).to_bytes(8, 'little') + b'{}',
    len(HEADER % 16).to_bytes(8, 'little') + HEADER % 16 + b'\x00' * 8,      # truncated
    len(HEADER % 99).to_bytes(8, 'little') + HEADER % 99 + b'\x00' * 16,     # lies
])
def test_broken_safetensors_name_the_file(folder, content):
    path = folder('llama', lambda t: t)
    (path / 'model.safetensors').write_bytes(content)
    with pytest.raises(config.ConfigError, match='model.safetensors: not a safetensors'):
        load(path)


def test_no_model_there(tmp_path):
    with pytest.raises(config.ConfigError, match='config.json'):
        load(tmp_path)
    with pytest.raises(config.ConfigError, match='expected a directory'):
        load(tmp_path / 'nowhere')
    (tmp_path / 'config.json').write_text('{"model_type": "llamma"}')
    with pytest.raises(config.ConfigError, match='did you mean llama'):
        load(tmp_path)
    (tmp_path / 'config.json').write_text('{"model_type": "llama", "hidden_size": 8}')
    with pytest.raises(config.ConfigError, match="not a config of 'llama'"):
        load(tmp_path)


@pytest.mark.parametrize('error, status, expected', [
    ('GatedRepoError', 403, 'accept its terms at https://huggingface.co/org/name, then run hf'),
    ('RepositoryNotFoundError', 401, 'no such repository; for a private one run hf auth'),
    ('RevisionNotFoundError', 404, 'no such revision'),
    ('HfHubHTTPError', 503, r'cannot be reached \(first line\); give a local directory'),
    ('OfflineModeIsEnabled', None, 'cannot be reached'),
    ('LocalEntryNotFoundError', None, 'cannot be reached'),
    ('HFValidationError', None, 'not the name of a repository')])
def test_hub_errors_are_one_line(monkeypatch, error, status, expected):
    hub = pytest.importorskip('huggingface_hub')
    errors = pytest.importorskip('huggingface_hub.errors')
    response = mock.Mock(headers={}, status_code=status)

    def download(*args, **kwargs):
        kind = getattr(errors, error)
        raise kind('first line\nsecond', **({'response': response} if status else {}))

    monkeypatch.setattr(hub, 'snapshot_download', download)
    with pytest.raises(config.ConfigError, match=expected) as e:
        load('org/name')
    assert '\n' not in str(e.value) and str(e.value).startswith('org/name: ')


def test_offline(monkeypatch, tmp_path):
    """The real library, told that there is no network and that its cache is empty."""
    constants = pytest.importorskip('huggingface_hub.constants')
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path))
    with pytest.raises(config.ConfigError, match='org/name: .* cannot be reached'):
        load('org/name')
    with pytest.raises(config.ConfigError, match='not the name of a repository'):
        load('org/na me/x')


def test_bfloat16_is_close():
    """The error of bfloat16 weights and arithmetic is a few of its units (2^-8)."""
    exact = load(GOLDEN / 'llama').logits(TOKENS)
    network = load(GOLDEN / 'llama', dtype=jnp.bfloat16)
    assert {x.dtype for x in jax.tree.leaves(network.params)} == {jnp.dtype('bfloat16')}
    logits = network.logits(TOKENS)
    assert logits.dtype == jnp.bfloat16
    np.testing.assert_allclose(logits.astype(jnp.float32), exact, atol=0.05)


@pytest.mark.parametrize('family', ['gemma2', 'gpt2', 'bert'])
def test_a_mesh_of_two_by_two(family):
    mesh = Mesh(np.array(jax.devices()[:4]).reshape(2, 2), ('data', 'model'))
    network = load(GOLDEN / family, sharding=shard.over(mesh))
    kernel = network.params['blocks_0']['mlp_in']['kernel']
    assert kernel.addressable_shards[0].data.shape == (kernel.shape[0], kernel.shape[1] // 2)
    tokens = jax.device_put(jnp.tile(TOKENS, (4, 1)), NamedSharding(mesh, P('data')))
    run = jax.jit(lambda p, t: network.model.apply({'params': p}, t)[0])
    np.testing.assert_allclose(run(network.params, tokens)[0],
                               load(GOLDEN / family).logits(TOKENS)[0], atol=1e-5)


def test_tensors_are_read_and_placed_one_by_one():
    """No more than the parts of one parameter are on the host at a time."""
    events = []

    class Watched(files.Tensors):
        def __getitem__(self, name):
            events.append('read')
            return super().__getitem__(name)

    def sharding(path, shape):
        events.append('place')

    family = decoders.FAMILIES['llama']
    model = family.model(files.read_config(GOLDEN / 'llama'))
    read(model, family, Watched(GOLDEN / 'llama'), sharding=sharding)
    runs = ''.join('r' if e == 'read' else 'p' for e in events).split('p')
    assert max(map(len, runs)) == 3 and events.count('place') > 10         # q, k, v


BASE = dict(vocab_size=32, hidden_size=8, num_hidden_layers=6, num_attention_heads=2,
            intermediate_size=16)


def test_configs_of_before_transformers_5():
    pythia = decoders.FAMILIES['gpt_neox'].model(BASE | dict(
        model_type='gpt_neox', rotary_pct=0.25, rotary_emb_base=1000))
    assert pythia.style.rotary == Rotary(1000, 0.25) and pythia.style.parallel
    scaling = dict(rope_type='llama3', factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=8192)
    llama = decoders.FAMILIES['llama'].model(BASE | dict(
        model_type='llama', rope_theta=5e5, rope_scaling=scaling))
    assert llama.style.rotary == Rotary(5e5, 1.0, 8.0, (1.0, 4.0, 8192))
    gemma = decoders.FAMILIES['gemma3_text'].model(BASE | dict(
        model_type='gemma3_text', rope_theta=1e6, rope_local_base_freq=1e4,
        sliding_window=512, sliding_window_pattern=6,
        rope_scaling=dict(rope_type='linear', factor=8.0)))
    assert gemma.style.windows == (512,) * 5 + (0,)
    assert gemma.style.rotary == Rotary(1e6, 1.0, 8.0)
    assert gemma.style.local_rotary == Rotary(1e4) and gemma.tied
    gemma2 = decoders.FAMILIES['gemma2'].model(BASE | dict(model_type='gemma2'))
    assert gemma2.style.windows == (4096, 0) * 3 and gemma2.logit_softcap == 30.0
    tower = decoders.FAMILIES['gemma3'].model(dict(         # as google/gemma-3-4b-it says it
        model_type='gemma3', text_config=dict(
            hidden_size=2560, intermediate_size=10240, num_hidden_layers=34,
            rope_scaling=dict(rope_type='linear', factor=8.0), sliding_window=1024)))
    assert (tower.vocab, tower.heads, tower.style.kv_heads, tower.head_dim) == (
        262208, 8, 4, 256) and tower.style.rotary == Rotary(1e6, 1.0, 8.0)
    mistral = decoders.FAMILIES['mistral'].model(BASE | dict(model_type='mistral'))
    assert mistral.style.windows == (4096,) * 6
    with pytest.raises(config.ConfigError, match="'yarn' is not supported"):
        decoders.FAMILIES['llama'].model(BASE | dict(
            model_type='llama', rope_scaling=dict(rope_type='yarn', factor=2.0)))


def test_llama3_frequencies_by_hand():
    """Wavelengths: 2 pi is short and stays; 2 pi 1e4 is long and is divided by 4."""
    f = Rotary(1e8, 1.0, 4.0, (1.0, 4.0, 64)).frequencies(4)
    np.testing.assert_allclose(f, [1.0, 0.25e-4])
    f = Rotary(16.0, 1.0, 4.0, (1.0, 4.0, 64)).frequencies(4)    # 64 / 4 / 2 pi = 2.546
    blend = (2.5464790894703 - 1) / 3
    np.testing.assert_allclose(f[1], blend / 4 + (1 - blend) / 16)


