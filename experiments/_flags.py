"""--name=value flags of the commands in this folder."""
import sys

from saex.config import ConfigError, suggest


def parse(argv, usage, needed=(), known=()):
    """{name: value}. Raises ConfigError with every problem; prints usage for --help."""
    if '--help' in argv:
        print(usage)
        sys.exit(0)
    found, problems = {}, []
    for word in argv:
        name, eq, value = word.removeprefix('--').partition('=')
        if not word.startswith('--') or not eq or not value:
            problems.append(f'{word!r}: flags look like --name=value')
        elif name not in (*needed, *known):
            problems.append(f'--{name}: unknown flag; {suggest(name, (*needed, *known))}')
        else:
            found[name] = value
    problems += [f'--{name} is missing' for name in needed if name not in found]
    if problems:
        raise ConfigError([*problems, usage])
    return found


def run(main):
    """main(argv) as a command: user errors are one line each, exit code 2."""
    try:
        main(sys.argv[1:])
    except ConfigError as e:
        for problem in e.problems:
            print(f'error: {problem}', file=sys.stderr)
        sys.exit(2)
    except (ValueError, OSError) as e:
        print(f'error: {e}', file=sys.stderr)
        sys.exit(2)
