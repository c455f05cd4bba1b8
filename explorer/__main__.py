"""The command line, `python -m explorer` or `nova-explorer`. Only results go to standard output."""

import argparse
import functools
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeAlias, TypedDict

from explorer.errors import HookError, WrongUse

# URLs may contain a password. An environment variable keeps it out of process lists.
TRANSPORT, DATABASE = 'NOVA_EXPLORER_TRANSPORT_URL', 'NOVA_EXPLORER_DATABASE_URL'


Command: TypeAlias = Callable[[argparse.Namespace], object]


class _Option(TypedDict, total=False):
    action: str
    choices: Sequence[str]
    default: str | int | None
    dest: str
    help: str
    metavar: str | tuple[str, ...]
    nargs: str | int
    required: bool
    type: Callable[[str], str | int]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise WrongUse(f'{message}; see {self.prog} --help')


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    Returns: 0 for success; 1 if a check or the hook failed; 2 for misuse, with one line on standard error; 130 if
    interrupted.
    """
    if hasattr(sys.stdout, 'reconfigure'):
        sys.stdout.reconfigure(errors='backslashreplace')  # a terminal may be unable to show a character
    try:
        arguments = _parser().parse_args(argv)
        code = int(arguments.run(arguments) or 0)
        sys.stdout.flush()
        return code
    except (WrongUse, HookError) as error:
        print(f'nova-explorer: {error}', file=sys.stderr)
        return 2 if isinstance(error, WrongUse) else 1
    except BrokenPipeError:  # the reader closed the pipe early, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print('nova-explorer: interrupted', file=sys.stderr)
        return 130


def _parser() -> _Parser:
    parser = _Parser(prog='nova-explorer', description="Follow a live-migration request through OpenStack Nova's API.")
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    for run, options in _commands().items():
        command = commands.add_parser(
            run.__name__.strip('_'), help=run.__doc__, description=run.__doc__, allow_abbrev=False)
        command.set_defaults(run=run)
        for name, more in options.items():
            command.add_argument(name, **more)
    return parser


def _commands() -> dict[Command, dict[str, _Option]]:
    """Return the commands and their arguments: {function: {name of an argument: keywords of add_argument}}."""
    flag: _Option = {'action': 'store_true'}
    return {
        _trace: {
            'server': {'nargs': '?', 'default': 'web-1', 'metavar': 'SERVER', 'help': 'name or UUID; by default web-1'},
            '--host': {'metavar': 'H', 'help': 'target host; by default the scheduler chooses one'},
            '--block-migrate': {**flag, 'help': 'migrate the local disks as well'},
            '--force': {**flag, 'help': 'do not ask the scheduler about the host; microversions 2.30 to 2.67'},
            '--microversion': {'metavar': 'V', 'help': 'for example 2.34; by default the client negotiates it'},
            '--as': {'dest': 'caller', 'default': 'admin', 'metavar': 'CALLER',
                     'help': 'who sends the request: admin (the default), manager, member, reader, ...'},
            '--engine': {'default': 'miniature', 'metavar': 'miniature|recorded|nova', 'help': 'which Nova responds'},
            '--json': {**flag, 'help': 'print the trace as JSON'},
            '--step': {'type': int, 'metavar': 'N', 'help': 'print only step N, with its code and its values'},
            '--whole': {**flag, 'help': 'with --step: print every value of the step in full'}},
        _conform: {
            'cases': {'metavar': 'CASES.json', 'help': 'file of recorded cases'},
            '--level': {'choices': ('status', 'message', 'rpc', 'full'), 'default': 'rpc',
                        'help': 'what to compare; each level includes the ones before it'},
            '--inside-only': {**flag, 'help': 'leave out the cases marked outside_path'},
            '--engine': {'default': 'miniature', 'metavar': 'miniature|nova', 'help': 'which Nova responds'},
            '--answers': {'metavar': 'OUT.json', 'help': 'write every response to this file'}},
        _record: {
            '--check': {**flag, 'help': 'write nothing; print what has changed since the recording'},
            '--cases': {'nargs': 2, 'metavar': ('IN', 'OUT'),
                        'help': 'record every case of IN again and write the result to OUT'}},
        _history: {
            'station': {'nargs': '?', 'metavar': 'STATION',
                        'help': 'its key, or its dotted name in Nova; by default, answer common questions'}},
        _beside: {
            'key': {'metavar': 'KEY', 'help': 'the key of an exploration'},
            '--engine': {'default': 'recorded', 'choices': ('recorded', 'nova'),
                         'help': 'use the recordings of the real Nova (the default) or run it live'}},
        _serve: {
            '--host': {'default': '127.0.0.1', 'help': 'address to listen on; by default 127.0.0.1'},
            '--port': {'type': _port, 'default': 8774, 'help': 'port; by default 8774; 0 for a free one'},
            '--transport-url': {
                'type': _url, 'default': os.environ.get(TRANSPORT, 'memory://'), 'metavar': 'URL',
                'help': 'URL of the bus, such as rabbit://USER:PASSWORD@HOST:PORT/, or @FILE for a file that holds it; '
                        f'by default the URL in {TRANSPORT}, which keeps its password out of process lists; '
                        'without either, the bus is in memory'},
            '--database-url': {
                'type': _url, 'default': os.environ.get(DATABASE), 'metavar': 'URL',
                'help': f'URL of the database, or @FILE; by default the URL in {DATABASE}; without either, the '
                        'database is temporary'}},
        _conductor: {
            option: {'type': _url, 'default': os.environ.get(variable), 'required': variable not in os.environ,
                     'metavar': 'URL', 'help': f'the same as for serve, or @FILE; by default the URL in {variable}'}
            for option, variable in (('--transport-url', TRANSPORT), ('--database-url', DATABASE))},
        _export: {
            'key': {'metavar': 'KEY',
                    'help': 'the key of an exploration: client, service, routes, controller, compute-api, '
                            'conductor-api or rpc'},
            'file': {'metavar': 'FILE.html', 'help': 'file to write'}},
        _guide: {'--check': {**flag, 'help': 'write nothing; print whether INSTRUCTOR.md is up to date'}},
        _overlay: {'folder': {'metavar': 'FOLDER', 'help': "folder with a class's progress files"}},
        _diagrams: {'--check': {**flag, 'help': 'write nothing; list the files that are not up to date'}},
        _bench: {'--json': {**flag, 'help': 'print the measurements as JSON'}}}


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f'{text!r} is not a port; use a number from 0 to 65535')
    return int(text)


def _url(text: str) -> str:
    if not text.startswith('@'):
        return text
    try:
        with open(text[1:], encoding='utf-8') as file:
            return file.readline().strip()
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(
            f'{text[1:]!r} cannot be read: {getattr(error, "strerror", error)}; name a file with the URL') from error


def _trace(arguments: argparse.Namespace) -> None:
    """send a request and print its steps"""
    from explorer.engines.running import run
    from explorer.explorations import Scenario
    from explorer.views.lanes import arrival
    from explorer.views.pages import moment_text, step_numbered, tell
    if arguments.whole and arguments.step is None:
        raise WrongUse('--whole prints the values of one step; name it with --step N')
    if arguments.json and arguments.step is not None:
        raise WrongUse('--json prints the whole trace and --step one step; use only one of them')
    trace = run(Scenario(
        server=arguments.server, host=arguments.host, block_migrate=arguments.block_migrate, force=arguments.force,
        microversion=arguments.microversion, caller=arguments.caller), engine=arguments.engine)
    if arguments.step is None:
        print(trace.to_json() if arguments.json else tell(trace))
        return
    step, moment = arrival(trace, step_numbered(trace, arguments.step).index)
    print(moment_text(trace, trace.steps[step], moment, whole=arguments.whole))


def _conform(arguments: argparse.Namespace) -> bool:
    """compare an engine with recorded responses of the real Nova"""
    from explorer.commands.conform import conform
    lines, agree = conform(arguments.cases, arguments.level, inside_only=arguments.inside_only,
                           engine=arguments.engine, answers=arguments.answers)
    print('\n'.join(lines))
    return not agree


def _record(arguments: argparse.Namespace) -> bool:
    """record the responses of the real Nova again"""
    from explorer.commands.conform import record_cases
    from explorer.engines import recordings
    from explorer.engines.running import run
    from explorer.views.reasons import badges_of
    real = functools.partial(run, engine='nova')
    if arguments.cases and arguments.check:
        raise WrongUse('--check writes nothing and --cases writes a file; use only one of them')
    if arguments.check:
        lines = recordings.stale(real)
        print('\n'.join(lines) or 'all recordings match what the real Nova answers today')
        return bool(lines)
    print('\n'.join(record_cases(*arguments.cases) if arguments.cases else
                    recordings.record(real, functools.partial(badges_of, run))))
    return False


def _history(arguments: argparse.Namespace) -> None:
    """show how a station has changed, from Liberty to today"""
    from explorer.views.history import answers, history, known_names
    if arguments.station:
        print(history(arguments.station))
    else:
        print('\n'.join(f'{question} {answer}' for question, answer in answers()))
        print('\nStations with a known history:', ', '.join(key or name for name, key in known_names().items()))


def _beside(arguments: argparse.Namespace) -> None:
    """compare a leg in the miniature with the same leg in the real Nova, station by station"""
    from explorer.engines.running import run
    from explorer.explorations import exploration
    from explorer.views.comparison import compare
    scenario = exploration(arguments.key).scenario
    whole = compare(run(scenario), run(scenario, engine=arguments.engine))
    print(f'{whole.words}\n\n{whole.leg(arguments.key)}')


def _serve(arguments: argparse.Namespace) -> None:
    """serve the API for the real nova and openstack commands"""
    from explorer.commands.serve import serve
    serve(arguments.host, arguments.port, arguments.transport_url, arguments.database_url)


def _conductor(arguments: argparse.Namespace) -> None:
    """run the conductor as a separate process that takes messages from a broker"""
    from explorer.commands.serve import conduct
    conduct(arguments.transport_url, arguments.database_url)


def _export(arguments: argparse.Namespace) -> None:
    """write the handout of an exploration, its questions and its player, as one HTML file"""
    from explorer.engines.running import run
    from explorer.explorations import exploration
    from explorer.player.export import export, write
    row = exploration(arguments.key)
    other = run(row.versus) if row.versus else None
    write(export(run(row.scenario), row.key, other, _sheet(row.key)), arguments.file)
    print(arguments.file)


def _sheet(key: str) -> str:
    from explorer.teaching.catalogue import QUESTIONS
    from explorer.teaching.handout import sheet
    return sheet(QUESTIONS[key].tasks)


def _guide(arguments: argparse.Namespace) -> bool:
    """write INSTRUCTOR.md, the guide for instructors"""
    from explorer.player.export import write
    from explorer.teaching.guide import GUIDE_FILE, guide
    text = guide()
    if arguments.check:
        same = GUIDE_FILE.is_file() and GUIDE_FILE.read_text(encoding='utf-8') == text
        print(f'{GUIDE_FILE.name} is up to date' if same else
              f'{GUIDE_FILE.name} is not up to date; run nova-explorer guide')
        return not same
    write(text, GUIDE_FILE)
    print(GUIDE_FILE.name)
    return False


def _overlay(arguments: argparse.Namespace) -> None:
    """summarize a class's answers"""
    from explorer.teaching.overlay import overlay
    print(overlay(arguments.folder))


def _diagrams(arguments: argparse.Namespace) -> bool:
    """draw the flowcharts in diagrams/"""
    from explorer.commands.diagrams import write_diagrams
    from explorer.engines.running import run
    from explorer.explorations import exploration
    names = write_diagrams(run(), run(exploration('controller').versus), check=arguments.check)
    if arguments.check:
        names = [f'{name} is not up to date; run nova-explorer diagrams' for name in names]
    print('\n'.join(names or ['all diagrams are up to date']))
    return arguments.check and bool(names)


def _bench(arguments: argparse.Namespace) -> None:
    """measure the cost of the hook, the bus and startup"""
    from explorer.commands.bench import bench
    rows = bench(_sheet)
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        bound = ('' if row['bound'] is None else
                 f'at most {row["bound"]}: {"yes" if row["value"] <= row["bound"] else "NO"}')
        print(f'{row["what"]:62} {row["value"]:10.3f} {row["unit"]:12} {bound}'.rstrip())


if __name__ == '__main__':
    sys.exit(main())
