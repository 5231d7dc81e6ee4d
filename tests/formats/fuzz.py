"""Mutated files for every reader: python tests/formats/fuzz.py COUNT [SEED] > fuzz.json

Each case takes one good dictionary of a format, breaks its bytes, its header, its pickle,
its npy members or its config, and loads it. The outcome is

    refused     FormatError: one line
    loaded      and then encode and reconstruct give finite numbers of the right shape
    defect      any other exception, a NaN, over LIMIT seconds or 4 GiB more address space

Prints format x outcome and every defect; exits with 1 when there is one.
"""
import io
import json
import pathlib
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import zipfile

import numpy as np

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from saex.formats import circuit_tracer, gemma_scope, load, torch_write  # noqa: E402
from saex.formats.errors import FormatError  # noqa: E402
from tests.formats import _examples as ex  # noqa: E402

LIMIT = 5.0
VALUES = (None, True, -1, 0, 1, 3, 2 ** 31, 2 ** 63, -1.5, 1e308, '', 'x', '../../x', [],
          {},
          [1, 2], [0], [-1], [2 ** 40, 2 ** 40], 'F32', 'F64', 'BF16', 'I64', 'BOOL',
          'topk',
          'jumprelu', 'relu', 'a\0b', 'é' * 300)
GOLDEN = {'saelens': 'saelens', 'sparsify': 'sparsify', 'openai': 'openai',
          'e2e_sae': 'e2e_sae',
          'dictionary_learning': 'dictionary_learning', 'llamascopium': 'llama_scope',
          'overcomplete': 'overcomplete'}
OPTIONS = {'overcomplete': {'kind': 'topk', 'k': 3, 'normalization': 'l2'},
           'e2e_sae': {'site': 'blocks-2-hook_resid_pre'}, 'qwen_scope': {'k': 3},
           'neverix': {'subtract_b_dec': True, 'encoder_bias': True}}


def seeds(root):
    """format -> folders of good dictionaries below root."""
    for archive, name in GOLDEN.items():
        with zipfile.ZipFile(ROOT / 'tests/formats/golden' / f'{archive}.zip') as z:
            z.extractall(root / name)
    for path in [*root.rglob('expected.npz'), *root.rglob('said.json')]:
        path.unlink()
    c, made = ex.canonical('jumprelu'), root / 'gemma_scope'
    (made / 'one').mkdir(parents=True)
    gemma_scope.write(made / 'one' / 'params.npz', c)
    circuit_tracer.write(root / 'circuit_tracer' / 'one' / 'layer_0.safetensors', c)
    circuit_tracer.write(root / 'circuit_tracer' / 'all', ex.cross_layer())
    (root / 'circuit_tracer' / 'all' / 'config.yaml').write_text('scan: x\nmodel_name: y\n')
    linear = {'weight': c.w_enc.T, 'bias': c.b_enc}, {'weight': c.w_dec.T, 'bias': c.b_dec}
    plain = {'W_enc': c.w_enc, 'b_enc': c.b_enc, 'W_dec': c.w_dec, 'b_dec': c.b_dec}
    for name, file, tensors in (
            ('goodfire', 'sae.pt', {f'{side}_linear.{k}': v for side, part in zip(
                ('encoder', 'decoder'), linear, strict=True) for k, v in part.items()}),
            ('qwen_scope', 'layer1.sae.pt',
             plain | {'W_enc': c.w_enc.T, 'W_dec': c.w_dec.T}),
            ('neverix', 'sae_weights.pt', plain | {
                'scaling_factor': np.ones(ex.F), 's_gate': np.zeros(ex.F),
                'b_gate': np.zeros(ex.F), 'mean_norm': np.array(2.0),
                'tgt_mean_norm': np.array(3.0)})):
        (root / name / 'one').mkdir(parents=True)
        torch_write.save(root / name / 'one' / file,
                         {k: np.asarray(v, np.float32) for k, v in tensors.items()})
    return {p.name: sorted({f.parent for f in p.rglob('*') if f.is_file()})
            for p in sorted(root.iterdir())}


def broken_bytes(rng, raw):
    """Flips, cuts, repeats and insertions, more often near the start (the header)."""
    raw = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 8))):
        end = max(1, min(len(raw), rng.choice((16, 300, 2000, len(raw)))))
        at, how = rng.randrange(end), rng.randrange(5)
        if how == 0 and raw:
            raw[min(at, len(raw) - 1)] ^= 1 << rng.randrange(8)
        elif how == 1:
            raw[at:at + 1] = bytes([rng.choice((0, 255, 127, 128, rng.randrange(256)))])
        elif how == 2:
            del raw[at:at + rng.choice((1, 8, len(raw)))]
        elif how == 3:
            raw[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 8))))
        else:
            raw[at:at] = raw[at:at + rng.choice((4, 64))]
    return bytes(raw)


def broken_json(rng, found):
    """One value or key of a JSON object, anywhere in it, replaced, removed or renamed."""
    spots = [found]
    for spot in spots:
        spots += [v for v in (spot.values() if isinstance(spot, dict) else spot)
                  if isinstance(v, (dict, list)) and v]
    spot = rng.choice(spots)
    if isinstance(spot, list):
        spot[rng.randrange(len(spot))] = rng.choice(VALUES)
    elif spot:
        key, how = rng.choice(list(spot)), rng.randrange(4)
        value = spot.pop(key)
        if how == 1:
            spot[str(rng.choice(VALUES))] = value
        elif how > 1:
            spot[key] = rng.choice(VALUES) if how == 2 else rng.choice(list(spot.values())
                                                                       or [0])
    return found


def broken_safetensors(rng, raw):
    """A header that lies: its JSON changed, its length right."""
    n = struct.unpack('<Q', raw[:8])[0]
    head = json.dumps(broken_json(rng, json.loads(raw[8:8 + n]))).encode()
    if rng.random() < 0.1:
        head = head.replace(b'{', b'{"W_dec":{},"W_dec":', 1)
    return struct.pack('<Q', len(head)) + head + raw[8 + n:]


def broken_zip(rng, raw):
    """One member broken (or renamed, compressed, removed), the archive itself in order."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, 'w') as new:
        names = old.namelist()
        hit = rng.choice([n for n in names if n.endswith(('data.pkl', '.npy'))] or names)
        for name in names:
            data, kind = old.read(name), zipfile.ZIP_STORED
            if name == hit:
                how = rng.randrange(10)
                if how == 0:
                    continue
                name = name + 'x' if how == 1 else name
                kind = zipfile.ZIP_DEFLATED if how == 2 else kind
                data = broken_bytes(rng, data) if how > 2 else data
            new.writestr(name, data, kind)
    return out.getvalue()


def break_one(rng, folder):
    """Breaks one file of a folder in place."""
    path = rng.choice(sorted(p for p in folder.iterdir() if p.is_file()))
    raw, structured = path.read_bytes(), rng.random() < 0.6
    if structured and path.suffix == '.safetensors':
        raw = broken_safetensors(rng, raw)
    elif structured and path.suffix in ('.pt', '.npz'):
        raw = broken_zip(rng, raw)
    elif structured and path.suffix == '.json':
        raw = json.dumps(broken_json(rng, json.loads(raw))).encode()
    else:
        raw = broken_bytes(rng, raw)
    path.write_bytes(raw)


def outcome(folder, name, forced):
    """'refused', 'loaded' or 'defect: ...'."""
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        c = load.load(folder, format=name if forced else None, **OPTIONS.get(name, {}))
        rows = ex.rows(c, 2)
        codes = c.encode(rows)
        y = c.decode(codes, rows)
        fine = bool(np.isfinite(codes).all() and np.isfinite(y).all())
        return 'loaded' if fine and y.shape[-1] == c.d_out else 'defect: not finite'
    except FormatError as e:
        return 'refused' if '\n' not in str(e) else f'defect: several lines: {e}'
    except Exception as e:      # what a reader lets through is what we look for
        return f'defect: {type(e).__name__}: {e}'
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def run(count, seed=0, formats=None):
    """format -> {outcome: number of cases}, and the defects in words."""
    def late(*_):
        raise TimeoutError(f'more than {LIMIT} s')

    np.seterr(all='ignore')
    signal.signal(signal.SIGALRM, late)
    table, defects = {}, []
    with tempfile.TemporaryDirectory(dir='/dev/shm' if pathlib.Path('/dev/shm').is_dir()
                                     else None) as held:
        root = pathlib.Path(held)
        for name, folders in seeds(root / 'good').items():
            if formats and name not in formats:
                continue
            table[name] = {'refused': 0, 'loaded': 0, 'defect': 0}
            for i in range(count):
                rng = random.Random(f'{seed} {name} {i}')
                case = root / 'case'
                shutil.copytree(rng.choice(folders), case)
                break_one(rng, case)
                found = outcome(case, name, forced=rng.random() < 0.5)
                table[name][found.split(':')[0]] += 1
                if found.startswith('defect'):
                    defects.append(f'{name} {i}: {found}'[:300])
                shutil.rmtree(case)
    return table, defects


def main(count, seed=0):
    used = int(pathlib.Path('/proc/self/statm').read_text().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + 2 ** 32, resource.RLIM_INFINITY))
    table, defects = run(count, seed)
    print(json.dumps({'cases_for_each': count, 'seed': seed, 'outcomes': table,
                      'defects': defects}, indent=1))
    return int(bool(defects))


if __name__ == '__main__':
    sys.exit(main(*map(int, sys.argv[1:])))
