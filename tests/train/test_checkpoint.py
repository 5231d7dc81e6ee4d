import jax.numpy as jnp
import numpy as np
import pytest

from saex.train import checkpoint

STATE = {'params': {'w': jnp.arange(6.0).reshape(2, 3)}, 'empty': {}, 'step': jnp.int32(3),
         'pair': (jnp.ones(2, jnp.bfloat16), {})}


def saved(tmp_path, *steps):
    found = checkpoint.Checkpoints(tmp_path, keep=3, say=lambda line: None)
    for step in steps:
        found.save(step, {**STATE, 'step': jnp.int32(step)}, {'seed': 1})
    return found


def test_round_trip_is_exact(tmp_path):
    state = saved(tmp_path, 3).restore(STATE, {'seed': 1})
    assert state['empty'] == {}
    np.testing.assert_array_equal(state['params']['w'], STATE['params']['w'])
    assert state['pair'][0].dtype == jnp.bfloat16 and int(state['step']) == 3


def test_old_steps_go_and_half_written_ones_do_not_count(tmp_path):
    found = saved(tmp_path, 1, 2, 3, 4)
    (tmp_path / '9').mkdir()
    (tmp_path / '11.building').mkdir()
    assert found.steps() == [2, 3, 4]


def every_file(step):
    return [p for p in sorted(step.rglob('*')) if p.is_file() and p.stat().st_size]


@pytest.mark.parametrize('harm', ['flip', 'truncate', 'delete'])
def test_harm_to_any_file_is_noticed_and_the_step_before_serves(tmp_path, harm):
    saved(tmp_path, 1, 2)
    for path in every_file(tmp_path / '2'):
        whole, said = path.read_bytes(), []
        if harm == 'flip':
            middle = len(whole) // 2
            path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1:])
        elif harm == 'truncate':
            path.write_bytes(whole[:len(whole) // 2])
        else:
            path.unlink()
        state = checkpoint.Checkpoints(tmp_path, say=said.append).restore(STATE, {'seed': 1})
        assert int(state['step']) == 1, path
        assert len(said) == 1 and str(tmp_path / '2') in said[0]
        path.write_bytes(whole)
    assert int(checkpoint.Checkpoints(tmp_path).restore(STATE, {'seed': 1})['step']) == 2


def test_a_bad_step_is_none_of_those_that_stay(tmp_path):
    saved(tmp_path, 1, 2)
    (tmp_path / '2' / 'meta.json').write_text('{}')
    found = checkpoint.Checkpoints(tmp_path, keep=2, say=lambda line: None)
    assert int(found.restore(STATE, {'seed': 1})['step']) == 1
    found.save(3, STATE, {'seed': 1})
    assert found.steps() == [1, 2, 3]           # 1 serves if 3 is harmed as well
    found.save(4, STATE, {'seed': 1})
    assert found.steps() == [3, 4]


def test_all_bad_is_an_error_that_lists_each(tmp_path):
    found = saved(tmp_path, 1, 2)
    for step in ('1', '2'):
        (tmp_path / step / 'meta.json').write_text('{}')
    with pytest.raises(checkpoint.CheckpointError, match='1: meta.json.*--fresh'):
        found.restore(STATE, {'seed': 1})


def test_another_shape_is_named(tmp_path):
    found = saved(tmp_path, 1)
    other = {**STATE, 'params': {'w': jnp.zeros((5, 3))}}
    with pytest.raises(checkpoint.CheckpointError, match=r'params/w: .float32.2, 3.. before, '):
        found.restore(other, {'seed': 1})
