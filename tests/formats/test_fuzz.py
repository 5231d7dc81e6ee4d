"""A few hundred of the fuzzer's cases; the 10,000 of each format are in golden/fuzz.json
(python tests/formats/fuzz.py 10000)."""
import json
import pathlib

from saex.formats import load
from tests.formats import fuzz


def test_mutated_files_are_refused_or_loaded(monkeypatch):
    table, defects = fuzz.run(40, seed=11)
    assert not defects
    assert set(table) == set(load.READERS)
    for name, found in table.items():
        assert found['refused'] > 10 and sum(found.values()) == 40, name


def test_the_committed_run_is_whole_and_clean():
    held = json.loads((pathlib.Path(__file__).parent / 'golden' / 'fuzz.json').read_text())
    assert held['defects'] == [] and set(held['outcomes']) == set(load.READERS)
    assert all(sum(v.values()) >= 10_000 for v in held['outcomes'].values())
