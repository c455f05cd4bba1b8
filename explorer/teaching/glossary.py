"""The words of the lesson: {term: what it means}. The notebook lists them, and explains them where you point at one."""

import re
from collections.abc import Mapping
from html import escape

WORDS: Mapping[str, str] = {
    'action': 'A request that changes a server, sent by POST to its path with the name of the action in the body.',
    'API node': "The machine that runs Nova's API service, which receives the requests of clients.",
    'block migration': 'A live migration that also copies the disks of the server.',
    'broker': 'The program that keeps and passes on the messages of the bus; usually RabbitMQ.',
    'bus': 'The queues through which the services of Nova send each other messages.',
    'call': 'A message whose sender waits for an answer.',
    'cast': 'A message whose sender does not wait for an answer.',
    'cell': 'A part of the cloud with a database and a bus of its own.',
    'conductor': 'The service that does the slow work for the API: here, it starts the migration.',
    'driver': 'The part of oslo.messaging that speaks to one kind of broker.',
    'guard': 'A decorator that can reject the request before the method behind it runs.',
    'host': 'A machine that servers run on.',
    'leg': "One of the seven parts of the request's path, from the command line to the bus.",
    'live migration': 'Moving a server to another host while it runs.',
    'microversion': 'The version of the API, such as 2.34, whose rules apply to a request.',
    'miniature': 'The small Nova of this project, which answers in this process.',
    'payload': 'What a function holds: its arguments and its local variables.',
    'Placement': 'The service that keeps account of what each host has free.',
    'policy': 'The rules that say who may do what: by default, an administrator may migrate every server, and a '
              'manager only those of their own project.',
    'project': 'What servers and users belong to; also called a tenant.',
    'request spec': 'What was asked for when the server was created; the scheduler reads it.',
    'scheduler': 'The service that chooses a host.',
    'scheduler hint': 'The field of the message that carries the host given to the conductor.',
    'server': 'A virtual machine; in the code it is an instance.',
    'share': 'A file system that is attached to a server.',
    'station': 'A function on the path of a request; each visit to it is recorded.',
    'step': 'One visit to a station. The steps of a request are numbered from 1.',
    'task state': 'What is being done to a server right now, such as migrating; None if nothing is.',
    'trace': 'Everything that was recorded of one request.',
    'vm state': 'Whether a server is active, stopped, paused, and so on.',
}
# Words that everybody knows in their usual sense need no explanation at each place.
_COMMON = 'action', 'bus', 'driver', 'host', 'leg', 'project', 'server', 'step'
_TERM = re.compile(rf'\b({"|".join(sorted(set(WORDS) - set(_COMMON), key=len, reverse=True))})(?=s?\b)')


def anchor(term: str) -> str:
    """Return the name under which the notebook's list of words has a term."""
    return term.lower().replace(' ', '-')


def explained(html: str) -> str:
    """Explain each term where it first occurs in a piece of HTML; names of the code stay as they are."""
    seen: set[str] = set()

    def explain(found: re.Match[str]) -> str:
        if found[0] in seen:
            return found[0]
        seen.add(found[0])
        return f'<abbr title="{escape(WORDS[found[0]])}">{found[0]}</abbr>'

    pieces = re.split('(<code>.*?</code>|<[^>]*>)', html, flags=re.DOTALL)
    return ''.join(piece if number % 2 else _TERM.sub(explain, piece) for number, piece in enumerate(pieces))
