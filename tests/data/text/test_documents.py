import hashlib
import json
import sys
from types import SimpleNamespace

import pytest

from saex.config import ConfigError
from saex.data.text import documents


def test_documents_of_a_folder_in_order_and_counted(tmp_path):
    (tmp_path / 'a.txt').write_text('first')
    rows = ['second', '', '  \n', 'first', 'lone \ud800 surrogate', 'x' * 1_000_000]
    (tmp_path / 'b.jsonl').write_text(
        '\n'.join(json.dumps({'body': text}) for text in rows) + '\n\n')
    found = documents.read(str(tmp_path), 'body')
    assert found.documents[:3] == ['first', 'second', 'lone ? surrogate']
    assert len(found.documents[3]) == 100_000
    assert found.counts == {'empty': 2, 'duplicate': 1, 'surrogates': 1, 'cut': 1}
    marks = [hashlib.sha256(text.encode()).digest() for text in found.documents]
    assert found.fingerprint == hashlib.sha256(b''.join(marks)).hexdigest()
    assert documents.read(str(tmp_path), 'body', most=2).documents == ['first', 'second']


@pytest.mark.parametrize('name, content, told', [
    ('bad.jsonl', '{"text": "a"}\n{"text"', 'bad.jsonl:2: '),
    ('field.jsonl', '{"body": "a"}', "field.jsonl:1: expected text in 'text'"),
    ('field.jsonl', '[1]', "field.jsonl:1: expected text in 'text'"),
    ('empty.txt', ' \n', 'holds no document'),
    ('page.html', 'a', 'expected a folder or a .jsonl, .parquet, .txt file'),
    (None, '', 'which is absent')])
def test_what_cannot_be_read_is_one_line(tmp_path, name, content, told):
    path = tmp_path / (name or 'absent.txt')
    if name:
        path.write_text(content)
    with pytest.raises(ConfigError) as error:
        documents.read(str(path))
    assert told in str(error.value) and len(error.value.problems) == 1


def test_a_parquet_file_or_how_to_install_its_reader(tmp_path):
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        (tmp_path / 'a.parquet').write_bytes(b'')
        with pytest.raises(ConfigError, match='pip install pyarrow'):
            documents.read(str(tmp_path))
        return
    parquet.write_table(pyarrow.table({'text': ['one', None, 'two']}),
                        tmp_path / 'a.parquet')
    found = documents.read(str(tmp_path))
    assert found.documents == ['one', 'two'] and found.counts['empty'] == 1
    with pytest.raises(ConfigError, match="no column 'body'; valid: text"):
        documents.read(str(tmp_path), 'body')


def test_a_data_set_of_the_hub_is_streamed(monkeypatch):
    def load_dataset(name, split, streaming):
        assert streaming
        if name != 'owner/name':
            raise FileNotFoundError(f'{name} is not on the Hub')
        return ({'body': f'{split} {i}'} for i in range(5))

    monkeypatch.setitem(sys.modules, 'datasets', SimpleNamespace(load_dataset=load_dataset))
    found = documents.read('hf:owner/name', 'body', most=2)
    assert found.documents == ['train 0', 'train 1']
    assert documents.read('hf:owner/name:test', 'body').documents[0] == 'test 0'
    for path, told in (('hf:owner/name', "row 0 has no text in 'text'; valid: body"),
                       ('hf:owner/other', 'hf:owner/other .train.: owner/other is not on')):
        with pytest.raises(ConfigError, match=told):
            documents.read(path)
    monkeypatch.setitem(sys.modules, 'datasets', None)
    with pytest.raises(ConfigError, match='pip install datasets'):
        documents.read('hf:owner/name')


def test_the_builtin_corpus_is_docstrings_and_comment_blocks(tmp_path):
    long = 'A docstring that is long enough to be kept, with a few more words in it.'
    block = '# a comment of two lines, the first of which is this one,\n# the second this.\n'
    for folder in ('', 'test', 'pkg'):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / 'm.py').write_text(
            f'"""{folder}: {long}"""\n\n\ndef f():\n    """short"""\n{block}x = 1\n')
    (tmp_path / 'broken.py').write_text('def (:\n')
    found = list(documents.builtin(tmp_path))
    comment = 'a comment of two lines, the first of which is this one,\nthe second this.'
    assert found == [f': {long}', comment, f'pkg: {long}', comment]


def test_the_machine_has_an_english_corpus():
    one, two = documents.read(most=200), documents.read(most=200)
    assert one == two and len(set(one.documents)) == 200
    words = ' '.join(one.documents).lower().split()
    assert 0.02 < words.count('the') / len(words) < 0.12


def test_sentences_of_prose_each_once():
    text = ('This is a first sentence. It goes on over\n  two lines! Short one.\n\nA heading of '
            'four words\n\nx = [i ** 2 for i in (1, 2)]; y = {3: 4}\n\nThis is a first '
            'sentence.')
    assert documents.sentences([text]) == [
        'This is a first sentence.', 'It goes on over two lines!', 'A heading of four words']


@pytest.mark.parametrize('name, content, told', [
    ('a.jsonl', '{"ids": "text"}', "a.jsonl:1: expected token ids in 'ids'"),
    ('a.jsonl', '{"ids": [1.5]}', "row 0 of 'ids' is not a list of token ids"),
    ('a.jsonl', '{"ids": [[1]]}', "row 0 of 'ids' is not a list of token ids"),
    ('a.jsonl', '', 'holds no row of token ids'), ('a.txt', 'text', 'expected token ids'),
    ('a.npy', 'x', 'not an array that can be read')])
def test_ids_that_are_none_are_one_line(tmp_path, name, content, told):
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError) as error:
        documents.read_ids(str(tmp_path / name), 'ids')
    assert told in str(error.value) and len(error.value.problems) == 1
