"""The command line: `python -m explorer`, also `nova-explorer`. Standard output holds the result alone."""

import argparse
import functools
import json
import os
import sys

from explorer.errors import HookError, WrongUse

# URLs that hold a password: in the environment no list of processes shows them.
TRANSPORT, DATABASE = 'NOVA_EXPLORER_TRANSPORT_URL', 'NOVA_EXPLORER_DATABASE_URL'


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise WrongUse(f'{message}; {self.prog} --help shows what there is')


def main(argv=None):
    """Run a command: 0 where it did its work, 1 where a check or the hook failed, 2 for wrong use, in one line."""
    if hasattr(sys.stdout, 'reconfigure'):
        sys.stdout.reconfigure(errors='backslashreplace')  # a terminal may lack a character
    try:
        arguments = _parser().parse_args(argv)
        code = int(arguments.run(arguments) or 0)
        sys.stdout.flush()
        return code
    except (WrongUse, HookError) as error:
        print(f'nova-explorer: {error}', file=sys.stderr)
        return 2 if isinstance(error, WrongUse) else 1
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print('nova-explorer: interrupted', file=sys.stderr)
        return 130


def _parser():
    parser = _Parser(prog='nova-explorer', description="Walk a live-migration request through OpenStack Nova's API.")
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    for run, options in _commands().items():
        command = commands.add_parser(run.__name__.strip('_'), help=run.__doc__, description=run.__doc__, allow_abbrev=False)
        command.set_defaults(run=run)
        for name, more in options.items():
            command.add_argument(name, **more)
    return parser


def _commands():
    """List the commands and what each takes: {function: {argument: as add_argument has it}}."""
    flag = {'action': 'store_true'}
    return {
        _trace: {
            'server': {'nargs': '?', 'default': 'web-1', 'metavar': 'SERVER'},
            '--host': {'metavar': 'H', 'help': 'where to; left out, the scheduler chooses'},
            '--block-migrate': {**flag, 'help': 'take the disks along'},
            '--force': {**flag, 'help': 'do not ask the scheduler about the host; 2.30 to 2.67'},
            '--microversion': {'metavar': 'V', 'help': 'such as 2.34; by default the client negotiates'},
            '--as': {'dest': 'caller', 'default': 'admin', 'metavar': 'CALLER'},
            '--engine': {'default': 'miniature', 'metavar': 'miniature|recorded|nova'},
            '--json': {**flag, 'help': 'print the trace as JSON'}},
        _conform: {
            'cases': {'metavar': 'CASES.json'},
            '--level': {'choices': ('status', 'message', 'rpc', 'full'), 'default': 'rpc'},
            '--inside-only': {**flag, 'help': 'leave out the cases that are marked outside_path'},
            '--engine': {'default': 'miniature', 'metavar': 'miniature|nova'},
            '--answers': {'metavar': 'OUT.json', 'help': 'write every answer there'}},
        _record: {
            '--check': {**flag, 'help': 'write nothing, and tell what is no longer as it was recorded'},
            '--cases': {'nargs': 2, 'metavar': ('IN', 'OUT'), 'help': 'answer every case of IN anew, and write them to OUT'}},
        _history: {
            'station': {'nargs': '?', 'metavar': 'STATION',
                        'help': 'its key, or its dotted name in Nova; left out, what people ask first'}},
        _beside: {
            'key': {'metavar': 'KEY', 'help': 'an exploration'},
            '--engine': {'default': 'recorded', 'choices': ('recorded', 'nova')}},
        _serve: {
            '--host': {'default': '127.0.0.1'},
            '--port': {'type': _port, 'default': 8774, 'help': '0 picks one'},
            '--transport-url': {
                'type': _url, 'default': os.environ.get(TRANSPORT, 'memory://'), 'metavar': 'URL',
                'help': f'the bus; rabbit://USER:PASSWORD@HOST:PORT/, or @FILE, or in {TRANSPORT}, where no list of processes shows the '
                        'password'},
            '--database-url': {
                'type': _url, 'default': os.environ.get(DATABASE), 'metavar': 'URL',
                'help': f'by default a database that goes with the process; also @FILE, or in {DATABASE}'}},
        _conductor: {
            option: {'type': _url, 'default': os.environ.get(variable), 'required': variable not in os.environ, 'metavar': 'URL',
                     'help': f'that of the API; also @FILE, or in {variable}'}
            for option, variable in (('--transport-url', TRANSPORT), ('--database-url', DATABASE))},
        _export: {
            'key': {'metavar': 'KEY', 'help': 'an exploration: client, service, routes, controller, compute-api, conductor-api, rpc'},
            'file': {'metavar': 'FILE.html'}},
        _guide: {'--check': {**flag, 'help': 'say whether INSTRUCTOR.md is up to date'}},
        _overlay: {'folder': {'metavar': 'FOLDER', 'help': 'with the files of progress of a class'}},
        _diagrams: {'--check': {**flag, 'help': 'name the files that are not up to date'}},
        _bench: {'--json': flag}}


def _port(text):
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f'{text!r} is no port; give 0 to 65535')
    return int(text)


def _url(text):
    if not text.startswith('@'):
        return text
    try:
        with open(text[1:], encoding='utf-8') as file:
            return file.readline().strip()
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f'{text[1:]!r} cannot be read: {getattr(error, "strerror", error)}; give a file with the URL') from error


def _trace(arguments):
    """send a request and tell its way, step by step"""
    from explorer.engines.running import run
    from explorer.explorations import Scenario
    from explorer.views.pages import tell
    trace = run(Scenario(
        server=arguments.server, host=arguments.host, block_migrate=arguments.block_migrate, force=arguments.force,
        microversion=arguments.microversion, caller=arguments.caller), engine=arguments.engine)
    print(trace.to_json() if arguments.json else tell(trace))


def _conform(arguments):
    """compare our answers with recordings of the real Nova"""
    from explorer.commands.conform import conform
    lines, agree = conform(arguments.cases, arguments.level, inside_only=arguments.inside_only,
                           engine=arguments.engine, answers=arguments.answers)
    print('\n'.join(lines))
    return not agree


def _record(arguments):
    """let the real Nova answer anew all that is recorded of it"""
    from explorer.commands.conform import record_cases
    from explorer.engines import recordings
    from explorer.engines.running import run
    from explorer.views.reasons import badges_of
    real = functools.partial(run, engine='nova')
    if arguments.cases and arguments.check:
        raise WrongUse('--check writes nothing, and --cases writes a file; give one of them')
    if arguments.check:
        lines = recordings.stale(real)
        print('\n'.join(lines) or 'all recordings are as the real Nova answers today')
        return bool(lines)
    print('\n'.join(record_cases(*arguments.cases) if arguments.cases else
                    recordings.record(real, functools.partial(badges_of, run))))


def _history(arguments):
    """tell the past of a station, from Liberty to today"""
    from explorer.views.history import answers, history, known_names
    if arguments.station:
        print(history(arguments.station))
    else:
        print('\n'.join(f'{question} {answer}' for question, answer in answers()))
        print('\nThe past is known of:', ', '.join(key or name for name, key in known_names().items()))


def _beside(arguments):
    """lay a leg of the miniature beside the real Nova, station by station"""
    from explorer.engines.running import run
    from explorer.explorations import exploration
    from explorer.views.comparison import compare
    scenario = exploration(arguments.key).scenario
    whole = compare(run(scenario), run(scenario, engine=arguments.engine))
    print(f'{whole.words}\n\n{whole.leg(arguments.key)}')


def _serve(arguments):
    """serve the API, for the real nova and openstack commands"""
    from explorer.commands.serve import serve
    serve(arguments.host, arguments.port, arguments.transport_url, arguments.database_url)


def _conductor(arguments):
    """take the messages from a broker, in a process of its own"""
    from explorer.commands.serve import conduct
    conduct(arguments.transport_url, arguments.database_url)


def _export(arguments):
    """write the player of an exploration, beside its comparison, as one HTML file"""
    from explorer.engines.running import run
    from explorer.explorations import exploration
    from explorer.player.export import export, write
    row = exploration(arguments.key)
    other = run(row.versus) if row.versus else None
    write(export(run(row.scenario), row.key, other, _sheet(row.key)), arguments.file)
    print(arguments.file)


def _sheet(key):
    from explorer.teaching.cards import sheet
    from explorer.teaching.catalogue import QUESTIONS
    return sheet(QUESTIONS[key].tasks)


def _guide(arguments):
    """write INSTRUCTOR.md, the guide for teachers, anew"""
    from explorer.player.export import write
    from explorer.teaching.guide import GUIDE_FILE, guide
    text = guide()
    if arguments.check:
        same = GUIDE_FILE.is_file() and GUIDE_FILE.read_text(encoding='utf-8') == text
        print(f'{GUIDE_FILE.name} is up to date' if same else f'{GUIDE_FILE.name} is not up to date; run nova-explorer guide')
        return not same
    write(text, GUIDE_FILE)
    print(GUIDE_FILE.name)


def _overlay(arguments):
    """lay the answers of a class over each other"""
    from explorer.teaching.overlay import overlay
    print(overlay(arguments.folder))


def _diagrams(arguments):
    """draw the flowcharts in diagrams/"""
    from explorer.commands.diagrams import write_diagrams
    from explorer.engines.running import run
    names = write_diagrams(run(), check=arguments.check)
    if arguments.check:
        names = [f'{name} is not up to date; run nova-explorer diagrams' for name in names]
    print('\n'.join(names or ['all diagrams are up to date']))
    return arguments.check and bool(names)


def _bench(arguments):
    """measure what the hook, the bus and the start cost"""
    from explorer.commands.bench import bench
    rows = bench(_sheet)
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        bound = '' if row['bound'] is None else f'at most {row["bound"]}: {"yes" if row["value"] <= row["bound"] else "NO"}'
        print(f'{row["what"]:62} {row["value"]:10.3f} {row["unit"]:12} {bound}'.rstrip())


if __name__ == '__main__':
    sys.exit(main())
