"""Runs the real command, and at the n-th call of one function sends itself a signal.

    SAEX_FAULT=POINT:N:SIGNAL python tests/faults/driver.py FLAGS...
    SAEX_FAULT=disk:BYTES                 # no file may grow beyond so many bytes

POINT is a key of POINTS. The signal is sent when the call begins; 'late' points send it
when the call ends. 'compile' sends it N hundredths of a second after the first step began.
"""
import importlib
import os
import pathlib
import resource
import signal
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

POINTS = {'save begins': ('saex.train.checkpoint', 'Checkpoints._write', False),
          'digests taken': ('saex.train.checkpoint', '_digests', False),
          'manifest written, not renamed': ('saex.train.checkpoint', 'Checkpoints._write', True),
          'save done': ('saex.train.checkpoint', 'Checkpoints.save', True),
          'old step goes': ('shutil', 'rmtree', False),
          'step': ('saex.train.loop', '_Lane.advance', False),
          'log': ('saex.train.log', 'MetricsLog.write', False),
          'harvest': ('saex.data.sources.harvest', 'Harvest.batch', False),
          'sample': ('saex.data.sources.planted', 'Planted.batch', False),
          'restore': ('saex.train.checkpoint', 'Checkpoints._load', False),
          'export': ('saex.formats.saelens', 'write', False),
          'evaluate': ('saex.evaluate', 'everything', False),
          'results written': ('saex.evaluate', 'everything', True),
          'compile': ('saex.train.loop', '_Lane.advance', False)}


def arm(point: str, nth: int, number: int) -> None:
    """Wraps the function of `point`."""
    module, path, late = POINTS[point]
    holder = importlib.import_module(module)
    *parents, name = path.split('.')
    for parent in parents:
        holder = getattr(holder, parent)
    whole, calls = getattr(holder, name), [0]

    def strike():
        calls[0] += 1
        if point == 'compile' and calls[0] == 1:
            threading.Timer(nth / 100, os.kill, (os.getpid(), number)).start()
        elif point != 'compile' and calls[0] == nth:
            os.kill(os.getpid(), number)

    def wrapped(*args, **kwargs):
        if late:
            made = whole(*args, **kwargs)
            strike()
            return made
        strike()
        return whole(*args, **kwargs)

    setattr(holder, name, wrapped)


if __name__ == '__main__':
    from saex import cli
    from saex.train import signals

    # a shell starts what stands behind & with SIGINT ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fault = os.environ.get('SAEX_FAULT', '')
    if fault.startswith('disk:'):
        resource.setrlimit(resource.RLIMIT_FSIZE, 2 * (int(fault.removeprefix('disk:')),))
    elif fault:
        where, count, sent = fault.split(':')
        arm(where, int(count), getattr(signal, sent))
    signals.leave(cli.main(sys.argv[1:]))
