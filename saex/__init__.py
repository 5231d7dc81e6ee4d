"""saex: sparse autoencoders and every other sparse dictionary, in JAX and Flax.

`saex.train(config, workdir)` runs an experiment, like experiments/run.py; `saex.load(path)`
opens a dictionary that this or another library wrote.
"""
import sys
from types import ModuleType

__version__ = '0.1.0'

from saex import train  # noqa: E402


class _CallableModule(ModuleType):
    """`saex.train` is the package of the training loop and the call that runs it all."""

    def __call__(self, config, workdir, fresh=False):
        """Runs or resumes the experiment of `config` in `workdir`, writes report.html and
        returns the flat results. Raises saex.config.ConfigError on a bad config."""
        from saex import experiment
        from saex.report import page

        results = experiment.run(config, workdir, fresh)
        page.write(workdir, experiment.plan(config).world)
        return results


sys.modules[train.__name__].__class__ = _CallableModule


def load(path, item=None, format=None, **options):
    """The dictionary at a local path, of any known format: see saex/formats/load.py."""
    from saex.formats import load as formats

    return formats.load(path, item, format, **options)
