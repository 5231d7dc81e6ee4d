"""The short form of `make faults`: the real command, killed and damaged by a fixed script.

Rows 1, 3, 6, 50 and 54 of the table on processes of their own (test_table.py has the rest);
the bytes at the end are those of the run that nothing happened to.
"""
import random

import pytest

from tests.faults import harness

SCRIPT = [('SIGKILL', 'save begins', 3), ('SIGTERM', 'step', 7), 'flip',
          ('SIGKILL', 'manifest written, not renamed', 2), 'torn log',
          ('SIGINT', 'evaluate', 1)]


@pytest.fixture(scope='module')
def ended(tmp_path_factory):
    root = tmp_path_factory.mktemp('faults')
    whole = harness.Chain(root / 'whole', random.Random(0))
    whole.finish()
    hurt = harness.Chain(root / 'hurt', random.Random(0))
    for step in SCRIPT:
        if isinstance(step, str):
            hurt.damage(step)
        else:
            assert not hurt.hit(*step)
    hurt.finish()
    return whole, hurt


def test_every_fault_is_survived_and_the_bytes_are_the_same(ended):
    whole, hurt = ended
    assert [(f.kind, f.outcome) for f in hurt.faults] == [
        (step if isinstance(step, str) else step[0], 'survived') for step in SCRIPT]
    assert hurt.contents() == whole.contents() and len(whole.contents()) >= 4


def test_what_each_fault_may_lose(ended):
    """Two members, saved every five steps: a kill loses at most ten steps, a signal that
    can be heard none, a damaged checkpoint at most the five since the one before."""
    lost = {f.kind: f.lost for f in ended[1].faults}
    assert lost['SIGKILL'] <= 10 and 0 < lost['flip'] <= 5
    assert lost['SIGTERM'] == lost['SIGINT'] == lost['torn log'] == 0


def test_the_judge_sees_other_bytes_and_damage_that_nobody_mentions(ended, tmp_path):
    hurt = ended[1]
    path = next(hurt.workdir.glob('dictionaries/topk/*.safetensors'))
    harness._harm('flip', path.parent, path, random.Random(0))
    assert hurt.contents() != ended[0].contents()
    hurt.owed = {'topk': 'topk: goes on from step 1000'}
    hurt.heard('topk: goes on from step 100\n')
    assert hurt.owed
