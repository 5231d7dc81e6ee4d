"""Cards, suites and the Hub, against a stand-in on this machine."""
import json
import math
import xml.dom.minidom

import jax
import numpy as np
import pytest

import saex
from saex.dictionary import build
from saex.formats import card, files, fold, hub, load, native, release
from saex.formats.errors import FormatError
from tests.formats import _examples as ex
from tests.formats import _hub

pytest.importorskip('huggingface_hub')


@pytest.fixture
def served(monkeypatch, tmp_path):
    monkeypatch.setenv('HF_HUB_DISABLE_PROGRESS_BARS', '1')
    monkeypatch.setenv('HF_HUB_DISABLE_TELEMETRY', '1')
    with _hub.serve() as (found, endpoint):
        yield found, {'endpoint': endpoint, 'cache': tmp_path / 'cache'}


def suite(tmp_path, count=2):
    entries = []
    for i in range(count):
        c = ex.canonical('jumprelu', seed=i, provenance={
            'hook_name': f'blocks.{i}.resid_post', 'model_name': 'gpt2'})
        release.save_pretrained(tmp_path / 'made' / f'sae{i}', c,
                                frequency=np.full(12, 0.2))
        entries.append(release.Entry(f'sae{i}', tmp_path / 'made' / f'sae{i}', {
            'l0': 3.2 + i, 'fvu': 0.25, 'broken': math.nan, 'null': None}))
    index = release.suite(tmp_path / 'suite', entries, {
        'title': 'two | saes <b>', 'dataset': 'pile', 'repo': 'me/saes',
        'commands': ['python experiments/run.py']})
    return tmp_path / 'suite', index


def test_suite_has_gemma_scopes_names_an_index_and_a_card(tmp_path):
    folder, index = suite(tmp_path)
    assert [row['path'] for row in index] == ['resid_post/layer_0/width_12/average_l0_3',
                                              'resid_post/layer_1/width_12/average_l0_4']
    assert json.loads((folder / 'index.json').read_text()) == index
    assert index[0]['metrics'] == {'fvu': 0.25, 'l0': 3.2}
    text = (folder / 'README.md').read_text()
    assert text.startswith('---\nlibrary_name: saex\n') and 'base_model: ["gpt2"]' in text
    assert '# two \\| saes &lt;b&gt;' in text and 'python experiments/run.py' in text
    assert f'| {index[0]["path"]} | jumprelu | 5 | 12 | 3.2 | 0.25 |' in text
    ex.same(ex.canonical('jumprelu', seed=1), load.load(folder, index[1]['path']))
    with pytest.raises(FormatError, match='holds 2 dictionaries'):
        load.load(folder)


def test_two_dictionaries_of_one_site_width_and_l0(tmp_path):
    _, _ = suite(tmp_path)
    twice = [release.Entry(n, tmp_path / 'made' / 'sae0', {'l0': 3.0}) for n in 'ab']
    index = release.suite(tmp_path / 'other', twice)
    assert [row['path'] for row in index] == [
        f'resid_post/layer_0/width_12/average_l0_3/{n}' for n in 'ab']
    with pytest.raises(FormatError, match='the place of two'):
        release.suite(tmp_path / 'again', twice[:1] * 2)
    with pytest.raises(FormatError, match='something else'):
        release.suite(tmp_path / 'made', twice)
    assert not (tmp_path / 'again').exists() and (tmp_path / 'made' / 'sae0').is_dir()
    assert len(release.suite(tmp_path / 'other', twice[:1])) == 1       # replaces its own
    assert not (tmp_path / 'other' / 'resid_post/layer_0/width_12/average_l0_3/b').exists()


def test_a_run_becomes_a_suite(tmp_path, capsys):
    from experiments import release as command
    run = tmp_path / 'run'
    for i, name in enumerate(('one', 'two', 'one_untrained')):
        release.save_pretrained(run / 'dictionaries' / name, ex.canonical('relu', seed=i))
    files.write_json(run / 'config.json', {'title': 'rooms', 'world': {'name': 'rooms'},
                                           'source': {'name': 'harvest'}})
    files.write_json(run / 'results.json', {
        f'{n}/{k}': v for n, v in (('one', 3.0), ('two', 5.0), ('one_untrained', 1.0))
        for k in ('l0', 'fvu')} | {'subject/accuracy': 1.0})
    command.main([f'--workdir={run}', f'--out={tmp_path / "out"}', '--command=make it'])
    assert capsys.readouterr().out.split() == ['site/width_12/average_l0_3',
                                               'site/width_12/average_l0_5']
    text = (tmp_path / 'out' / 'README.md').read_text()
    assert '- Data: rooms' in text and '![figures/l0_fvu.svg](figures/l0_fvu.svg)' in text
    assert 'untrained' not in text and '```sh\nmake it\n```' in text
    xml.dom.minidom.parse(str(tmp_path / 'out' / 'figures' / 'l0_fvu.svg'))
    with pytest.raises(FormatError, match='not a finished run'):
        release.of_run(tmp_path)


def test_width_names():
    assert [release.width(n) for n in (12, 1000, 1024, 16384, 2 ** 20)] == [
        '12', '1000', '1k', '16k', '1m']


def test_upload_resumes_and_download_gives_the_same_dictionary(served, tmp_path):
    remote, where = served
    folder, index = suite(tmp_path)
    remote.fail_after = 1
    with pytest.raises(FormatError, match='me/saes: '):
        saex.push_to_hub(folder, 'me/saes', endpoint=where['endpoint'], token='hf_x')
    held = set(remote.repos['me/saes'])
    assert held and 'index.json' not in held        # the index only when all is there
    remote.fail_after = 0
    sent = saex.push_to_hub(folder, 'me/saes', endpoint=where['endpoint'], token='hf_x')
    assert not held & set(sent) and sent[-2:] == ['README.md', 'index.json']
    assert saex.push_to_hub(folder, 'me/saes', endpoint=where['endpoint'],
                            token='hf_x') == []
    found = saex.load('me/saes', index[0]['path'], hub=where)
    ex.same(ex.canonical('jumprelu'), found)
    model, params, _ = saex.from_pretrained('me/saes', index[0]['path'], hub=where)
    assert model.features == 12 and params['decoder']['w_dec'].shape == (12, 5)
    assert not any('sae1' in c or 'layer_1' in c for c in remote.calls[-4:])


def test_an_interrupted_download_resumes_and_the_cache_serves_offline(served, tmp_path):
    remote, where = served
    folder, index = suite(tmp_path)
    remote.repos['me/saes'] = {p.relative_to(folder).as_posix(): p.read_bytes()
                               for p in folder.rglob('*') if p.is_file()}
    remote.cut = 1
    found = load.load('me/saes', index[0]['path'], hub=where)
    ex.same(ex.canonical('jumprelu'), found)
    assert remote.cut == 0
    gone = {'endpoint': 'http://127.0.0.1:9', 'cache': where['cache']}
    ex.same(found, load.load('me/saes', index[0]['path'], hub=gone))


@pytest.mark.parametrize('repo, said', [
    ('me/gated', 'gated; accept its terms at http.*/me/gated and run `hf auth login`'),
    ('me/none', 'no such repository at http.*needs `hf auth login`; or give a local path'),
    ('../../etc', 'no such file'), ('a\0b', 'not a path'), ('', 'not a path')])
def test_repositories_that_cannot_be_had(repo, said, served):
    remote, where = served
    remote.gated.add('me/gated')
    with pytest.raises(ValueError, match=said) as e:
        load.load(repo, 'x', hub=where)
    assert '\n' not in str(e.value)


def test_offline_says_so(tmp_path):
    with pytest.raises(FormatError,
                       match='not in the cache, and the Hub cannot be reached'):
        hub.fetch('me/saes', endpoint='http://127.0.0.1:9', cache=tmp_path)


X = 3.0 + 2.0 * jax.random.normal(jax.random.key(1), (64, 5))


@pytest.mark.parametrize('section', [
    {'selector': {'name': 'topk', 'k': 3}, 'transform': 'scale'},
    {'selector': 'relu', 'transform': {'name': 'chain', 'parts': ('centre', 'scale')}},
    {'selector': 'jumprelu', 'encoder': {'name': 'linear', 'pre_bias': False}}])
def test_a_trained_dictionary_is_saved_and_opened(section, tmp_path):
    model = build.dictionary(dict(features=12) | section, 5)
    variables = model.init(jax.random.key(0), X)
    _, fitted = model.apply(variables, X, method='fit', mutable=['stats'])
    parts = (model, variables['params'], {**variables['stats'], **fitted['stats']})
    saex.save_pretrained(tmp_path / 'it', parts, results={'l0': 3.0},
                         about={'provenance': {'hook_name': 'here'}})
    opened = saex.from_pretrained(tmp_path / 'it')
    want = model.apply({'params': parts[1], 'stats': parts[2]}, X, method='reconstruct')
    found = opened[0].apply({'params': opened[1], 'stats': opened[2]}, X,
                            method='reconstruct')
    np.testing.assert_allclose(found, want, atol=2e-4)
    assert '| it | ' in (tmp_path / 'it' / 'README.md').read_text()


def test_a_composition_of_its_own_comes_back_by_its_recipe(tmp_path):
    section = dict(features=12, selector={'name': 'topk', 'k': 3}, transform='scale')
    model = build.dictionary(section, 5)
    variables = model.init(jax.random.key(0), X)
    flat = saex.tree.flatten(dict(variables))
    files.write_json(tmp_path / 'cfg.json', {
        'architecture': 'saex', 'd_in': 5, 'd_sae': 12, 'metadata': {'recipe': section}})
    files.write_tensors(tmp_path / 'sae_weights.safetensors',
                        {k: np.asarray(v, np.float32) for k, v in flat.items()})
    opened, params, stats = native.open_folder(tmp_path)
    with pytest.raises(FormatError, match='saex.from_pretrained opens it'):
        load.load(tmp_path)
    np.testing.assert_array_equal(
        opened.apply({'params': params, 'stats': stats}, X, method='reconstruct'),
        model.apply(variables, X, method='reconstruct'))
    (tmp_path / 'cfg.json').write_text(json.dumps({
        'architecture': 'saex', 'd_in': 5, 'd_sae': 12, 'metadata': {
            'recipe': section | {'features': 13}}}))
    with pytest.raises(FormatError, match='its recipe'):
        native.open_folder(tmp_path)


def test_card_of_one(tmp_path):
    release.save_pretrained(tmp_path / 'it', fold.fold(ex.canonical('relu')),
                            results={'fvu': 0.5}, about={'licence': 'apache-2.0'})
    text = (tmp_path / 'it' / 'README.md').read_text()
    assert 'license: "apache-2.0"' in text and 'saex.load("PATH_OR_REPO")' in text
    assert card._cell('a\nb|c') == 'a b\\|c'
