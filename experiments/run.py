"""python experiments/run.py --config=experiments/quickstart.py --workdir=runs/quickstart"""
import sys

from saex import cli

if __name__ == '__main__':
    sys.exit(cli.main(sys.argv[1:]))
