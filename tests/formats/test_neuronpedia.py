"""Neuronpedia's export shape, out and back in."""
import gzip
import json

import numpy as np
import pytest

from saex.formats import neuronpedia
from saex.formats.errors import FormatError

TOKENS = [['a', '</script>', 'c', 'd'], ['e', 'f', '\u2028', 'é']]
CODES = np.array([[0, 2.0, 0, 0.5], [4.0, 0, 0, 0]])


def test_describe_by_hand():
    f = neuronpedia.describe(3, CODES, TOKENS, bins=2, contexts=5, width=2)
    assert (f.index, f.frequency, f.maximum) == (3, 3 / 8, 4.0)
    assert f.counts == [2, 1] and f.edges == [0.5, 2.25]
    assert f.examples == [(['e', 'f'], [4.0, 0.0]), (['a', '</script>'], [0.0, 2.0])]
    dead = neuronpedia.describe(4, 0 * CODES, TOKENS)
    assert dead.examples == [] and dead.counts == [] == dead.edges and dead.maximum == 0


def test_there_and_back(tmp_path, monkeypatch):
    monkeypatch.setattr(neuronpedia, 'BATCH', 2)
    features = [neuronpedia.Feature(
        i, 0.1, 4.0, [1, 2], [0.0, 1.0], [(TOKENS[0], [0.0, 4.0, 0.0, 0.5])],
        [('x', 1.5)], [('y', -2.0)], 'rooms' if i else '') for i in range(5)]
    assert neuronpedia.write(tmp_path, features, 'gpt2-small', '9-res') == 5
    assert len(list((tmp_path / 'features').glob('*'))) == 3
    assert neuronpedia.read(tmp_path) == features
    raw = (tmp_path / 'activations' / 'batch-0.jsonl.gz').read_bytes()
    row = json.loads(gzip.decompress(raw).decode().split('\n')[0])
    assert (row['modelId'], row['layer'], row['index']) == ('gpt2-small', '9-res', '0')
    assert (row['maxValueTokenIndex'], row['maxValue'], row['minValue']) == (1, 4.0, 0.0)


def test_what_is_refused(tmp_path):
    nan = neuronpedia.Feature(0, float('nan'), 0.0, [], [], [])
    with pytest.raises(FormatError, match='not finite'):
        neuronpedia.write(tmp_path / 'a', [nan], 'm', 'l')
    with pytest.raises(FormatError, match='no features'):
        neuronpedia.read(tmp_path)
    (tmp_path / 'features').mkdir()
    for raw in (b'junk', gzip.compress(b'{'), gzip.compress(b'{"index": "0"}')):
        (tmp_path / 'features' / 'batch-0.jsonl.gz').write_bytes(raw)
        with pytest.raises(FormatError, match='not (gzipped|an export)'):
            neuronpedia.read(tmp_path)
