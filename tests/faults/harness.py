"""Faults put into real runs: kill them, damage their files, and start them again.

    python -m tests.faults.harness --count=200 --out=docs      # `make faults`

A chain is one experiment in one workdir. Until it ends: perhaps damage a file of the newest
checkpoint, then start the command with a fault in it. When it has ended, the bytes of its
dictionaries must be those of the run that nothing happened to.
"""
import argparse
import collections
import dataclasses
import json
import os
import pathlib
import platform
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from saex import env
from saex.train import checkpoint

HERE = pathlib.Path(__file__).parent
KILLS = {'save begins': 6, 'digests taken': 6, 'manifest written, not renamed': 6,
         'save done': 6, 'old step goes': 4, 'step': 30, 'log': 30, 'sample': 40, 'restore': 2,
         'export': 2, 'evaluate': 1, 'results written': 1, 'compile': 120}
ROOMS_KILLS = {'harvest': 25, 'compile': 120, 'step': 20, 'evaluate': 1}
SIGNALS = ('SIGKILL', 'SIGTERM', 'SIGINT')
ROOM_OF = {'torn log': 'run/train/*/metrics.jsonl', 'torn config': 'run/config.json',
           'flip subject': 'cache/subjects/*.*'}
DAMAGES = ('flip', 'truncate', 'delete', 'empty step', *ROOM_OF)
# 0: it saved and left, or it was done before the fault came; -N: the signal came before or
# after the program could hear it; 130: interrupted where there is nothing to save
CODES = {'SIGKILL': (-9, 0), 'SIGTERM': (0, -15), 'SIGINT': (0, 130, -2),
         'SIGINT twice': (0, 130, -2), 'disk full': (2, 0)}
LIMIT = 900


@dataclasses.dataclass
class Fault:
    """What was done at which step, and what came of it. lost: steps that were done before
    the fault and done again after it, None where nothing was under way."""
    kind: str
    point: str
    reached: int = 0
    resumed: int = 0
    code: int | None = None
    outcome: str = 'survived'

    @property
    def lost(self) -> int:
        return max(self.reached - self.resumed, 0)


def newest(root: pathlib.Path) -> int:
    """The newest whole step of a folder of checkpoints; 0 when there is none."""
    held = checkpoint.Checkpoints(root)
    return max([s for s in held.steps() if held.problem(s) is None], default=0)


class Chain:
    """One experiment, from an empty workdir to its end."""

    def __init__(self, root: pathlib.Path, rng: random.Random, rooms: bool = False):
        self.root, self.workdir, self.rng, self.rooms = root, root / 'run', rng, rooms
        self.faults: list[Fault] = []
        self.owed: dict[str, str] = {}      # member -> what its next restore has to say
        self.command = [sys.executable, str(HERE / 'driver.py'), f'--workdir={self.workdir}',
                        f'--config={HERE / "tiny.py"}' + (':rooms' if rooms else '')]
        self.env = os.environ | {
            'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': '', 'SAEX_CACHE': str(root / 'cache'),
            'JAX_COMPILATION_CACHE_DIR': str(root.parent / 'compiled'),
            'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0'}

    def start(self, fault: str = '') -> subprocess.Popen:
        """The command, perhaps with a fault armed in it."""
        return subprocess.Popen(self.command, env=self.env | {'SAEX_FAULT': fault},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finish(self) -> str:
        """Runs the command without a fault; what it printed. Raises when it fails."""
        with self.start() as run:
            try:
                out, _ = run.communicate(timeout=LIMIT)
            finally:
                run.kill()
        if run.returncode:
            raise RuntimeError(f'exit code {run.returncode}: {out[-2000:]}')
        self.heard(out)
        if self.owed:
            raise RuntimeError(f'never said: {self.owed}')
        return out

    def heard(self, out: str) -> None:
        """Strikes off what a run had to say of damage and has said."""
        self.owed = {k: line for k, line in self.owed.items() if line not in out}

    def contents(self) -> dict[str, bytes]:
        held = self.workdir / 'dictionaries'
        return {str(p.relative_to(held)): p.read_bytes() for p in sorted(held.rglob('*.*'))}

    def reached(self) -> int:
        """Steps done, of all members together, by their logs (one line a step)."""
        return sum(len(path.read_bytes().splitlines())
                   for path in self.workdir.glob('train/*/metrics.jsonl'))

    def resumable(self) -> int:
        """Steps that the newest whole checkpoints hold, of all members together."""
        return sum(newest(p) for p in self.workdir.glob('train/*/checkpoints'))

    def damage(self, kind: str) -> None:
        """Harms what the last start left, one file of one member."""
        rng, roots = self.rng, list(self.workdir.glob('train/*/checkpoints'))
        fault = Fault(kind, 'between runs', self.resumable())
        if kind in ROOM_OF:
            paths = sorted(p for p in self.root.glob(ROOM_OF[kind]) if p.is_file())
            if not paths:
                return
            path = rng.choice(paths)
            _harm('flip' if kind == 'flip subject' else 'tear', path.parent, path, rng)
        else:
            steps = [r / str(max(s)) for r in roots
                     if len(s := checkpoint.Checkpoints(r).steps()) > 1]
            if not steps:
                return
            step = rng.choice(steps)
            path = rng.choice([p for p in sorted(step.rglob('*'))
                               if p.is_file() and p.stat().st_size])
            fault.point = str(path.relative_to(step))
            _harm(kind, step, path, rng)
            member = step.parents[1].name
            if member != 'subject':         # a subject comes from the cache once it is there
                self.owed[member] = f'{member}: goes on from step {newest(step.parent)}'
        fault.resumed = self.resumable()
        self.faults.append(fault)

    def strike(self) -> bool:
        """One start with a fault; True when the run ended all the same."""
        rng = self.rng
        points = ROOMS_KILLS if self.rooms else KILLS
        point, number = rng.choice(list(points)), rng.choice(SIGNALS)
        moment = rng.random()
        if moment < 0.1:
            return self._run(Fault('disk full', 'any write'),
                             self.start(f'disk:{rng.randint(100, 8000)}'))
        if moment < 0.25:
            return self._outside(number)
        nth = rng.randint(1, points[point])
        return self.hit(number, point, nth)

    def hit(self, number: str, point: str, nth: int) -> bool:
        """One start that sends itself a signal at the nth call of a point."""
        return self._run(Fault(number, point), self.start(f'{point}:{nth}:{number}'))

    def _outside(self, number: str) -> bool:
        """A signal at a random moment of the clock; SIGINT comes twice."""
        run, fault = self.start(), Fault(number, 'any moment')
        time.sleep(self.rng.uniform(0.2, 6.0))
        run.send_signal(getattr(signal, number))
        if number == 'SIGINT':
            fault.kind = 'SIGINT twice'
            time.sleep(self.rng.uniform(0.0, 0.3))
            run.send_signal(signal.SIGINT)
        return self._run(fault, run)

    def _run(self, fault: Fault, run: subprocess.Popen) -> bool:
        try:
            out, _ = run.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            run.kill()
            out, fault.outcome = '', 'hung'
        fault.code, fault.reached, fault.resumed = (run.returncode, self.reached(),
                                                    self.resumable())
        self.heard(out)
        if fault.outcome == 'survived' and run.returncode not in CODES[fault.kind]:
            fault.outcome = f'exit code {run.returncode}'
        if 'Traceback' in out and run.returncode not in (-2, -15):
            fault.outcome = 'traceback: ' + out[out.index('Traceback'):][-600:]
        if run.returncode == 0 and (self.workdir / 'report.html').is_file():
            return True
        self.faults.append(fault)
        return False


def _harm(kind: str, step: pathlib.Path, path: pathlib.Path, rng: random.Random) -> None:
    whole = path.read_bytes()
    if kind == 'tear':
        path.write_bytes(whole[:-rng.randint(1, 9)])
    elif kind == 'flip':
        at, bit = rng.randrange(len(whole)), 1 << rng.randrange(8)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1:])
    elif kind == 'truncate':
        path.write_bytes(whole[:rng.randrange(len(whole))])
    elif kind == 'delete':
        path.unlink()
    else:
        shutil.rmtree(step)
        step.mkdir()


def chain(root: pathlib.Path, seed: int, whole: dict, rooms: bool = False,
          most: int = 20) -> list[Fault]:
    """Faults of one chain, at most about `most`, judged by the bytes at its end."""
    rng = random.Random(seed)
    one = Chain(root, rng, rooms)
    ended = False
    while not ended and len(one.faults) < most:
        for kind in rng.sample(DAMAGES, rng.randint(1, 4)):
            one.damage(kind)
        ended = one.strike()
    try:
        if not ended:
            one.finish()
        wrong = None if one.contents() == whole else 'silent corruption'
    except (RuntimeError, subprocess.TimeoutExpired) as e:
        wrong = f'does not restart: {e}'
    for fault in one.faults:
        if wrong and fault.outcome == 'survived':
            fault.outcome = wrong
    return one.faults


def table(faults: list[Fault]) -> str:
    """Markdown: one row for each kind and point."""
    groups = collections.defaultdict(list)
    for f in faults:
        point = f.point if f.kind.startswith('SIG') else 'between runs'
        groups[f.kind, 'saving' if f.kind == 'disk full' else point].append(f)
    lines = ['| fault | where | injected | survived | lost steps, median | lost steps, most |',
             '|---|---|---|---|---|---|']
    for (kind, point), held in [*sorted(groups.items()), (('all', ''), faults)]:
        lost = [f.lost for f in held]
        good = sum(f.outcome == 'survived' for f in held)
        lines.append(f'| {kind} | {point} | {len(held)} | {good} | '
                     f'{statistics.median(lost):g} | {max(lost)} |')
    silent = sum(f.outcome == 'silent corruption' for f in faults)
    return '\n'.join([*lines, '', f'Silent corruption: {silent}.'])


def page(faults: list[Fault], seconds: float) -> str:
    """The summary that is committed."""
    return f"""# Faults

`make faults` kills real runs and damages what they leave, starts the same command again
until it ends, and compares the bytes of the dictionaries with those of the run that nothing
happened to. Every line of `faults.json` is one fault. Measured
{time.strftime('%Y-%m-%d')} in {seconds / 60:.0f} minutes on {os.cpu_count()} shared CPU cores,
with Python {platform.python_version()} and jax {env.version('jax')}. A step is logged each
time and saved every five, and lost steps are those of all that trains in the run together
(two dictionaries, or a network and one; each loses at most five by design, more where the fault
before was not made good yet).

{table(faults)}

A fault is survived when the run left with the exit code that is meant (0 after SIGTERM, 2
when the disk is full ...) and no traceback, the restart said from which step it goes on, and
the final bytes are the same. *flip* changes one bit of one file of the newest checkpoint,
*truncate*, *delete* and *empty step* say what they do; *flip subject* hits the cache of
trained subjects; *torn log* and *torn config* cut the end of `metrics.jsonl` and
`config.json`; *disk full* limits the size of the files that the run may write. Lost steps of
a damaged checkpoint are those between it and the one before. Not in it: several processes
(`tests/processes` stops one of two), stores of activations (`tests/data/store` harms each of
their files) and accelerators.
"""


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--count', type=int, default=200)
    parser.add_argument('--rooms', type=int, default=20)
    parser.add_argument('--seconds', type=float, default=3600.0)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=pathlib.Path, default=pathlib.Path('docs'))
    asked = parser.parse_args(argv)
    faults, began = [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for rooms, upto in ((True, asked.rooms), (False, asked.count)):
            if len(faults) >= upto:
                continue
            base = Chain(pathlib.Path(folder) / f'whole{rooms}', random.Random(0), rooms)
            base.finish()
            whole, seed = base.contents(), asked.seed
            while len(faults) < upto and time.monotonic() - began < asked.seconds:
                root = pathlib.Path(folder) / f'{rooms}{seed}'
                faults += chain(root, seed, whole, rooms)
                shutil.rmtree(root)
                seed += 1
                print(f'{len(faults)} faults, {time.monotonic() - began:.0f} s', flush=True)
                if faults:
                    write(faults, time.monotonic() - began, asked.out)


def write(faults: list[Fault], seconds: float, out: pathlib.Path) -> None:
    """faults.json and faults.md, as far as the run has come."""
    out.mkdir(exist_ok=True)
    lines = [json.dumps(dataclasses.asdict(f) | {'lost': f.lost}) for f in faults]
    (out / 'faults.json').write_text('[' + ',\n '.join(lines) + ']\n')
    (out / 'faults.md').write_text(page(faults, seconds))
    print(table(faults))


if __name__ == '__main__':
    main()
