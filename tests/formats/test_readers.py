"""Files in the published layouts, written by hand, against the formulas in plain numpy."""
import json
import math

import numpy as np
import pytest
from safetensors.numpy import save_file

from saex.formats import load, torch_write
from saex.formats.errors import FormatError

D, F, E, S, N = 5, 12, 4, 3, 20
RNG = np.random.default_rng(2)
X, XS = RNG.normal(0.3, 1.5, (N, D)), RNG.normal(0.3, 1.5, (N, S, D))


def arrays(seed=0, e=D):
    """W [D, F], b [F], V [F, E], c [E], t [F] > 0."""
    rng = np.random.default_rng(seed)
    made = (rng.normal(size=(D, F)), rng.normal(0, 0.3, F), rng.normal(size=(F, e)),
            rng.normal(size=e), rng.uniform(0.1, 0.6, F))
    return tuple(np.float32(v) for v in made)


def write(folder, name='', json_=None, config='config.json', **tensors):
    """One weights file of the given name, and its config."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()}
    if name.endswith('.npz'):
        np.savez(path, **tensors)
    elif name.endswith('.pt'):
        torch_write.save(path, tensors)
    else:
        save_file(tensors, path)
    if json_ is not None:
        (folder / config).write_text(json.dumps(json_))
    return path


def agrees(c, x, codes, y, atol=2e-5):
    np.testing.assert_allclose(c.encode(x), codes, atol=atol)
    np.testing.assert_allclose(c.reconstruct(x), y, atol=10 * atol)
    assert (codes != 0).any()


def jump(pre, t):
    return pre * (pre > np.maximum(t, 0))


def top(pre, k):
    cut = np.sort(pre, -1)[..., -k][..., None]
    return np.where(pre >= cut, np.maximum(pre, 0), 0)


def raw_top(pre, k):
    return np.where(pre >= np.sort(pre, -1)[..., -k][..., None], pre, 0)


def test_gemma_scope_1(tmp_path):
    w, b, v, c, t = arrays()
    path = write(tmp_path, 'layer_3/width_16k/average_l0_50/params.npz', W_enc=w, b_enc=b,
                 W_dec=v, b_dec=c, threshold=t)
    codes = jump(X @ w + b, t)
    agrees(load.load(path), X, codes, codes @ v + c)
    agrees(load.load(path.parent), X, codes, codes @ v + c)


def test_gemma_scope_embedding_sae_is_scaled(tmp_path):
    w, b, v, c, t = arrays()
    path = write(tmp_path, 'embedding/width_4k/average_l0_6/params.npz', W_enc=w, b_enc=b,
                 W_dec=v, b_dec=c, threshold=t)
    codes = jump(X @ (w / math.sqrt(D)) + b, t)
    agrees(load.load(path), X, codes, codes @ (v * math.sqrt(D)) + c * math.sqrt(D))


@pytest.mark.parametrize('skip', (False, True))
def test_gemma_scope_2_transcoder(skip, tmp_path):
    w, b, v, c, t = arrays(e=E)
    a = RNG.normal(size=(D, E))
    extra = {'affine_skip_connection': a} if skip else {}
    write(tmp_path, 'params.safetensors', {'architecture': 'jump_relu', 'model_name': 'm'},
          w_enc=w, b_enc=b, w_dec=v, b_dec=c, threshold=t, **extra)
    codes = jump(X @ w + b, t)
    found = load.load(tmp_path)
    agrees(found, X, codes, codes @ v + c + (X @ a if skip else 0))
    assert found.provenance['model_name'] == 'm'


def test_gemma_scope_2_crosscoder(tmp_path):
    w, v, c = RNG.normal(size=(S, D, F)), RNG.normal(size=(F, S, D)), RNG.normal(size=(S,
                                                                                       D))
    _, b, _, _, t = arrays()
    write(tmp_path, 'params.safetensors', {}, w_enc=w, b_enc=b, w_dec=v, b_dec=c,
          threshold=t)
    codes = jump(sum(XS[:, s] @ w[s] for s in range(S)) + b, t)
    agrees(load.load(tmp_path), XS, codes,
           np.stack([codes @ v[:, s] + c[s] for s in range(S)], 1), atol=5e-5)


def layers(skip=False):
    made = [arrays(i) for i in range(S)]
    decoders = [RNG.normal(size=(F, S - i, D)) for i in range(S)]
    skips = RNG.normal(size=(S, D, D)) if skip else np.zeros((S, D, D))
    codes = np.stack([jump(XS[:, i] @ w + b, t) for i, (w, b, _, _, t) in enumerate(made)],
                     1)
    y = np.stack([sum(codes[:, i] @ decoders[i][:, j - i] for i in range(j + 1))
                  + made[j][3] + XS[:, j] @ skips[j] for j in range(S)], 1)
    return made, decoders, skips, codes, y


def test_gemma_scope_2_cross_layer_reads_the_last_layer_too(tmp_path):
    made, decoders, skips, codes, y = layers(skip=True)
    for i, (w, b, _, c, t) in enumerate(made):
        full = np.zeros((F, S, D))
        full[:, i:] = decoders[i]
        write(tmp_path, f'params_layer_{i}.safetensors', w_enc=w, b_enc=b, b_dec=c,
              threshold=t,
              w_dec=full, affine_skip_connection=skips[i])
    agrees(load.load(tmp_path), XS, codes, y)


def test_circuit_tracer_cross_layer_is_by_source_and_its_skip_is_not_transposed(tmp_path):
    made, decoders, skips, codes, y = layers(skip=True)
    for i, (w, b, _, c, t) in enumerate(made):
        write(tmp_path, f'W_enc_{i}.safetensors', **{
            f'W_enc_{i}': w.T, f'b_enc_{i}': b, f'b_dec_{i}': c, f'threshold_{i}': t,
            f'W_skip_{i}': skips[i]})
        write(tmp_path, f'W_dec_{i}.safetensors', **{f'W_dec_{i}': decoders[i]})
    (tmp_path / 'config.yaml').write_text('scan: here\n')
    found = load.load(tmp_path)
    agrees(found, XS, codes, y)
    assert found.provenance['scan'] == 'here'


@pytest.mark.parametrize('kind', ('relu', 'jumprelu', 'topk'))
def test_circuit_tracer_per_layer_has_its_skip_transposed(kind, tmp_path):
    w, b, v, c, t = arrays()
    a = RNG.normal(size=(D, D))
    extra = {'jumprelu': {'activation_function.threshold': t}, 'topk': {'k': 9}}.get(kind,
                                                                                     {})
    path = write(tmp_path, 'layer_7.safetensors', W_enc=w.T, W_dec=v, b_enc=b, b_dec=c,
                 W_skip=a.T, **extra)
    pre = X @ w + b
    codes = {'relu': np.maximum(pre, 0), 'jumprelu': jump(pre, t),
             'topk': raw_top(pre, 9)}[kind]
    agrees(load.load(path), X, codes, codes @ v + c + X @ a)


def test_llama_scope_1(tmp_path):
    """The threshold is in raw units and applies to pre times the decoder's norm."""
    w, b, v, c, _ = arrays()
    write(tmp_path / 'checkpoints', 'final.safetensors', **{
        'encoder.weight': w.T, 'encoder.bias': b, 'decoder.weight': v.T, 'decoder.bias': c})
    (tmp_path / 'hyperparams.json').write_text(json.dumps({
        'd_model': D, 'd_sae': F, 'act_fn': 'jumprelu', 'jump_relu_threshold': 0.5,
        'norm_activation': 'dataset-wise', 'sparsity_include_decoder_norm': True,
        'dataset_average_activation_norm': {'in': 3.0, 'out': 4.0}}))
    s_in, s_out = math.sqrt(D) / 3, math.sqrt(D) / 4
    pre, norm = X * s_in @ w + b, np.linalg.norm(v, axis=1)
    codes = pre * (pre * norm > 0.5 * s_in)
    codes = np.maximum(codes, 0)
    for place in (tmp_path, tmp_path / 'checkpoints' / 'final.safetensors'):
        agrees(load.load(place), X, codes, (codes @ v + c) / s_out)


def test_llama_scope_r1_has_a_log_threshold(tmp_path):
    w, b, v, c, t = arrays()
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    parts = {'encoder.weight': w.T, 'encoder.bias': b, 'decoder.weight': v.T,
             'decoder.bias': c, 'log_jumprelu_threshold': np.log(t)}
    cfg = {'d_model': D, 'hook_point_in': 'h', 'hook_point_out': 'h',
           'norm_activation': 'dataset-wise', 'sparsity_include_decoder_norm': False}
    scale = math.sqrt(D) / 4
    codes = jump(X * scale @ w + b, t)
    write(tmp_path / 'a', 'sae_weights.safetensors', cfg, **parts,
          **{'dataset_average_activation_norm.h': np.float32(4)})
    agrees(load.load(tmp_path / 'a'), X, codes, (codes @ v + c) / scale)
    write(tmp_path / 'b', 'sae_weights.safetensors', cfg, **parts)
    with pytest.raises(FormatError, match='pass norm_scaling_factor'):
        load.load(tmp_path / 'b')
    agrees(load.load(tmp_path / 'b', norm_scaling_factor=scale), X, codes,
           (codes @ v + c) / scale)


def test_goodfire_and_qwen(tmp_path):
    w, b, v, c, _ = arrays()
    path = write(tmp_path / 'g', 'sae.pt', **{
        'encoder_linear.weight': w.T, 'encoder_linear.bias': b,
        'decoder_linear.weight': v.T,
        'decoder_linear.bias': c})
    codes = np.maximum(X @ w + b, 0)
    agrees(load.load(path), X, codes, codes @ v + c)
    path = write(tmp_path / 'SAE-W32K-L0_3', 'layer9.sae.pt', W_enc=w.T, b_enc=b, W_dec=v.T,
                 b_dec=c)
    codes = top(X @ w + b, 3)
    agrees(load.load(path), X, codes, codes @ v + c)


@pytest.mark.parametrize('gated', (False, True))
def test_neverix_says_what_it_needs(gated, tmp_path):
    w, b, v, c, s = arrays()
    gate = RNG.normal(size=F) if gated else np.zeros(F)
    path = write(tmp_path, 'sae_weights.safetensors', {}, 'cfg.json', W_enc=w, b_enc=b,
                 scaling_factor=s, W_dec=v, b_dec=c, s_gate=gate, b_gate=gate,
                 mean_norm=np.float32(3), tgt_mean_norm=np.float32(4))
    with pytest.raises(FormatError, match='pass subtract_b_dec and encoder_bias'):
        load.load(path)
    inside = X * math.sqrt(D) / 3 - c
    pre = inside @ w + b
    codes = np.maximum(pre, 0) * s
    if gated:
        gain = np.logaddexp(0, gate) * s
        codes = (pre > 0) * np.maximum(gain * (inside @ w) + gate, 0)
    agrees(load.load(path, subtract_b_dec=True, encoder_bias=True), X, codes,
           (codes @ v + c) * 4 / math.sqrt(D))


def test_neverix_without_a_mean_norm_asks_for_its_norm(tmp_path):
    w, b, v, c, _ = arrays()
    path = write(tmp_path, 'sae_weights.safetensors', {}, 'cfg.json', W_enc=w, b_enc=b,
                 scaling_factor=np.ones(F), W_dec=v, b_dec=c, s_gate=np.zeros(F),
                 b_gate=np.zeros(F), mean_norm=np.float32(1), tgt_mean_norm=np.float32(1))
    said = dict(subtract_b_dec=True, encoder_bias=True)
    with pytest.raises(FormatError, match="norm_input='none'"):
        load.load(path, **said)
    scale = math.sqrt(D) / np.linalg.norm(X, axis=1, keepdims=True)
    codes = np.maximum((X * scale - c) @ w + b, 0)
    agrees(load.load(path, norm_input='wes', **said), X, codes, (codes @ v + c) / scale)
    codes = np.maximum((X - c) @ w + b, 0)
    agrees(load.load(path, norm_input='none', **said), X, codes, codes @ v + c)


OLD = {'d_in': D, 'd_sae': F, 'dtype': 'float32', 'model_name': 'gpt2', 'hook_point': 'h.3'}


@pytest.mark.parametrize('cfg, extra, subtract, kind', [
    ({'activation_fn_str': 'relu', 'apply_b_dec_to_input': True}, {}, True, 'relu'),
    ({'architecture': 'standard', 'activation_fn_str': 'topk',
      'apply_b_dec_to_input': False,
      'activation_fn_kwargs': {'k': 3}}, {}, False, 'topk'),
    ({'architecture': 'jumprelu', 'apply_b_dec_to_input': False}, 'threshold', False,
     'jump'),
    ({'architecture': 'jumprelu', 'apply_b_dec_to_input': False}, 'log_threshold', False,
     'jump')])
def test_saelens_before_6(cfg, extra, subtract, kind, tmp_path):
    w, b, v, c, t = arrays()
    extra = {extra: np.log(t) if extra == 'log_threshold' else t} if extra else {}
    write(tmp_path, 'sae_weights.safetensors', OLD | cfg, 'cfg.json', W_enc=w, b_enc=b,
          W_dec=v,
          b_dec=c, **extra)
    pre = (X - c * subtract) @ w + b
    codes = {'relu': np.maximum(pre, 0), 'topk': top(pre, 3), 'jump': jump(pre, t)}[kind]
    found = load.load(tmp_path)
    agrees(found, X, codes, codes @ v + c)
    assert found.provenance['hook_name'] == 'h.3'
    assert found.provenance['model_name'] == 'gpt2'


def test_saelens_scaled_activations_are_never_a_silent_no_op(tmp_path):
    w, b, v, c, _ = arrays()
    write(tmp_path, 'sae_weights.safetensors', OLD | {
        'architecture': 'standard', 'apply_b_dec_to_input': False,
        'normalize_activations': 'expected_average_only_in'}, 'cfg.json',
        W_enc=w, b_enc=b, W_dec=v, b_dec=c)
    with pytest.raises(FormatError, match='pass norm_scaling_factor'):
        load.load(tmp_path)
    codes = np.maximum(X * 0.4 @ w + b, 0)
    agrees(load.load(tmp_path, norm_scaling_factor=0.4), X, codes, (codes @ v + c) / 0.4)


def test_a_square_dictionary_is_never_guessed(tmp_path):
    square = RNG.normal(size=(D, D))
    path = write(tmp_path, 'sae.safetensors', W_enc=square, W_dec=square, b_enc=np.zeros(D),
                 b_dec=np.zeros(D))
    with pytest.raises(FormatError, match='rows are inputs or latents'):
        load.load(path)
