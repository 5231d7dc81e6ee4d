"""Harvest throughput against transformers' torch forward with a hook, same random weights.

    python experiments/benchmarks/harvest.py --torch=PYTHON [--rounds=15] [--out=FILE.json]

PYTHON is an interpreter with torch and transformers; it runs in one process beside this
one, idle while this one runs. Passes alternate (torch, saex, torch, ...), so that both meet
the same load; each pair gives a ratio torch / saex of wall time, and one of CPU time, which
other programs on the machine change less (with taskset on one core nobody waits for another
thread). Both run in float32 and hand over a host array; transformers runs its default
attention and no language-model head. `last` captures the last block, the same work for
both; `middle` the middle one, where saex's forward ends and a hook's does not. Activations
are compared.

Measured (harvest.json: taskset on one core of an AMD EPYC, jax 0.10.2 and torch 2.13.0 with
one thread, 2 x 128 tokens, 11 rounds, load 15 to 24), torch / saex of CPU time, median and
quartiles: GPT-2 last 2.22 (2.21, 2.25), middle 3.88 (3.80, 3.90); BERT last 2.23 (2.20,
2.27), middle 3.67 (3.63, 3.76). The factor of `last` is that of one matrix product, [256,
768] by [768, 3072]: 225 and 102 GFLOP per CPU second (MKL is slow on this processor).
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

import jax
import numpy as np

from saex.subjects.checkpoints.load import load

WORKER = '''
import json, pathlib, sys, time
import numpy as np, torch
sys.modules['torchvision'] = None
import transformers as hf
root, name = pathlib.Path(sys.argv[1]), sys.argv[2]
model = {'gpt2': lambda: hf.GPT2Model(hf.GPT2Config()),
         'bert': lambda: hf.BertModel(hf.BertConfig(), add_pooling_layer=False)}[name]().eval()
model.save_pretrained(root)
tokens, held = torch.from_numpy(np.load(root / 'tokens.npy')), {}
blocks = model.h if name == 'gpt2' else model.encoder.layer
def keep(layer):
    return lambda _, __, out: held.update({layer: out[0] if isinstance(out, tuple) else out})
print(json.dumps({'torch': torch.__version__, 'transformers': hf.__version__,
                  'threads': torch.get_num_threads()}), flush=True)
for line in sys.stdin:
    layer = int(line)
    hook = blocks[layer].register_forward_hook(keep(layer))
    begin = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        model(input_ids=tokens)
    x = held[layer].numpy()
    print(time.perf_counter() - begin[0], time.process_time() - begin[1], flush=True)
    hook.remove()
    np.save(root / 'x.npy', x)
'''


def measure(name, python, rounds, rows, length):
    """{site: ratios and tokens per second of both}."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1000, 30000, (rows, length))
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        np.save(root / 'tokens.npy', tokens)
        with subprocess.Popen([python, '-c', WORKER, str(root), name], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as torch:
            versions = json.loads(torch.stdout.readline())
            network = load(root)
            layers = network.model.layers
            found = {kind: _alternate(torch, network, tokens, layer, rounds, root)
                     for kind, layer in (('last', layers - 1), ('middle', layers // 2))}
            torch.stdin.close()
    return found | versions


def _alternate(torch, network, tokens, layer, rounds, root):
    site = f'blocks.{layer}.resid_post'
    seconds = []                                     # [wall, CPU] x [torch, saex]
    for _ in range(rounds + 2):                      # two rounds to compile and to warm up
        torch.stdin.write(f'{layer}\n')
        torch.stdin.flush()
        theirs = [float(t) for t in torch.stdout.readline().split()]
        begin = time.perf_counter(), time.process_time()
        x = np.asarray(network.capture(tokens, site))
        ours = time.perf_counter() - begin[0], time.process_time() - begin[1]
        seconds.append((theirs, ours))
    wall, cpu = np.moveaxis(np.array(seconds[2:]), 2, 0)
    speed = tokens.size / np.median(wall, axis=0)
    wanted = np.load(root / 'x.npy')
    return dict(wall=_ratio(wall), cpu=_ratio(cpu), rounds=rounds,
                tokens_per_second=dict(zip(('torch', 'saex'), speed.round(1).tolist())),
                largest_difference=float(np.abs(x - wanted).max()))


def _ratio(seconds):
    """Median and quartiles of torch / saex."""
    low, middle, high = np.quantile(seconds[:, 0] / seconds[:, 1], [0.25, 0.5, 0.75])
    return dict(ratio=round(middle, 2), quartiles=[round(low, 2), round(high, 2)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--torch', required=True)
    parser.add_argument('--rounds', type=int, default=15)
    parser.add_argument('--rows', type=int, default=4)
    parser.add_argument('--length', type=int, default=128)
    parser.add_argument('--models', default='gpt2,bert')
    parser.add_argument('--out', type=pathlib.Path)
    args = parser.parse_args()
    results = {'jax': jax.__version__, 'backend': jax.default_backend(),
               'cores': os.cpu_count(), 'batch': [args.rows, args.length],
               'load': [round(x, 1) for x in os.getloadavg()]}
    for name in args.models.split(','):
        results[name] = measure(name, args.torch, args.rounds, args.rows, args.length)
    results['load_after'] = [round(x, 1) for x in os.getloadavg()]
    text = json.dumps(results, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + '\n')


if __name__ == '__main__':
    main()
