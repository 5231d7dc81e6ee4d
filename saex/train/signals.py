"""SIGTERM and SIGINT ask a run to save and leave; a second SIGINT leaves at once."""
import signal
import threading


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
