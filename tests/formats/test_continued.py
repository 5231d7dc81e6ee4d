"""Dictionaries of others train on, are evaluated and are converted like our own."""
import json

import jax
import numpy as np
import pytest

from experiments import convert, evaluate as evaluate_command
from saex import execute, experiment
from saex.config import ConfigError
from saex.formats import circuit_tracer, continued, dictionary_learning, fold, load, saelens
from saex.train import step
from tests.formats import _examples as ex

SOURCE = dict(name='planted', d_in=5, features=8, l0=2.0)
REST = dict(losses={'mse': {}}, optim=dict(lr=1e-3), steps=6, batch_size=64)


def config(**dictionaries):
    return dict(seed=0, title='foreign', source=SOURCE, dictionaries=dictionaries,
                evaluation=dict(rows=512), log_every=2, save_every=6)


def started(section):
    made = experiment.plan(config(it=section)).recipes['it']
    _, source = execute.stream(experiment.plan(config(it=section)), None)
    state = step.initial(made.problem, made.optimizer, jax.random.key(0),
                         made.problem.sample(source))
    return made, source, state


@pytest.mark.parametrize('name, write, selector', [
    ('relu', dictionary_learning.write, None), ('topk', saelens.write, None),
    ('jumprelu', saelens.write, None), ('gated', dictionary_learning.write, None),
    ('topk', saelens.write, dict(name='jumprelu')),
    ('jumprelu', saelens.write, dict(name='batch_topk', k=2.0))])
def test_a_foreign_dictionary_is_where_training_starts(name, write, selector, tmp_path):
    c = fold.unfold(ex.canonical(name), 0.5, np.arange(5.0), subtract=True)
    write(tmp_path / 'theirs', c)
    section = continued.sections(str(tmp_path / 'theirs'), selector) | REST
    made, source, state = started(section)
    x = ex.rows(c)
    if selector is None:
        found = made.model.apply({'params': state.params, 'stats': state.stats}, x,
                                 method='reconstruct')
        np.testing.assert_allclose(found, c.reconstruct(x), atol=2e-3)
    train = jax.jit(step.make(made.problem, made.optimizer))
    after, metrics = train(state, source.batch(0, 64), jax.random.key(0))
    assert all(np.isfinite(v) for v in metrics.values()) and int(after.skipped[0]) == 0
    moved = np.abs(after.params['decoder']['w_dec'] - state.params['decoder']['w_dec'])
    assert 0 < moved.max() < 0.01


def test_another_size_is_refused_before_training(tmp_path):
    saelens.write(tmp_path / 'theirs', ex.canonical('relu'))
    section = continued.sections(str(tmp_path / 'theirs')) | REST
    section['dictionary']['features'] = 13
    with pytest.raises(ConfigError, match=r'encoder/w_enc \[5, 12\], the config \[5, 13\]'):
        started(section)


CONFIG = """
def get_config(arg=None):
    return {config!r}
"""


def test_commands_convert_and_evaluate(tmp_path, capsys):
    theirs = tmp_path / 'theirs'
    dictionary_learning.write(theirs, ex.canonical('topk'))
    np.save(tmp_path / 'rows.npy', ex.rows(ex.canonical('topk'), 400))
    convert.main([f'--from={theirs}', '--to=saelens', f'--out={tmp_path / "ours"}'])
    ex.same(ex.canonical('topk'), load.load(tmp_path / 'ours'))
    convert.main([f'--from={theirs}', '--to=gemma_scope',
                  f'--out={tmp_path / "new" / "params.npz"}',
                  f'--sample={tmp_path / "rows.npy"}'])
    assert load.load(tmp_path / 'new' / 'params.npz').activation == 'jumprelu'
    for wrong, said in (
            (['--to=x'], 'is missing'), (['--from=a', '--to=onnx', '--out=b'], 'onnx'),
            ([f'--from={theirs}', '--to=circuit_tracer', f'--out={tmp_path / "x"}'],
             'loads no topk'),
            ([f'--from={theirs}', '--to=saelens', f'--out={theirs}'], 'exists already')):
        with pytest.raises(ValueError, match=said):
            convert.main(wrong)
    plain = config(it=dict(dictionary=dict(features=8), **REST))
    (tmp_path / 'config.py').write_text(CONFIG.format(config=plain))
    evaluate_command.main([f'--config={tmp_path / "config.py"}', f'--dictionary={theirs}',
                           f'--workdir={tmp_path / "run"}'])
    results = json.loads((tmp_path / 'run' / 'results.json').read_text())
    assert results['theirs/l0'] <= 3 and np.isfinite(results['theirs/fvu'])
    assert 'report:' in capsys.readouterr().out
    assert (tmp_path / 'run' / 'report.html').is_file()
    circuit_tracer.write(tmp_path / 'clt', ex.cross_layer())
    with pytest.raises(ConfigError, match='reads 15 inputs, the source gives 5'):
        evaluate_command.main([f'--config={tmp_path / "config.py"}',
                               f'--workdir={tmp_path / "r"}',
                               f'--dictionary={tmp_path / "clt"}'])
