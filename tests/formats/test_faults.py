"""Faults 38 to 40 of what can be wrong with a dictionary's file: detected and said."""
import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from saex.formats import (circuit_tracer, dictionary_learning, fold, gemma_scope, load,
                          native,
                          saelens, sparsify)
from saex.formats.canonical import zero_atoms
from saex.formats.errors import FormatError
from tests.formats import _examples as ex


def tensors(path, **changes):
    """Rewrites some arrays of a .safetensors; None removes one."""
    held = {**load_file(path), **changes}
    save_file({k: np.ascontiguousarray(v) for k, v in held.items() if v is not None}, path)


def config(path, **changes):
    held = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in held.items() if v is not None}))


@pytest.fixture
def folder(tmp_path):
    saelens.write(tmp_path / 'sae', ex.canonical('jumprelu'))
    return tmp_path / 'sae'


@pytest.mark.parametrize('changes, said', [
    ({'W_enc': np.full((5, 12), np.nan, np.float32)}, 'W_enc|w_enc: 60 of 60 values'),
    ({'b_dec': np.full(5, np.inf, np.float32)}, 'b_dec: 5 of 5'),
    ({'W_enc': np.zeros((12, 5), np.float32)}, 'shape'),
    ({'W_dec': np.zeros((5, 12), np.float32)}, 'shape'),
    ({'threshold': np.float32([0.5])}, r'threshold has shape \(1,\), expected \(12,\)'),
    ({'threshold': None}, 'no log_threshold|no threshold'),
    ({'b_enc': None}, 'no b_enc'), ({'W_dec': np.zeros((12, 5), np.int32)}, None),
    ({'W_enc': np.full((5, 12), 1e30, np.float32)}, 'is damage')])
def test_38_wrong_arrays(folder, changes, said):
    tensors(folder / 'sae_weights.safetensors', **changes)
    if said is None:                            # zero-norm rows are legal, and counted
        assert zero_atoms(load.load(folder)) == 12
        return
    with pytest.raises(FormatError, match=said):
        load.load(folder)


@pytest.mark.parametrize('changes, said', [
    ({'d_in': 6}, 'd_in is 6 in cfg.json, 5'), ({'d_sae': 99}, 'd_sae is 99'),
    ({'architecture': 'gated'}, 'no b_gate'), ({'architecture': 'softmax'}, 'unknown'),
    ({'apply_b_dec_to_input': 'no'}, 'true or false'), ({'architecture': 3}, 'string'),
    ({'normalize_activations': 'expected_average_only_in'}, 'norm_scaling_factor'),
    ({'normalize_activations': 'something'}, 'unknown'),
    ({'architecture': 'temporal'}, 'attention')])
def test_38_wrong_configs(folder, changes, said):
    config(folder / 'cfg.json', **changes)
    with pytest.raises(FormatError, match=said):
        load.load(folder)


def test_38_a_log_threshold_is_told_by_its_name(folder):
    t = load_file(folder / 'sae_weights.safetensors')['threshold']
    tensors(folder / 'sae_weights.safetensors', threshold=None, log_threshold=np.log(t))
    np.testing.assert_allclose(load.load(folder).threshold, t, rtol=1e-6)


@pytest.mark.parametrize('write, name', [
    (saelens.write, 'relu'), (saelens.write, 'jumprelu'), (saelens.write, 'topk'),
    (saelens.write, 'gated'), (dictionary_learning.write, 'relu'), (sparsify.write, 'topk'),
    (dictionary_learning.write, 'batch_topk'), (dictionary_learning.write, 'gated')])
@pytest.mark.parametrize('scale, shift', [(0.013, 0.0), (40.0, 3.0)])
def test_39_scaled_activations_come_back_on_raw_ones(write, name, scale, shift, tmp_path):
    c = fold.unfold(ex.canonical(name), scale, np.full(5, shift), subtract=True)
    write(tmp_path / 'it', c)
    found, x = load.load(tmp_path / 'it'), ex.rows(c)
    top = np.abs(c.reconstruct(x)).max()
    np.testing.assert_allclose(found.reconstruct(x), c.reconstruct(x), atol=1e-5 * top)


def test_40_top_k_is_never_read_as_relu(tmp_path):
    c = ex.canonical('topk')
    sparsify.write(tmp_path / 'a', c)
    config(tmp_path / 'a' / 'cfg.json', k=None)
    with pytest.raises(FormatError, match='no k'):
        load.load(tmp_path / 'a')
    dictionary_learning.write(tmp_path / 'b', c)
    (tmp_path / 'b' / 'config.json').unlink()
    with pytest.raises(FormatError,
                       match='AutoEncoderTopK and BatchTopKSAE have the same keys'):
        load.load(tmp_path / 'b')
    found = load.load(tmp_path / 'b' / 'ae.pt', dict_class='AutoEncoderTopK')
    assert (found.encode(ex.rows(c)) > 0).sum(1).max() == 3
    assert (load.load(tmp_path / 'b', dict_class='BatchTopKSAE').threshold is None)


def test_40_a_batch_topk_keeps_its_l0(tmp_path):
    c = dataclasses.replace(ex.canonical('batch_topk'), threshold=None)
    x = ex.rows(c, 4000)
    found = fold.to_jumprelu(c, x)
    for writer, name in ((saelens.write, 'a'), (dictionary_learning.write, 'b'),
                         (gemma_scope.write, 'c.npz')):
        writer(tmp_path / name, found)
        l0 = (load.load(tmp_path / name).encode(ex.rows(c, 4000,
                                                        seed=99)) > 0).sum(1).mean()
        assert abs(l0 - 3) < 0.3
    with pytest.raises(FormatError, match='before a threshold was set'):
        c.encode(x)
    with pytest.raises(FormatError, match='before a threshold was set'):
        dictionary_learning.write(tmp_path / 'd', c)
        load.load(tmp_path / 'd').reconstruct(x)


def test_unknown_options_and_formats_are_said(folder):
    with pytest.raises(FormatError, match='unexpected keyword'):
        load.load(folder, k=3)
    with pytest.raises(FormatError, match='known: saelens'):
        load.load(folder, format='onnx')
    with pytest.raises(FormatError, match='no such file'):
        load.load(folder / 'nothing')
    circuit_tracer.write(folder.parent / 'set' / 'layer_0.safetensors',
                         ex.canonical('relu'))
    circuit_tracer.write(folder.parent / 'set' / 'layer_1.safetensors',
                         ex.canonical('relu'))
    with pytest.raises(FormatError, match='2 files match'):
        load.load(folder.parent / 'set')
    with pytest.raises(FormatError, match='no transform'):
        native.to_dictionary(ex.canonical('relu', rows='unit_norm'))
