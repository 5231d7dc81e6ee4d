"""Against what transformers computed (tests/parity/subjects/write.py, golden)."""
import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FOLDERS = sorted(p.parent for p in (ROOT / 'subjects/golden').glob('*/reference.npz'))
SPEC = importlib.util.spec_from_file_location('compare', ROOT / 'parity/subjects/compare.py')
compare = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(compare)


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda p: p.name)
def test_every_hidden_state_and_the_logits(folder):
    assert max(compare.errors(folder)) <= 1e-5
