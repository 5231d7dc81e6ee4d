"""Published layouts that no library writes, as SAELens's loaders read them.

`write(root)` makes random files in each layout, lets the loader of sae-lens open them from
the local folder instead of the Hub, and keeps its codes and reconstructions.
"""
import json
import math
from unittest import mock

import numpy as np
import torch
from safetensors.torch import save_file

D, F = 6, 16
LAYER = 'layer_3/width_16k/average_l0_50'
SIZES = {'d_in': D, 'd_sae': F, 'dtype': 'float32'}


def weights(seed):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: 0.5 * torch.randn(shape, generator=generator)
    return {'enc': draw(D, F), 'dec': draw(F, D), 'b_enc': draw(F), 'b_dec': draw(D),
            'level': 0.1 + 0.5 * torch.rand(F, generator=generator), 'skip': draw(D, D)}


def cases(w):
    """name -> (loader, repository, folder, files below it, overrides, norm factor,
    said)."""
    linear = {'encoder.weight': w['enc'].T, 'encoder.bias': w['b_enc'],
              'decoder.weight': w['dec'].T, 'decoder.bias': w['b_dec']}
    gemma = {'W_enc': w['enc'], 'W_dec': w['dec'], 'b_enc': w['b_enc'], 'b_dec': w['b_dec'],
             'threshold': w['level']}
    lower = {k.lower(): v for k, v in gemma.items()}
    hooks = {'hook_point_in': 'h', 'hook_point_out': 'h', 'd_model': D}
    scale = math.sqrt(D) / 3
    affine = 'transcoder_all/layer_3_width_16k_l0_small_affine'
    return {
        'gemma_scope': ('gemma_2_sae', 'google/gemma-scope-2b-pt-res', LAYER,
                        {'params.npz': gemma}, {}, None, {}),
        'gemma_scope_embedding': (      # the loader leaves b_dec as it is, in other units
            'gemma_2_sae', 'google/gemma-scope-2b-pt-res',
                                  'embedding/width_16k/average_l0_6',
            {'params.npz': gemma | {'b_dec': 0 * w['b_dec']}}, {}, None, {}),
        'gemma_scope_transcoder': (
            'gemma_2_transcoder', 'google/gemma-scope-2b-pt-transcoders', LAYER,
            {'params.npz': gemma}, {'d_out': D}, None, {}),
        'gemma_scope_2': ('gemma_3_sae', 'google/gemma-scope-2-1b-pt',
                          'resid_post/layer_3_width_16k_l0_small', {
                              'params.safetensors': lower, 'config.json': {
                                  'architecture': 'jump_relu', 'model_name': 'gemma-3-1b'}},
                          {}, None, {}),
        'gemma_scope_2_affine': ('gemma_3_sae', 'google/gemma-scope-2-1b-pt', affine, {
            'params.safetensors': lower | {'affine_skip_connection': w['skip']},
            'config.json': {
                'architecture': 'jump_relu', 'model_name': 'gemma-3-1b',
                'affine_connection': True}}, {'d_out': D}, None, {}),
        'llama_scope': ('llama_scope_sae', 'fnlp/Llama3_1-8B-Base-LXR-8x', 'L3R-8x', {
            'checkpoints/final.safetensors': linear, 'hyperparams.json': hooks | {
                'd_sae': F, 'jump_relu_threshold': 0.3, 'norm_activation': 'dataset-wise',
                'dataset_average_activation_norm': {'in': 3.0, 'out': 3.0}}}, {}, scale,
                        {}),
        'llama_scope_r1': ('llama_scope_r1_distill_sae', 'fnlp/Llama-Scope-R1-Distill',
                           'L3R', {
            'sae_weights.safetensors': linear | {
                'log_jumprelu_threshold': w['level'].log(),
                'dataset_average_activation_norm.h': torch.tensor(3.0)},
            'config.json': hooks | {'expansion_factor': 2,
                                    'norm_activation': 'dataset-wise',
                                    'sparsity_include_decoder_norm': False}}, {}, scale,
                           {}),
        'goodfire': ('goodfire', 'Goodfire/Llama-3.1-8B-Instruct-SAE-l19',
                     'Llama-3.1-8B-Instruct-SAE-l19.pth', {'': {
                         'encoder_linear.weight': w['enc'].T,
                         'encoder_linear.bias': w['b_enc'],
                         'decoder_linear.weight': w['dec'].T,
                         'decoder_linear.bias': w['b_dec']}},
                     {}, None, {}),
        'qwen_scope': ('qwen_scope_sae', 'Qwen/SAE-Res-Qwen3-1.7B-Base-W32K-L0_3',
                       'layer3.sae.pt', {'': {
                           'W_enc': w['enc'].T, 'W_dec': w['dec'].T, 'b_enc': w['b_enc'],
                           'b_dec': w['b_dec']}}, {}, None, {'k': 3}),
        'circuit_tracer': ('mwhanna_transcoder', 'mwhanna/qwen3-1.7b-transcoders',
                           'layer_3.safetensors', {
                               '': {'W_enc': w['enc'].T, 'W_dec': w['dec'],
                                    'b_enc': w['b_enc'],
                                    'b_dec': w['b_dec']}}, {}, None, {})}


def save(path, held):
    path.parent.mkdir(parents=True, exist_ok=True)
    held = {k: v.contiguous() if torch.is_tensor(v) else v for k, v in held.items()}
    if path.suffix == '.json':
        path.write_text(json.dumps(held))
    elif path.suffix == '.npz':
        np.savez(path, **{k: v.numpy() for k, v in held.items()})
    elif path.suffix == '.safetensors':
        save_file(held, path)
    else:
        torch.save(held, path)


def opened(here, loader, repo, folder, overrides, factor=None):
    """The SAE that SAELens makes of the files in `here`."""
    from sae_lens import SAE
    from sae_lens.loading import pretrained_sae_loaders as loaders

    def local(repo_id, filename, subfolder='', **_):
        return str(here / subfolder / filename)

    def shapes(_, filename):
        from safetensors.torch import load_file
        return {k: list(v.shape) for k, v in load_file(here / filename).items()}

    (here / 'wandb-config.yaml').write_text('\n'.join(f'{k}: {{value: {v}}}' for k, v in (
        ('d_model', D), ('d_feature', F), ('batch_size', 8))))
    (here / 'config.yaml').write_text('model_name: qwen\n')
    name = f'{loader}_huggingface_loader'
    fn = getattr(loaders, name, None) or getattr(loaders, f'get_{name}')
    with mock.patch.object(loaders, 'hf_hub_download', local), \
            mock.patch.object(loaders, 'get_safetensors_tensor_shapes', shapes):
        cfg, state, _ = fn(repo, folder, 'cpu', False, SIZES | overrides)
    cfg = loaders.handle_config_defaulting(cfg)
    config = SAE.get_sae_config_class_for_architecture(cfg['architecture']).from_dict(cfg)
    sae = SAE.get_sae_class_for_architecture(config.architecture())(config)
    sae.process_state_dict_for_loading(state)
    sae.load_state_dict(state)
    if factor is not None:
        sae.fold_activation_norm_scaling_factor(factor)
    for extra in ('wandb-config.yaml', 'config.yaml'):
        (here / extra).unlink()
    return sae


def write(root, x, expect):
    for seed, name in enumerate(cases(weights(0))):
        loader, repo, folder, held, overrides, factor, said = cases(weights(80
                                                                            + seed))[name]
        here = root / 'saelens_loaders' / name
        for file, content in held.items():
            save(here / folder / file if file else here / folder, content)
        sae = opened(here, loader, repo, folder, overrides, factor)
        expect(here, sae.encode(x), sae(x))
        (here / 'said.json').write_text(json.dumps({'item': folder} | said))
