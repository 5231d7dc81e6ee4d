"""The evaluation and report of a dictionary that was trained elsewhere.

    python experiments/evaluate.py --config=experiments/quickstart.py
        --dictionary=PATH_OR_REPO \\ --workdir=runs/theirs

It is measured like our own: on the subject and source of the config, beside the same floors
and ceilings. --item and --format say what the files do not; --name is its name in the
results.
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))     # this clone's saex, always

from experiments import _flags  # noqa: E402
from saex import cli, evaluate, execute, experiment  # noqa: E402
from saex.formats import native  # noqa: E402
from saex.report import page  # noqa: E402
from saex.train import files  # noqa: E402

USAGE = """usage: python experiments/evaluate.py --config=FILE.py[:ARG] --workdir=DIR
  --dictionary=PATH_OR_REPO [--item=NAME] [--format=NAME] [--name=NAME]"""


def main(argv):
    flags = _flags.parse(argv, USAGE, ('config', 'dictionary', 'workdir'),
                         ('item', 'format', 'name'))
    made = experiment.plan(cli.load(flags['config']))
    workdir = pathlib.Path(flags['workdir'])
    parts = native.open_folder(flags['dictionary'], flags.get('item'), flags.get('format'))
    name = flags.get('name') or pathlib.Path(flags['dictionary']).name or 'dictionary'
    with files.locked(workdir):
        network, source = execute.stream(made, workdir)
        results = evaluate.saved(made, {name: parts}, network, source, workdir)
        files.write_json(workdir / 'config.json', made.config | {'dictionaries': {
            name: {'dictionary': {'features': parts[0].features}, 'losses': {}}}})
        files.write_json(workdir / 'results.json', results)
    print(json.dumps({k: v for k, v in results.items() if k.startswith(f'{name}/')},
                     indent=1))
    print(f'report: {page.write(workdir, made.world)}')


if __name__ == '__main__':
    _flags.run(main)
