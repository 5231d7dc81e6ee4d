"""Where each of the 55 rows of the fault table is tested, or why it is not."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TABLE, SHORT = 'tests/faults/test_table.py', 'tests/faults/test_faults.py'
STORE, TOKENS = 'tests/data/store/test_store.py', 'tests/data/text/test_tokens.py'
FORMATS = 'tests/formats'
ROWS = {row: [f'{TABLE}::row{row:02}'] for row in (
    2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 41, 42, 43, 44,
    45, 46, 50, 51, 53, 54, 55)} | {
    1: [f'{SHORT}::SIGKILL'], 3: [f'{SHORT}::SIGTERM'],
    4: ['tests/processes/test_processes.py::test_a_stopped_run_goes_on_alone'],
    24: [f'{STORE}::test_what_is_not_finite_is_named_and_not_stored'],
    25: [f'{STORE}::test_every_flipped_bit_is_found',
         f'{STORE}::test_a_file_that_is_not_whole_is_found'],
    26: [f'{STORE}::test_a_killed_harvest_goes_on_and_ends_in_the_same_bytes'],
    27: [f'{STORE}::test_a_store_of_something_else_is_refused'],
    28: 'a dictionary takes its width from its source, so the two cannot differ',
    29: ['tests/data/test_stream.py::test_too_few_rows_are_an_error'],
    30: [f'{TOKENS}::test_a_tokenizer_that_does_not_fit_the_model_is_refused'],
    31: [f'{TOKENS}::test_a_hugging_face_directory_whose_template_adds_bos',
         f'{TOKENS}::test_rows_of_ids_that_do_not_fit_are_refused'],
    32: [f'{TOKENS}::test_rows_of_ids_that_do_not_fit_are_refused',
         'tests/data/text/test_documents.py::test_what_cannot_be_read_is_one_line'],
    33: ['tests/subjects/checkpoints/test_load.py::test_hub_errors_are_one_line',
         f'{FORMATS}/test_release.py::test_repositories_that_cannot_be_had'],
    34: [f'{FORMATS}/test_release.py::test_an_interrupted_download_resumes'],
    35: [f'{FORMATS}/test_files.py::test_safetensors_headers_that_lie'],
    36: [f'{FORMATS}/test_files.py::test_npz_that_lie'],
    37: [f'{FORMATS}/test_torch_file.py::test_a_pickle_that_names_anything_else'],
    38: [f'{FORMATS}/test_faults.py::test_38'], 39: [f'{FORMATS}/test_faults.py::test_39'],
    40: [f'{FORMATS}/test_faults.py::test_40'],
    47: 'dashboards of latents are not there yet',
    48: 'dashboards of latents are not there yet',
    49: 'judges are not there yet',
    52: ['tests/train/test_loop.py::test_a_sink_that_is_not_installed_is_named']}


def test_every_row_is_there():
    assert sorted(ROWS) == list(range(1, 56))


@pytest.mark.parametrize('row', [row for row, held in ROWS.items() if isinstance(held, list)])
def test_what_a_row_names_exists(row):
    for place in ROWS[row]:
        path, _, name = place.partition('::')
        assert name in (ROOT / path).read_text(), place


def test_the_table_has_no_other_rows():
    found = set(map(int, re.findall(r'row(\d\d)', (ROOT / TABLE).read_text())))
    assert found == {row for row, held in ROWS.items() if held == [f'{TABLE}::row{row:02}']}
