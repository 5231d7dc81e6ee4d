"""saex: sparse autoencoders and every other sparse dictionary, in JAX and Flax.

`saex.train(config, workdir)` runs an experiment, like experiments/run.py; `saex.load(path)`
opens a dictionary that this or another library wrote, `saex.from_pretrained(path)` one to
train on, `saex.save_pretrained(folder, ...)` and `saex.push_to_hub(folder, repo)` release it.
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
        from saex import execute, experiment, processes
        from saex.report import page

        results = execute.run(config, workdir, fresh)
        if processes.first():
            page.write(workdir, experiment.plan(config).world)
        return results


sys.modules[train.__name__].__class__ = _CallableModule


def load(path, item=None, format=None, **options):
    """The dictionary at a local path or in a repository of the Hub, of any known format, to
    encode and decode with: see saex/formats/load.py."""
    from saex.formats import load as formats

    return formats.load(path, item, format, **options)


def from_pretrained(path, item=None, format=None, selector=None, **options):
    """(model, params, stats) of a saved dictionary, to train on: see native.open_folder."""
    from saex.formats import native

    return native.open_folder(path, item, format, selector, **options)


def save_pretrained(directory, dictionary, **options):
    """Writes SAELens's folder and a model card: see saex/formats/release.py."""
    from saex.formats import release

    release.save_pretrained(directory, dictionary, **options)


def push_to_hub(directory, repo, **options):
    """Uploads a folder; what the repository holds is not sent again: see formats/hub.py."""
    from saex.formats import hub

    return hub.push(directory, repo, **options)
