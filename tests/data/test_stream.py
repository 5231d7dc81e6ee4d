import numpy as np
import pytest

from saex.config import ConfigError
from saex.data.stream import Stream


class Table:
    """Rows 0, 1, 2 ... as x [N, 1]; counts what is read."""
    path = 'table'

    def __init__(self, rows=1000, block=16):
        self.rows, self.block, self.reads = rows, block, []
        self.columns = {'x': ((1,), np.float32), 'where': ((3,), np.int32)}

    def ask(self, start, stop, names):
        assert list(names) == ['x']                # 'where' stays on disk
        self.reads.append(start)
        return lambda: {'x': np.arange(start, stop, dtype=np.float32)[:, None]}


def rows(stream, steps, size=32):
    return np.concatenate([stream.batch(i, size)['x'][:, 0] for i in steps]).astype(int)


def test_an_epoch_is_a_permutation_and_the_next_another():
    stream = Stream(Table(), window=128)
    first, second = rows(stream, range(31)), rows(stream, range(31, 62))
    assert len(set(first)) == len(first) == 31 * 32 and set(first) <= set(range(1000))
    assert len(set(second)) == len(second) and (first != second).mean() > 0.99
    reads = stream.table.reads[:63]
    assert sorted(reads) == list(range(0, 1000, 16))            # every block once


@pytest.mark.parametrize('resume', [1, 17, 40, 200])
def test_a_resume_needs_nothing_but_the_step(resume):
    whole, again = Stream(Table(), window=128), Stream(Table(), window=128)
    for step in range(resume):
        whole.batch(step, 32)
    wanted = rows(whole, range(resume, resume + 10))
    np.testing.assert_array_equal(rows(again, range(resume, resume + 10)), wanted)
    np.testing.assert_array_equal(rows(again, [resume]), wanted[:32])            # and back
    other = Stream(Table(), seed=1, window=128)
    assert (rows(other, range(resume, resume + 10)) != wanted).mean() > 0.9


def test_a_window_is_read_before_it_is_needed_and_memory_holds_two():
    stream = Stream(Table(), window=128)
    stream.batch(0, 32)
    stream._held[0, 1].result()                               # asked for by step 0
    read = len(stream.table.reads)
    assert read == 16
    rows(stream, range(4))
    assert len(stream.table.reads) == read and len(stream._held) == 2
    rows(stream, range(4, 30))
    assert len(stream._held) <= 3


def test_held_out_blocks_are_left_out_and_read_alone():
    train, test = (Stream(Table(), held_out=5, test=t) for t in (False, True))
    seen, held = rows(train, range(train.rows // 32)), rows(test, range(test.rows // 32))
    assert not set(seen) & set(held) and train.rows + test.rows == 1000
    assert {n // 16 % 5 for n in held} == {4} and {n // 16 % 5 for n in seen} == {0, 1, 2, 3}


def test_too_few_rows_are_an_error():
    with pytest.raises(ConfigError, match='table: 1000 rows to read, fewer than a batch'):
        Stream(Table()).batch(0, 1001)


@pytest.mark.parametrize('harvested, ratio, together', [
    (8192, 1.0, 63 / 65535), (1, 1 + 256 * 32 / 4096, 31 / 4095)])
def test_the_quality_of_the_shuffle(harvested, ratio, together):
    """Documents of 64 rows. With rows shuffled within harvest chunks of 8192, as a store
    has them, the stream is like a true shuffle: neighbours are of one document, and the
    means of batches of 256 vary, as in independent draws. In a table that was never
    shuffled, blocks of 32 rows stay together in windows of 4096: B block / W more."""
    rng = np.random.default_rng(0)
    order = np.concatenate([i + rng.permutation(harvested)
                            for i in range(0, 65536, harvested)])
    document = order // 64
    value = rng.normal(size=1024)[document]
    stream = Stream(Table(65536, 32), window=4096)
    at = rows(stream, range(256), 256)
    found = (document[at][1:] == document[at][:-1]).mean()
    assert abs(found - together) < 5 * np.sqrt(together / 65535)
    means = value[at].reshape(256, 256).mean(1)
    assert 0.7 < means.var() / (value.var() / 256) / ratio < 1.35
