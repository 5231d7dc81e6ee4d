"""SIGTERM and SIGINT ask a run to save and leave; a second SIGINT leaves at once.

Between trainings (compile, harvest, evaluation) there is nothing to save: there SIGTERM
raises Stopped wherever the program is, and SIGINT KeyboardInterrupt.
"""
import contextlib
import os
import signal
import sys
import threading


INTERRUPTED = 130


class Stopped(Exception):
    """A signal asked the run to stop; what is saved is whole, and it can be resumed."""


def leave(code: int) -> None:
    """Ends the program. A signal that comes while Python winds up does nothing more: there
    it would be a traceback or a crash, and all is written. After an interrupt Python does
    not wind up at all: what the device was doing may still run and would crash into it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    if code == INTERRUPTED:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


@contextlib.contextmanager
def sigterm_stops():
    """SIGTERM raises Stopped; off the main thread nothing changes."""
    def stop(number, frame):
        raise Stopped('stopped between trainings; the same command goes on')

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)


class StopRequest:
    """Context manager; `requested` turns True on the first signal. Off the main thread,
    where handlers cannot be set, it stays False."""

    def __init__(self):
        self.requested = False
        self._old = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._old[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_):
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _handle(self, number, frame):
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True
