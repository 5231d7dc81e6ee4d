"""A finished run as a suite that others can open, here and on the Hub.

    python experiments/release.py --workdir=runs/quickstart --out=release/quickstart \\
        --repo=OWNER/NAME

Without --repo nothing is uploaded. Dictionaries of untrained subjects stay out. The same
command goes on after an interrupted upload.
"""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))     # this clone's saex, always

from experiments import _flags  # noqa: E402
from saex.formats import hub, release  # noqa: E402
from saex.report import style, svg  # noqa: E402

USAGE = """usage: python experiments/release.py --workdir=RUN --out=DIR [--repo=OWNER/NAME]
  [--licence=NAME] [--command=TEXT]: what the card says beside the numbers"""


def main(argv):
    flags = _flags.parse(argv, USAGE, ('workdir', 'out'), ('repo', 'licence', 'command'))
    entries, about = release.of_run(flags['workdir'])
    about |= {k: flags[k] for k in ('repo', 'licence') if k in flags}
    about['commands'] = [flags['command']] if 'command' in flags else []
    kept = [e for e in entries if not e.name.endswith('_untrained')]
    with tempfile.TemporaryDirectory() as folder:
        for row in release.suite(flags['out'], kept, about,
                                 figures(kept, pathlib.Path(folder))):
            print(row['path'])
    if 'repo' in flags:
        sent = hub.push(flags['out'], flags['repo'])
        print(f'{len(sent)} files sent to {flags["repo"]}')


def figures(entries, folder):
    """L0 against FVU as an SVG that stands alone, where two or more have both."""
    points = [svg.Point(e.name, f'h{i % 8}', e.results['l0'], e.results['fvu'])
              for i, e in enumerate(entries)
              if None not in map(e.results.get, ('l0', 'fvu'))]
    if len(points) < 2:
        return []
    chart = str(svg.scatter('L0 and FVU', points, 'L0, active latents of a row', 'FVU'))
    head, _, rest = chart.partition('>')
    head = head.replace('<svg', '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    (folder / 'l0_fvu.svg').write_text(f'{head}><style>{style.CSS}</style>{rest}')
    return [folder / 'l0_fvu.svg']


if __name__ == '__main__':
    _flags.run(main)
