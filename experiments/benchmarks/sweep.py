"""What do S members cost that train together, against one of them?

    python experiments/benchmarks/sweep.py [members=8] [rounds=7] [harvest=0]

harvest=1 puts a decoder of GPT-2-small's proportions in front: every step first makes its
batch by a forward pass, which one member pays alone and S members share.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from experiments.benchmarks import ours, turns  # noqa: E402

SPEC = dict(rows=1024, width=768, features=16384, k=32)


def forward(rows: int):
    """A function that makes `rows` activations of width 768: twelve blocks over sequences
    of 128 tokens. The vocabulary is small, as no logits are made."""
    import jax
    from saex import config
    from saex.subjects.network import Network

    section = dict(name='decoder', width=768, layers=12, heads=12)
    model = config.build('saex.subjects', section, vocab=512, context=128)
    tokens = jax.random.randint(jax.random.key(0), (rows // 128, 128), 0, 512)
    params = jax.jit(model.init)(jax.random.key(1), tokens)['params']
    site = 'blocks.11.resid_post'
    run = jax.jit(lambda params, tokens: Network(model, params).capture(tokens, site))
    return lambda: {'x': jax.tree.leaves(run(params, tokens))[0].reshape(rows, -1)}


def main() -> None:
    turns.pin()
    import jax

    asked, before = dict(word.split('=') for word in sys.argv[1:]), turns.machine()
    count, live = int(asked.get('members', 8)), asked.get('harvest', '0') == '1'
    members = [ours.stepper(SPEC | {'lr': 1e-4 * (1 + i), 'seed': i}) for i in range(count)]
    still = ours.batches(SPEC)[0]
    make = forward(SPEC['rows']) if live else lambda: still

    def together(chosen):
        def turn():
            batch = make()
            for member in chosen:
                member(batch)
        return turn

    runs = {'one': together(members[:1]), 'all': together(members)}
    if live:
        runs['harvest'] = lambda: jax.block_until_ready(make())
    spent = turns.alternate(runs, int(asked.get('rounds', 7)))
    found = turns.ratio(spent['all'], spent['one'])
    row = {'members': count, 'live harvest': live,
           'cost in runs of one': turns.spoken(found),
           'over members x one': f'{found["median"] / count:.3g}'}
    if live:
        row['harvest alone'] = turns.spoken(turns.ratio(spent['harvest'], spent['one']))
    shape = ', '.join(f'{k} {v}' for k, v in SPEC.items())
    turns.record(f'sweep_{count}{"_harvest" if live else ""}',
                 f'CPU time of a step of {count} members over that of one; TopK, {shape}.',
                 [row], before, spent, {'jax': jax.__version__})


if __name__ == '__main__':
    main()
