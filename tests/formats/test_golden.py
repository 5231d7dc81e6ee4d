"""Files that the libraries themselves wrote (tests/parity/formats/libraries_side.py
golden): codes and reconstructions as theirs."""
import pathlib
import zipfile

import pytest

from tests.parity.formats import saex_side

GOLDEN = pathlib.Path(__file__).parent / 'golden'


def folders():
    for archive in sorted(GOLDEN.glob('*.zip')):
        with zipfile.ZipFile(archive) as held:
            names = sorted(n.rpartition('/')[0] for n in held.namelist()
                           if n.endswith('expected.npz'))
        yield from (f'{archive.stem}/{name}' for name in names)


@pytest.mark.parametrize('name', list(folders()))
def test_codes_and_reconstruction_as_the_library_that_wrote_it(name, tmp_path):
    library, _, item = name.partition('/')
    with zipfile.ZipFile(GOLDEN / f'{library}.zip') as held:
        held.extractall(tmp_path, [n for n in held.namelist() if n.startswith(f'{item}/')])
    assert saex_side.difference(tmp_path / item) < saex_side.LIMIT


def test_every_library_has_a_golden_file():
    assert {p.stem for p in GOLDEN.glob('*.zip')} >= {'saelens', 'sparsify',
                                                      'dictionary_learning'}
