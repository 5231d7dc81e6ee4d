"""The half of the parity check that runs the other libraries (torch; no saex).

    python libraries_side.py write DIR     each library saves its dictionaries, with codes
                                           and reconstructions in expected.npz
    python libraries_side.py read DIR      each library loads what saex wrote and compares
    python libraries_side.py golden DIR    as write, and then DIR/LIBRARY.zip of each

`read` exits with 1 when a difference is above 1e-5.
"""
import dataclasses
import json
import pathlib
import sys
import unittest.mock
import zipfile

import numpy as np
import torch

sys.modules['torchvision'] = None      # not used, and often built for another torch

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import loaders  # noqa: E402

D, F, N = 6, 16, 10
LIMIT = 1e-5
X = torch.tensor(np.random.default_rng(5).normal(0.4, 1.5, (N, D)), dtype=torch.float32)


def randomise(module, seed):
    """Every parameter and threshold away from its initial value; atoms not of unit norm."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in module.named_parameters():
            if name == 'threshold':
                p.copy_(0.1 + 0.5 * torch.rand(p.shape, generator=generator))
            else:
                p.copy_(0.5 * torch.randn(p.shape, generator=generator))


def expect(folder, codes, y, x=X):
    np.savez(folder / 'expected.npz', x=x.numpy(), codes=codes.detach().numpy(),
             y=y.detach().numpy())


SAELENS = {
    'standard': ({}, {}), 'gated': ({}, {}), 'jumprelu': ({}, {}),
    'topk': ({'k': 3, 'rescale_acts_by_decoder_norm': False}, {}),
    'topk_rescaled': ({'k': 3, 'rescale_acts_by_decoder_norm': True}, {}),
    'abstopk': ({'k': 3, 'rescale_acts_by_decoder_norm': False}, {}),
    'matching_pursuit': ({'residual_threshold': 0.3, 'max_iterations': 5}, {}),
    'transcoder': ({'d_out': 4, 'apply_b_dec_to_input': False}, {}),
    'skip_transcoder': ({'d_out': 4, 'apply_b_dec_to_input': False}, {}),
    'jumprelu_transcoder': ({'d_out': 4, 'apply_b_dec_to_input': False}, {}),
    'jumprelu_skip_transcoder': ({'d_out': 4, 'apply_b_dec_to_input': False}, {}),
    'standard_layer_norm': ({'normalize_activations': 'layer_norm'}, {}),
    'topk_constant_norm': ({'k': 3, 'rescale_acts_by_decoder_norm': False,
                            'normalize_activations': 'constant_norm_rescale'}, {}),
    'jumprelu_plain_input': ({'apply_b_dec_to_input': False}, {})}
TRAINED = {'standard': {'l1_coefficient': 1.0}, 'gated': {'l1_coefficient': 1.0},
           'jumprelu': {},
           'topk': {'k': 3}, 'batchtopk': {'k': 3}, 'abstopk': {'k': 3},
           'matryoshka_batchtopk': {'k': 3, 'matryoshka_widths': [4, 16]}}


def saelens_class(name, training=False):
    from sae_lens.registry import get_sae_class, get_sae_training_class
    base = {'topk_rescaled': 'topk', 'standard_layer_norm': 'standard',
            'topk_constant_norm': 'topk', 'jumprelu_plain_input': 'jumprelu'}
    find = get_sae_training_class if training else get_sae_class
    return find(base.get(name, name))


def saelens_config(cls, extra):
    known = {f.name for f in dataclasses.fields(cls)}
    wanted = {'d_in': D, 'd_sae': F, 'dtype': 'float32', 'device': 'cpu'} | extra
    return cls(**{k: v for k, v in wanted.items() if k in known})


def write_saelens(root):
    for seed, (name, (extra, _)) in enumerate(SAELENS.items()):
        cls, config = saelens_class(name)
        sae = cls(saelens_config(config, extra))
        randomise(sae, seed)
        if name == 'matching_pursuit':
            with torch.no_grad():
                sae.W_dec /= sae.W_dec.norm(dim=1, keepdim=True)
        folder = root / 'saelens' / name
        sae.save_model(folder)
        expect(folder, sae.encode(X), sae(X))
    for seed, (name, extra) in enumerate(TRAINED.items()):
        cls, config = saelens_class(name, True)
        sae = cls(saelens_config(config, extra))
        randomise(sae, 50 + seed)
        if hasattr(sae, 'topk_threshold'):
            sae.topk_threshold.fill_(0.35)
        for kind, save in (('trained', sae.save_model),
                           ('inference', sae.save_inference_model)):
            folder = root / 'saelens' / f'{kind}_{name}'
            save(folder)
            inference = root / 'saelens' / f'inference_{name}'
            if kind == 'inference':
                from sae_lens import SAE
                loaded = SAE.load_from_disk(inference, device='cpu')
                expect(inference, loaded.encode(X), loaded(X))
        if 'batchtopk' in name:         # these it cannot load, but its inference files
            (root / 'saelens' / f'trained_{name}' / 'expected.npz').write_bytes(
                (inference / 'expected.npz').read_bytes())
        else:
            expect(root / 'saelens' / f'trained_{name}', sae.encode(X), sae(X))
    write_scaled(root)


def write_scaled(root):
    """A checkpoint in the middle of training on scaled, and on whitened, activations."""
    from sae_lens.training.activation_scaler import ActivationScaler, ActivationWhitening
    rng = np.random.default_rng(9)
    matrix = rng.normal(size=(D, D))
    whitening = ActivationWhitening(
        mean=torch.tensor(rng.normal(size=D)), matrix=torch.tensor(matrix),
        inverse_matrix=torch.tensor(np.linalg.inv(matrix)))
    for how, scaler in (('expected_average_only_in', ActivationScaler(scaling_factor=0.37)),
                        ('covariance_whitening', ActivationScaler(whitening=whitening))):
        cls, config = saelens_class('jumprelu', True)
        sae = cls(saelens_config(config, {'normalize_activations': how}))
        randomise(sae, 70)
        folder = root / 'saelens' / f'checkpoint_{how}'
        sae.save_model(folder)
        scaler.save(str(folder / 'activation_scaler.json'))
        inside = scaler(X)
        expect(folder, sae.encode(inside), scaler.unscale(sae(inside)))


def sparsify_coder(activation, transcode, skip):
    from sparsify import SparseCoder
    from sparsify.config import SparseCoderConfig
    coder = SparseCoder(D, SparseCoderConfig(
        num_latents=F, k=4, activation=activation, transcode=transcode,
        skip_connection=skip))
    randomise(coder, 3)
    return coder


def sparsify_outputs(coder):
    top, indices, _ = coder.encode(X)
    codes = torch.zeros(N, F).scatter_(1, indices, top)
    return codes, coder(X).sae_out


def write_sparsify(root):
    for name, args in {'topk': ('topk', False, False),
                       'groupmax': ('groupmax', False, False),
                       'transcoder': ('topk', True, False),
                       'skip': ('topk', True, True)}.items():
        coder, folder = sparsify_coder(*args), root / 'sparsify' / name
        coder.save_to_disk(folder)
        expect(folder, *sparsify_outputs(coder))


def dictionary_classes():
    from dictionary_learning import dictionary as d
    from dictionary_learning.trainers.batch_top_k import BatchTopKSAE
    from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKSAE
    from dictionary_learning.trainers.top_k import AutoEncoderTopK
    return {'AutoEncoder': d.AutoEncoder(D, F), 'AutoEncoderNew': d.AutoEncoderNew(D, F),
            'GatedAutoEncoder': d.GatedAutoEncoder(D, F),
            'JumpReluAutoEncoder': d.JumpReluAutoEncoder(D, F),
            'AutoEncoderTopK': AutoEncoderTopK(D, F, 3),
            'BatchTopKSAE': BatchTopKSAE(D, F, 3),
            'MatryoshkaBatchTopKSAE': MatryoshkaBatchTopKSAE(D, F, 3, [4, 12])}


def write_dictionary_learning(root):
    for seed, (name, module) in enumerate(dictionary_classes().items()):
        randomise(module, 20 + seed)
        if 'BatchTopK' in name:
            module.threshold.fill_(0.3)
        folder = root / 'dictionary_learning' / name
        folder.mkdir(parents=True)
        torch.save(module.state_dict(), folder / 'ae.pt')
        (folder / 'config.json').write_text(json.dumps({'trainer': {
            'dict_class': name, 'activation_dim': D, 'dict_size': F}, 'buffer': {}}))
        loaded = type(module).from_pretrained(folder / 'ae.pt')
        expect(folder, loaded.encode(X), loaded(X))


def write_overcomplete(root):
    """The library has no save: the state dict, in evaluation mode, as its users do."""
    for name in ('overcomplete.models', 'overcomplete.visualization'):     # not used here
        sys.modules[name] = unittest.mock.MagicMock()
    from overcomplete import sae
    points = torch.randn(9, D, generator=torch.Generator().manual_seed(1))
    told = {'relu': (sae.SAE, {}, {'kind': 'relu'}), 'jump': (sae.JumpSAE, {}, {}),
            'topk': (sae.TopKSAE, {'top_k': 3}, {'kind': 'topk', 'k': 3}),
            'batch_topk': (sae.BatchTopKSAE, {'top_k': 30}, {'kind': 'batch_topk'}),
            'archetypal': (sae.RATopKSAE, {'top_k': 3, 'points': points}, {'kind': 'topk',
                                                                          'k': 3})}
    for norm in ('max_l2', 'l1', 'max_l1', 'identity'):
        told[f'relu_{norm}'] = (sae.SAE, {'dictionary_params': {'normalization': norm}},
                                {'kind': 'relu', 'normalization': norm})
    for seed, (name, (kind, extra, said)) in enumerate(told.items()):
        module = kind(D, F, **extra)
        randomise(module, 30 + seed)
        module(X)                           # moves the running mean, variance and threshold
        module.eval()
        folder = root / 'overcomplete' / name
        folder.mkdir(parents=True)
        torch.save(module.state_dict(), folder / 'sae.pt')
        if name == 'batch_topk':
            said = said | {'threshold': float(module.running_threshold)}
        if name != 'archetypal':
            said = {'normalization': 'l2'} | said
        (folder / 'said.json').write_text(json.dumps({'item': 'sae.pt'} | said))
        _, codes, y = module(X)
        expect(folder, codes, y)


def check(folder, encode, forward):
    """The largest difference of codes and reconstructions from what saex computed, over
    max(1, the largest value)."""
    want = {k: torch.tensor(v) for k, v in np.load(folder / 'expected.npz').items()}
    found = {'codes': encode(want['x']), 'y': forward(want['x'])}
    worst = max(float((v - want[k]).abs().max() / max(1.0, want[k].abs().max()))
                for k, v in found.items())
    print(f'{folder.parent.name + "/" + folder.name:60}{worst:10.1e}')
    return worst


def read(root):
    worst = []
    from sae_lens import SAE
    for folder in sorted((root / 'saelens').iterdir()):
        sae = SAE.load_from_disk(folder, device='cpu')
        site = sae.cfg.metadata.hook_name
        assert site == 'blocks.1.hook_resid_post', 'metadata was dropped'
        worst.append(check(folder, sae.encode, sae))
    from sparsify import SparseCoder
    for folder in sorted((root / 'sparsify').iterdir()):
        coder = SparseCoder.load_from_disk(folder)
        codes = lambda x: torch.zeros(len(x), coder.num_latents).scatter_(
            1, coder.encode(x).top_indices, coder.encode(x).top_acts)
        worst.append(check(folder, codes, lambda x: coder(x).sae_out))
    for folder in sorted((root / 'dictionary_learning').iterdir()):
        name = json.loads((folder / 'config.json').read_text())['trainer']['dict_class']
        kind = type(dictionary_classes()[name])
        loaded = kind.from_pretrained(folder / 'ae.pt', **(
            {'normalize_decoder': False} if name == 'AutoEncoder' else {}))
        worst.append(check(folder, loaded.encode, loaded))
    for folder in sorted((root / 'gemma_scope').iterdir()):
        sae = loaders.opened(folder, 'gemma_2_sae', 'google/gemma-scope-2b-pt-res',
                             loaders.LAYER, {'d_in': 5, 'd_sae': 12})
        worst.append(check(folder, sae.encode, sae))
    for folder in sorted((root / 'circuit_tracer').iterdir()):
        sae = loaders.opened(folder, 'mwhanna_transcoder', 'mwhanna/qwen3-1.7b-transcoders',
                             'layer_3.safetensors', {'d_in': 5, 'd_sae': 12, 'd_out': 5})
        worst.append(check(folder, sae.encode, sae))
    print(f'{len(worst)} dictionaries read by the libraries, worst difference '
          f'{max(worst):.1e}')
    return int(not 0 < max(worst) <= LIMIT)


def pack(root):
    """One small file for each library: what tests/formats/golden holds."""
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        with zipfile.ZipFile(root / f'{folder.name}.zip', 'w', zipfile.ZIP_DEFLATED) as out:
            for path in sorted(p for p in folder.rglob('*') if p.is_file()):
                name = zipfile.ZipInfo(str(path.relative_to(folder)), (2026, 1, 1, 0, 0, 0))
                out.writestr(name, path.read_bytes(), zipfile.ZIP_DEFLATED)


if __name__ == '__main__':
    torch.set_grad_enabled(False)
    action, root = sys.argv[1], pathlib.Path(sys.argv[2])
    if action == 'read':
        sys.exit(read(root))
    write_saelens(root)
    write_sparsify(root)
    write_dictionary_learning(root)
    write_overcomplete(root)
    loaders.write(root, X, expect)
    if action == 'golden':
        pack(root)
