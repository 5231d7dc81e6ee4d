"""Bad input ends in one line for each problem, exit code 2, and no traceback."""
import pathlib

import pytest

from saex import cli

ROOT = pathlib.Path(__file__).parents[1]
PLANTED = f'--config={ROOT}/experiments/planted.py:runlocal'


@pytest.mark.parametrize('argv, line', [
    (['--confg=x'], "error: --confg: unknown flag; did you mean config?"),
    (['x.py'], "error: 'x.py': not a flag; flags look like --name=value"),
    (['--config=none.py'], "error: --config: no file 'none.py'"),
    ([f'--config={ROOT}/experiments/planted.py:runlocl'],
     "error: config argument 'runlocl' is unknown; did you mean runlocal?"),
    ([PLANTED, '--config.evaluation.row=3'],
     'error: --config.evaluation.row: no such key; did you mean rows?'),
    ([PLANTED, '--config.dictionaries.topk.dictionary.selector.k=3.5'],
     "error: --config.dictionaries.topk.dictionary.selector.k: expected int, got '3.5'"),
    ([PLANTED, '--config.dictionaries.topk.dictionary.selector.k=900'],
     'error: dictionaries.topk.dictionary.selector.k: expected 1 to 512 (the number of '
     'latents), got 900'),
    ([PLANTED, '--config.dictionaries.topk.dictionary.selector.name=topj'],
     "error: dictionaries.topk.dictionary.selector.name: selectors has no 'topj'; did you "
     'mean topk?'),
    ([PLANTED, '--config.dictionaries.jumprelu.optim.lr=-1'],
     'error: dictionaries.jumprelu.optim.lr: expected a positive number, got -1.0'),
    ([PLANTED], 'error: --workdir is missing: name a folder for the results'),
])
def test_one_line(argv, line, capsys):
    assert cli.main(argv) == 2
    assert capsys.readouterr().err.strip().splitlines() == [line]


def test_all_problems_at_once(capsys):
    assert cli.main([PLANTED, '--config.dictionaries.topk.dictionary.selector.k=0',
                     '--config.dictionaries.jumprelu.dictionary.features=0',
                     '--config.source.law=zip', '--dry_run']) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 3


def test_dry_run_counts_by_hand(capsys):
    assert cli.main([PLANTED, '--dry_run']) == 0
    out = capsys.readouterr().out
    # 64 * 512 encoder + 512 bias + 512 * 64 decoder + 64 bias
    assert f'topk: {64 * 512 * 2 + 512 + 64:,} parameters; on each device {4 * 66112:,} ' in out


def test_what_cannot_fit_is_refused(capsys):
    big = '--config.dictionaries.topk.dictionary.features=2000000000'
    assert cli.main([PLANTED, big, '--dry_run']) == 2
    assert 'lower features or batch_size' in capsys.readouterr().err


def test_list_names_parts(capsys):
    assert cli.main(['--list']) == 0
    out = capsys.readouterr().out
    assert 'dictionary.views: nested, nested_k' in out and 'quickstart' in out
    assert all(f'{name}, ' in out for name in ('batch_topk', 'jumprelu', 'kronecker', 'mask'))


def test_doctor_names_versions_and_what_is_missing(capsys, monkeypatch):
    monkeypatch.setattr('saex.env.OPTIONAL', {'no-such-package': 'plots'})
    assert cli.main(['--doctor']) == 0
    out = capsys.readouterr().out
    assert 'backend cpu' in out and '\njax ' in out and 'GiB' in out
    assert "no-such-package is not installed (optional): pip install 'saex[plots]'" in out
