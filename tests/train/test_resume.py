"""A run killed with SIGKILL at any moment and restarted ends in the same bits."""
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
RUN = [sys.executable, str(ROOT / 'experiments' / 'run.py'),
       f'--config={ROOT}/experiments/planted.py:runlocal']
SMALL = ['--config.dictionaries.topk.steps=60', '--config.dictionaries.jumprelu.steps=60',
         '--config.save_every=10', '--config.evaluation.rows=2048']


def start(workdir, *flags):
    return subprocess.Popen(RUN + SMALL + [f'--workdir={workdir}', *flags], cwd=workdir.parent,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env=os.environ | {'XLA_FLAGS': ''})


def contents(workdir):
    held = workdir / 'dictionaries'
    return {str(p.relative_to(held)): p.read_bytes() for p in sorted(held.rglob('*.*'))}


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    workdir = tmp_path_factory.mktemp('whole') / 'run'
    run = start(workdir)
    out, _ = run.communicate(timeout=200)
    assert run.returncode == 0, out
    assert 'default-src' in (workdir / 'report.html').read_text()
    return contents(workdir)


def test_killed_and_restarted_ends_in_the_same_bits(whole, tmp_path):
    assert {name.split('/')[0] for name in whole} == {'topk', 'jumprelu'}
    workdir, moments = tmp_path / 'run', random.Random(0)
    for _ in range(3):
        run = start(workdir)
        deadline = time.monotonic() + 60
        while not list(workdir.glob('train/*/metrics.jsonl')) and run.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(moments.uniform(0.0, 4.0))
        run.send_signal(signal.SIGKILL)
        run.communicate()
    run = start(workdir)
    out, _ = run.communicate(timeout=200)
    assert run.returncode == 0, out
    assert contents(workdir) == whole


def test_sigterm_saves_and_leaves_with_code_0(whole, tmp_path):
    workdir = tmp_path / 'run'
    run = start(workdir)
    while not list(workdir.glob('train/*/checkpoints/10')) and run.poll() is None:
        time.sleep(0.02)
    run.terminate()
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 0, out
    run = start(workdir)
    out, _ = run.communicate(timeout=200)
    assert run.returncode == 0, out
    assert contents(workdir) == whole
