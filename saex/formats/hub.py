"""The Hugging Face Hub: one dictionary down, a folder of dictionaries up.

`fetch` gives a local folder, which load.py reads like any other. `push` sends only files
that the repository does not hold already (compared by digest), one commit for each
dictionary and the index last: an upload that was interrupted goes on when the same command
runs again.
"""
import hashlib
import pathlib
import re

from saex.formats.errors import FormatError, require

NAME = re.compile(r'[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*')
CONFIGS = ('cfg.json', 'config.json', 'config.yaml', 'hyperparams.json',
           'final_config.yaml')
LAST = ('index.json', 'README.md')


def fetch(repo: str, item: str | None = None, *, revision: str | None = None,
          endpoint: str | None = None, token: str | None = None,
          cache: str | pathlib.Path | None = None) -> pathlib.Path:
    """The local snapshot of `item` (a folder or file of repo; by default the files at its
    root) with the configs beside it. Interrupted downloads resume; offline, the cache
    serves.

    Raises FormatError: one line with what to do, for a repository that is missing, gated or
    out of reach.
    """
    require(NAME.fullmatch(repo) is not None,
            f'{repo!r}: neither a local path nor the name of '
            'a repository, owner/name')
    patterns = {'ignore_patterns': ['*/*', '*.md']}
    if item is not None:
        parent = item.rpartition('/')[0]
        near = [f'{parent}/{name}' if parent else name for name in CONFIGS]
        patterns = {'allow_patterns': [_plain(item), f'{_plain(item)}/*',
                                       *map(_plain, near)]}
    found = _attempt(repo, endpoint, lambda hub: hub.snapshot_download(
        repo, revision=revision, endpoint=endpoint, token=token, cache_dir=cache,
        library_name='saex', **patterns))
    return pathlib.Path(found)


def push(folder: str | pathlib.Path, repo: str, *, private: bool = False,
         endpoint: str | None = None, token: str | None = None) -> list[str]:
    """Uploads a folder; returns the paths that were sent. Raises FormatError as `fetch`."""
    folder = pathlib.Path(folder)
    require(NAME.fullmatch(repo) is not None, f'{repo!r}: not the name of a repository')
    require(folder.is_dir(), f'{folder}: no such folder')
    groups: dict[str, list[str]] = {}
    for path in sorted(p for p in folder.rglob('*') if p.is_file()):
        name = path.relative_to(folder).as_posix()
        groups.setdefault('~' if name in LAST else name.rpartition('/')[0], []).append(name)

    def send(hub):
        api = hub.HfApi(endpoint=endpoint, token=token, library_name='saex')
        api.create_repo(repo, exist_ok=True, private=private)
        held = {f.path: f.lfs.sha256 if f.lfs else f.blob_id
                for f in api.list_repo_tree(repo, recursive=True) if hasattr(f, 'blob_id')}
        sent = []
        for group in sorted(groups):        # '~' sorts last
            new = [n for n in groups[group] if held.get(n) not in _digests(folder / n)]
            if new:
                api.create_commit(repo,
                                  [hub.CommitOperationAdd(n, folder / n) for n in new],
                                  commit_message=f'saex: {group.strip("~") or "index"}')
            sent += new
        return sent

    return _attempt(repo, endpoint, send)


def _digests(path: pathlib.Path) -> tuple[str, str]:
    """As the Hub names a file: sha256 of its bytes (LFS), sha1 of its git blob."""
    raw = path.read_bytes()
    blob = hashlib.sha1(b'blob %d\0' % len(raw) + raw, usedforsecurity=False)
    return hashlib.sha256(raw).hexdigest(), blob.hexdigest()


def _plain(name: str) -> str:
    """A name in which no character is a wildcard."""
    return re.sub(r'([*?[])', r'[\1]', name)


def _attempt(repo: str, endpoint: str | None, call):
    """call(huggingface_hub), its failures said in one line."""
    try:
        import huggingface_hub as hub
        from huggingface_hub import errors
    except ImportError as e:
        raise FormatError("the Hub needs: pip install 'saex[hub]'") from e
    at = f'{endpoint or hub.constants.ENDPOINT}/{repo}'
    try:
        return call(hub)
    except errors.GatedRepoError as e:
        raise FormatError(f'{repo}: gated; accept its terms at {at} and run `hf auth '
                          'login`, or '
                          'give a local path') from e
    except errors.RepositoryNotFoundError as e:
        raise FormatError(f'{repo}: no such repository at {at}, or it is private and needs '
                          '`hf auth login`; or give a local path') from e
    except errors.RevisionNotFoundError as e:
        raise FormatError(f'{repo}: no such revision') from e
    except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) as e:
        raise FormatError(f'{repo}: not in the cache, and the Hub cannot be reached; '
                          'connect once '
                          'or give a local path') from e
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError, ValueError) as e:
        raise FormatError(f'{repo}: {type(e).__name__}: {str(e).splitlines()[0]}') from e
