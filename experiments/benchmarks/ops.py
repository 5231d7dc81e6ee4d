"""When does the gathered path beat dense products? What ops/sparse.py calls 'auto'.

    python experiments/benchmarks/ops.py [rounds=7]

Whole training steps of TopK in both paths, side by side, on one core.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from experiments.benchmarks import ours, turns  # noqa: E402

SHAPES = [(256, 64, 256, 32), (256, 64, 256, 64), (256, 64, 512, 32), (256, 64, 1024, 16),
          (256, 64, 2048, 8), (512, 256, 1024, 128), (512, 256, 2048, 128),
          (512, 256, 4096, 128), (512, 256, 4096, 32), (512, 512, 8192, 32)]


def main() -> None:
    turns.pin()
    import jax

    asked, before = dict(word.split('=') for word in sys.argv[1:]), turns.machine()
    table, raw = [], {}
    for rows, width, features, k in SHAPES:
        spec = dict(rows=rows, width=width, features=features, k=k)
        data = ours.batches(spec)

        def turn(path):
            run = ours.stepper(spec | {'path': path})
            repeat = max(1, 2 ** 27 // (rows * width * features))

            def some():
                for i in range(repeat):
                    run(data[i % 2])
            return some

        spent = turns.alternate({path: turn(path) for path in ('gather', 'dense')},
                                int(asked.get('rounds', 7)))
        raw[f'{rows},{width},{features},{k}'] = spent
        table.append({'rows': rows, 'width': width, 'features': features, 'k': k,
                      'features / k': features // k,
                      'dense / gather': turns.spoken(turns.ratio(spent['dense'],
                                                                 spent['gather']))})
    turns.record('ops', 'CPU time of a TopK step with dense products over that of the '
                 'gathered path.', table, before, raw, {'jax': jax.__version__})


if __name__ == '__main__':
    main()
