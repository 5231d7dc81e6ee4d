"""What reading from a store costs beside the training step that it feeds.

    python experiments/benchmarks/store_reading.py [--rows=262144] [--steps=6] [--folder=DIR]

A store of bfloat16 rows is written at D = 768. Then, for B = 4096, three times are taken in
turn, over and over in one run:

    step        one update of a TopK dictionary, F = 16384, on a batch that is already there
    both        the same update, its batch read from the store while the last one runs
    read        reading alone: batches one after another

Reading costs `both / step - 1` of a step; of wall time, and of CPU time, which other programs
on the machine disturb less. The page cache is warm after the first pass, as in
a run that goes over its store again; a cold disk adds what `read` shows in the first pass.
"""
import argparse
import json
import pathlib
import statistics
import tempfile
import time

import jax
import numpy as np

from experiments.recipes import topk
from saex.data.store.read import Store
from saex.data.store.write import write
from saex.data.stream import Stream
from saex.dictionary import build
from saex.losses import objective
from saex.optim import chain
from saex.train import dictionary, step

READS = 64           # batches: several windows

def make_store(path, rows, d_in, chunk=16384):
    def produce(index):
        rng = np.random.default_rng(index)
        return {'x': rng.standard_normal((chunk, d_in), np.float32)}

    began = time.perf_counter()
    write(path, produce, rows, {'x': ((d_in,), 'bfloat16')}, {'made by': 'benchmark'})
    return time.perf_counter() - began


def trainer(d_in, features, batch_size):
    """(state, update(state, batch) -> state) of the recipe."""
    section = topk.recipe(features, 32, 1000, batch_size)
    model = build.dictionary(section['dictionary'], d_in)
    goal = objective.build(section['losses'], build.provided(model), 1000)
    problem = dictionary.problem(model, goal, build.initialiser({}), batch_size)
    optimizer = chain.build(section['optim'], 1000)
    sample = {'x': jax.random.normal(jax.random.key(1), (batch_size, d_in))}
    state = step.initial(problem, optimizer, jax.random.key(0), sample)
    update = jax.jit(step.make(problem, optimizer), donate_argnums=0)
    return state, lambda state, batch: update(state, batch, jax.random.key(2))[0]


def measure(stream, state, update, steps, batch_size):
    """{'step': [(wall s, CPU s)], 'both': ..., 'read': ...} of one batch."""
    held = jax.device_put(stream.batch(0, batch_size))
    state = jax.block_until_ready(update(state, held))           # compiled before it is timed
    seconds, at = {'step': [], 'both': [], 'read': []}, 0
    for _ in range(3):
        for kind, times in seconds.items():
            count = READS if kind == 'read' else steps
            began = time.perf_counter(), time.process_time()
            for _ in range(count):
                if kind == 'step':
                    state = update(state, held)
                    continue
                batch = jax.device_put(stream.batch(at, batch_size))
                at += 1
                if kind == 'both':
                    state = update(state, batch)
                else:
                    jax.block_until_ready(batch)
            jax.block_until_ready(state)
            times.append(((time.perf_counter() - began[0]) / count,
                          (time.process_time() - began[1]) / count))
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (('rows', 262144), ('d_in', 768), ('features', 16384),
                          ('batch_size', 4096), ('steps', 6)):
        parser.add_argument(f'--{name}', type=int, default=default)
    parser.add_argument('--folder', default='')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder or None) as folder:
        path = pathlib.Path(folder) / 'store'
        written = make_store(path, args.rows, args.d_in)
        stream = Stream(Store(path))
        seconds = measure(stream, *trainer(args.d_in, args.features, args.batch_size),
                          args.steps, args.batch_size)
    told = {'device': str(jax.devices()[0]), 'rows': args.rows,
            'written_rows_per_s': round(args.rows / written)}
    for i, clock in enumerate(('wall', 'cpu')):
        times = {kind: sorted(pair[i] for pair in found) for kind, found in seconds.items()}
        told |= {f'{kind}_{clock}_ms': [round(1e3 * t, 2) for t in found]
                 for kind, found in times.items()}
        step_, both, read = (statistics.median(times[k]) for k in ('step', 'both', 'read'))
        told |= {f'read_share_of_step_{clock}': round(read / step_, 5),
                 f'cost_{clock}': round(both / step_ - 1, 4)}
    print(json.dumps(told, indent=1))


if __name__ == '__main__':
    main()
