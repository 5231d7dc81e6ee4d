"""What does a TopK step hold, as latents and rows grow? Compiled on shapes; nothing runs.

    python experiments/benchmarks/memory.py

In units of one F x D float32 matrix: parameters and Adam's moments are six.
"""
import functools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from experiments.benchmarks import ours, turns  # noqa: E402

WIDTH, K = 768, 32
SHAPES = [(4096, f) for f in (8192, 16384, 32768, 65536, 131072)] + [
    (b, 16384) for b in (1024, 2048, 8192, 16384)]


def held(spec: dict) -> tuple[int, int]:
    """(bytes inside a step, bytes in all) of one step of donated state."""
    import jax
    from saex.train import step

    problem, optimizer = ours.member(spec)
    batch = {'x': jax.ShapeDtypeStruct((spec['rows'], spec['width']), 'float32')}
    key = jax.random.key(0)
    state = jax.eval_shape(functools.partial(step.initial, problem, optimizer), key, batch)
    used = jax.jit(step.make(problem, optimizer), donate_argnums=0).lower(
        state, batch, key).compile().memory_analysis()
    return used.temp_size_in_bytes, (
        used.temp_size_in_bytes + used.argument_size_in_bytes + used.output_size_in_bytes
        - used.alias_size_in_bytes)


def main() -> None:
    turns.pin()
    import jax

    before, table, raw = turns.machine(), [], {}
    for rows, features in SHAPES:
        spec = dict(rows=rows, width=WIDTH, features=features, k=K)
        matrix = 4 * WIDTH * features
        found = {path: held(spec | {'path': path}) for path in ('gather', 'dense')}
        raw[f'{rows},{features}'] = found
        table.append({'rows': rows, 'features': features} | {
            f'{path}: {label}': f'{value / matrix:.1f}' for path, pair in found.items()
            for label, value in zip(('inside', 'in all'), pair)} | {
                'gather, GB': f'{found["gather"][1] / 1e9:.2f}'})
    turns.record('memory', f'Memory of a TopK step, D {WIDTH}, k {K}, AuxK in the program, in '
                 'F x D matrices.', table, before, raw, {'jax': jax.__version__})


if __name__ == '__main__':
    main()
