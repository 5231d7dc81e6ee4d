import json

import numpy as np
import pytest

from saex.config import ConfigError
from saex.data.text import pack, tokens

TEXTS = ['the cat sat on the mat; the dog sat on the log. ' * 3, 'a <bos> in the text é 漢']


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    return tokens.train(TEXTS, 280, tmp_path_factory.mktemp('cache'))


def test_bpe_round_trips_and_text_never_becomes_a_special_token(made):
    encoded = made.encode(TEXTS)
    assert [made.text(ids) for ids in encoded] == TEXTS
    assert not np.isin(np.concatenate(encoded), made.special).any()
    assert (made.bos, made.eos, made.pad) == (0, 1, 2) == made.special
    assert made.size == 280 == len(made.names) and made.names[0] == '<bos>'
    assert max(map(len, encoded)) < len(TEXTS[0]) // 2


def test_training_is_deterministic_and_cached(made, tmp_path):
    again = tokens.train(TEXTS, 280, tmp_path)
    assert again.fingerprint == made.fingerprint
    assert tokens.train(TEXTS, 270, tmp_path).fingerprint != made.fingerprint
    held = sorted(p.stat().st_mtime_ns for p in tmp_path.iterdir())
    tokens.train(TEXTS, 280, tmp_path)
    assert sorted(p.stat().st_mtime_ns for p in tmp_path.iterdir()) == held and len(held) == 2


def test_a_hugging_face_directory_whose_template_adds_bos(made, tmp_path):
    from tokenizers import processors
    inner = made._inner
    inner.post_processor = processors.TemplateProcessing(
        single='<bos> $A', special_tokens=[('<bos>', 0)])
    inner.save(str(tmp_path / 'tokenizer.json'))
    (tmp_path / 'tokenizer_config.json').write_text(json.dumps(
        {'bos_token': {'content': '<bos>'}, 'eos_token': '<eos>', 'pad_token': None}))
    found = tokens.load(tmp_path)
    assert (found.bos, found.eos, found.pad) == (0, 1, None)
    rows = pack.pack(found.encode(['the cat sat on the mat']), found, 4, 'split')
    assert (rows.tokens == 0).sum() == len(rows.tokens)         # once a row, never doubled


def test_a_directory_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='has no tokenizer.json'):
        tokens.load(tmp_path)
    (tmp_path / 'tokenizer.json').write_text('{"model": 3')
    with pytest.raises(ConfigError, match='tokenizer.json: '):
        tokens.load(tmp_path)


@pytest.mark.parametrize('vocab, with_, told', [
    (280, None, None), (1024, None, None), (279, None, 'largest id is 279'),
    (1304, None, 'not the tokenizer'), (280, 'f' * 64, 'was trained with ffffffffffff')])
def test_a_tokenizer_that_does_not_fit_the_model_is_refused(made, vocab, with_, told):
    found = tokens.problems_with(made, vocab, with_)
    assert (found == []) if told is None else told in found[0] and len(found) == 1


def rows(made, packing, lengths=(5, 3, 0, 20), length=7):
    encoded = [np.arange(n, dtype=np.int32) + 10 * (i + 1) for i, n in enumerate(lengths)]
    return encoded, pack.pack(encoded, made, length, packing)


def test_packed_rows_hold_every_token_once(made):
    encoded, found = rows(made, 'packed')
    stream = [t for ids in encoded if len(ids) for t in (0, *ids, 1)]
    assert found.tokens.ravel().tolist() == stream[:len(stream) // 8 * 8]
    assert found.document[0].tolist() == [0] * 7 + [1]
    assert found.offset[0].tolist() == [*range(7), 0]


def test_split_rows_cross_no_boundary_and_predict_every_token_once(made):
    encoded, found = rows(made, 'split')
    real = found.document >= 0
    assert all(len(set(d[r])) == 1 for d, r in zip(found.document, real))
    assert (found.tokens[:, 0] == 0).all() and (found.tokens[~real] == 2).all()
    both = real[:, 1:] & (found.document[:, 1:] == 3)
    targets = found.tokens[:, 1:][both]
    assert targets.tolist() == [*encoded[3], 1]
    assert found.short == 2             # documents of 7 and 5 tokens


def test_examples_are_one_row_each(made):
    _, found = rows(made, 'examples', lengths=(9, 8, 30))
    assert found.document[:, 0].tolist() == [0, 1, 2]
    assert (found.offset[:, :8] == np.arange(8)).all() and found.short == 0


def test_too_little_text_is_an_error(made):
    with pytest.raises(ConfigError, match='do not fill one row of 65'):
        rows(made, 'packed', length=64)


def test_rows_of_ids_are_taken_as_they_are(made):
    ids = [np.array([0, 5, 6, 7], np.int32), np.array([0, 8, 0, 9], np.int32)]
    found = pack.given(ids, made, 3, needs_bos=True)
    assert found.tokens.tolist() == [[0, 5, 6, 7], [0, 8, 0, 9]]
    assert found.document[:, 0].tolist() == [0, 1] and found.offset[1].tolist() == [0, 1, 2, 3]
    assert len(pack.given([row[1:] for row in ids], made, 2, needs_bos=False).tokens) == 2


@pytest.mark.parametrize('ids, told', [
    ([[0, 1, 2]], 'length: the rows hold 3 ids, length 3 needs 4'),
    ([[0, 1, 2], [0] * 6], 'length: the rows hold 3 to 6 ids, length 3 needs 4'),
    ([[0, 5, 280, 6]], 'row 0 holds id 280, the tokenizer ids 0 to 279'),
    ([[0, 5, -1, 6]], 'row 0 holds id -1'),
    ([[0, 5, 6, 7], [0, 0, 5, 6]], r'row 1 begins with BOS \(0\) twice'),
    ([[5, 6, 7, 8]], r'no row begins with BOS \(0\)')])
def test_rows_of_ids_that_do_not_fit_are_refused(made, ids, told):
    with pytest.raises(ConfigError, match=told):
        pack.given([np.array(row) for row in ids], made, 3, needs_bos=True)
