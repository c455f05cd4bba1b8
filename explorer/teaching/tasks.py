"""What a task of the lesson is, and how an answer is judged: by runs, never by a list of answers.

A task holds claims; which of them is true is found out by sending requests and reading the traces. If the path changes, the
answer changes with it, or the task has none and says so.
"""

import dataclasses
import functools
import json
import traceback
from collections.abc import Callable, Mapping

from explorer.engines.running import run
from explorer.errors import LONGEST_REASON, WrongUse, shorten
from explorer.explorations import Scenario, bare, scenario_of_trace
from explorer.player import form
from explorer.trace import Trace

LETTERS = 'abcd'
# What a leg asks, in its order; a task is one of these by the beginning of its name.
PHASES = ('recall', 'predict', 'look', 'change', 'check', 'say')
HEADINGS = {
    'recall': 'From before', 'predict': 'Predict', 'look-text': 'Look: what does the text say?', 'look-happened': 'Look: what happened?',
    'look-purpose': 'Look: what is it for?', 'change': 'Change one thing', 'check': 'Check', 'say': 'Say it'}
KINDS = ('cast', 'call', 'none')
NUMBERS = {'none': '0', 'one': '1', 'two': '2', 'three': '3', 'four': '4', 'five': '5'}
LONGEST_ANSWER = 2000  # characters of a sentence
LARGEST_REQUEST = 400_000  # characters of a request that is handed in, as JSON


class BrokenPath(WrongUse):
    """The path raised where none of its own errors does: it has been edited."""


class BadAnswer(WrongUse):
    """An answer that can't be judged, for it is of the wrong kind."""


class NoAnswer(WrongUse):
    """A task that the path no longer answers: none of its claims holds, or two do."""


@functools.lru_cache(maxsize=128)
def _asked(text):
    return run(Scenario(**json.loads(text)))


def ask(scenario):
    """Run a scenario, once; give its trace.

    Raises: BrokenPath, if the path can't be run.
    """
    try:
        return _asked(json.dumps(dataclasses.asdict(scenario), sort_keys=True))
    except WrongUse:
        raise
    except (Exception, SystemExit) as error:  # whatever an edited path does, the lesson goes on
        raise BrokenPath(f'the path cannot be run: {raised(error)}; undo what was edited, and restart the kernel') from error


def raised(error):
    """Say in one line what was raised, whatever it is, and where in the path."""
    try:
        said = ' '.join(str(error).split())
    except Exception:  # of an answer that fights back
        said = ''
    frames = traceback.extract_tb(error.__traceback__)
    place = next((f' (pipeline.py, line {frame.lineno})' for frame in reversed(frames) if frame.filename.endswith('pipeline.py')), '')
    return f'{type(error).__name__}{": " if said else ""}{said[:LONGEST_REASON]}{place}'


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What is said to an answer: *right* is None where nothing was judged. True only if the answer is right."""

    right: bool | None
    says: str
    key: str = ''

    def __bool__(self):
        return self.right is True

    def __str__(self):
        return self.says

    __repr__ = __str__


@dataclasses.dataclass(frozen=True)
class Option:
    """A claim to choose.

    Shape: it holds if the task's fact equals *value*; *why* is what would make somebody pick it; *but* is said to who does, and may
    name facts in braces; *myth* is the key of MYTHS that it belongs to.
    """

    value: object
    text: str
    why: str
    but: str = ''
    myth: str = ''


@dataclasses.dataclass(frozen=True)
class Task:
    """Something to be answered.

    Shape: *key* is 'LEG.NAME'; *facts* runs what it needs and gives {name: value}, with the fact that decides as `answer`;
    *told* says what the runs show, and may name facts in braces; *hints* are three, from a nudge to nearly all.
    """

    key: str
    asks: str
    told: str
    facts: Callable[[Callable], Mapping]
    hints: tuple[str, ...] = ()

    how = ''  # what an answer looks like
    control = ''  # with what it is answered in a card: choice, parts, line, text, or nothing
    call_form = "lesson.answer({0.key!r}, '…')"
    options = ()
    explains_at_once = False  # what is right, to a wrong answer
    is_judged = True

    @property
    def leg(self):
        return self.key.partition('.')[0]

    @property
    def name(self):
        return self.key.partition('.')[2]

    @property
    def phase(self):
        return self.name.partition('-')[0]

    @property
    def is_before_a_run(self):
        return self.phase in ('predict', 'change')

    @property
    def heading(self):
        """Name the task for people."""
        return HEADINGS.get(self.name) or self.name.replace('-', ' ').capitalize()

    @property
    def call(self):
        """Write the call that answers it."""
        return self.call_form.format(self)

    def found(self):
        """Run what the task is about: {name: fact}.

        Raises: NoAnswer, if the traces no longer hold what it reads.
        """
        try:
            return self.facts(ask)
        except WrongUse:
            raise
        except (LookupError, TypeError, AttributeError, ValueError, StopIteration) as error:
            raise self._stale(f'a trace has not what it looks for ({type(error).__name__}: {error})') from error

    def asked(self):
        """Say what is asked."""
        return self.asks.format(**self.found())

    def in_short(self):
        """Write what is right in a few words."""
        return str(self.solution())

    def heap(self, answer):
        """Say with which other answers this one is counted; '' for none."""
        return ''

    def explained(self):
        """Say what the runs show."""
        return self.told.format(**self.found())

    def read(self, answer):
        """Bring an answer into the form in which it is kept, plain data.

        Raises: BadAnswer for what is no answer to such a task.
        """
        raise NotImplementedError

    def judge(self, answer):
        """Judge an answer that was read: (right or not, what is said to it first)."""
        raise NotImplementedError

    def solution(self):
        """Give an answer that is right, found by runs.

        Raises: NoAnswer, if there is none.
        """
        raise NotImplementedError

    def judged(self, answer, *, again=True):
        """Judge an answer: (Verdict, the answer as it is to be kept); that is None for what is none.

        Shape: *again* says that it is not the first; who looks wrongly for the first time is told where the thought goes wrong, and
        not yet what is right.
        """
        given = None
        try:
            if answer is None or answer is ...:
                return Verdict(None, f'{self.key} waits for an answer: {self.how}', self.key), None
            given = self.read(answer)
            right, says = self.judge(given)
            opening = {True: 'Right.', False: 'Not so.', None: 'Kept. One way to say it:'}[right]
            look_again = self.phase == 'look' and not again
            open_still = right is False and (look_again or not self.explains_at_once)
            told = _sentence(says), ('Look again.' if look_again else '') if open_still else self.explained()
            return Verdict(right, ' '.join(filter(None, (opening, *told))), self.key), given
        except (BrokenPath, NoAnswer) as error:  # that is not the fault of who answered
            return Verdict(None, str(error), self.key), given
        except WrongUse as error:
            return Verdict(None, str(error)), None
        except Exception as error:  # of an answer that fights back
            return Verdict(None, f'that cannot be judged: {raised(error)}'), None

    def _stale(self, why):
        return NoAnswer(f'{self.key} cannot be answered any more: {why}; the path has changed under it, so its claims need a look')


@dataclasses.dataclass(frozen=True)
class Choice(Task):
    """A question with three or four claims, of which the runs bear out one."""

    options: tuple[Option, ...] = ()

    control, explains_at_once, call_form = 'choice', True, "lesson.answer({0.key!r}, 'LETTER')"

    @property
    def how(self):
        return f'one of {", ".join(LETTERS[:len(self.options)])}'

    def holds(self):
        """Say of each claim whether the runs bear it out."""
        fact = self.found()['answer']
        return tuple(option.value == fact for option in self.options)

    def right(self):
        """Give the letter of the claim that holds."""
        held = self.holds()
        if held.count(True) != 1:
            raise self._stale(f'{held.count(True)} of its claims hold, for the runs say {shorten(self.found()["answer"])}')
        return LETTERS[held.index(True)]

    def read(self, answer):
        letter = answer.strip().strip('().').lower() if isinstance(answer, str) else answer
        if not isinstance(letter, str) or len(letter) != 1 or letter not in LETTERS[:len(self.options)]:
            raise BadAnswer(f'{shorten(answer)} is none of the options; answer with {self.how}')
        return letter

    def judge(self, answer):
        option = self.options[LETTERS.index(answer)]
        return answer == self.right(), option.but.format(**self.found())

    def heap(self, answer):
        return answer

    solution = right


@dataclasses.dataclass(frozen=True)
class Diagnosis(Choice):
    """A run without a label: the claim that holds is the one whose own run leaves the same traces.

    Shape: the value of an option is a Scenario; *facts* gives what is seen of the *patient* as `answer`.
    """

    patient: Scenario = Scenario()
    seen: Callable[[Trace], object] = None

    def holds(self):
        fact = self.seen(ask(self.patient))
        return tuple(self.seen(ask(option.value)) == fact for option in self.options)


@dataclasses.dataclass(frozen=True)
class Word(Task):
    """A question that is answered with a word or a number, read off the trace."""

    how, control = 'a word or a number', 'line'

    def read(self, answer):
        if isinstance(answer, bool) or not isinstance(answer, str | int) or not (text := str(answer).strip().strip('"\'`')):
            raise BadAnswer(f'{shorten(answer)} is no word and no number; answer with one, as it stands in the player')
        return text[:LONGEST_ANSWER]

    def judge(self, answer):
        return NUMBERS.get(answer.lower(), answer.lower()) == self.solution().lower(), ''

    def solution(self):
        return str(self.found()['answer'])


@dataclasses.dataclass(frozen=True)
class Build(Task):
    """A request to be made: the answer is a Scenario, and is judged by running it.

    Shape: *lacks* says what is still missing in a trace, '' for nothing; *tries* are scenarios among which there is a solution.
    """

    lacks: Callable[[Trace, Callable], str] = None
    tries: tuple[Scenario, ...] = ()

    how = "a Scenario(...), a command line such as 'nova live-migration web-1', or a player in which you sent it"
    call_form = 'lesson.check({0.leg!r}, Scenario(…))'

    def read(self, answer):
        answer = getattr(answer, 'trace', answer)  # of a player
        if isinstance(answer, Trace):
            answer = scenario_of_trace(answer)
        if isinstance(answer, str):
            answer = form.parsed(answer)
        if isinstance(answer, Mapping):
            try:
                answer = Scenario(**answer)
            except TypeError as error:
                raise BadAnswer(f'no scenario: {error}; see the docstring of Scenario') from error
        if type(answer) is not Scenario:
            raise BadAnswer(f'{shorten(answer)} is no request; answer with {self.how}')
        try:
            plain = dataclasses.asdict(answer)
            size = len(json.dumps(plain))
        except (TypeError, ValueError, RecursionError) as error:
            raise BadAnswer(f'that request is no plain data: {raised(error)}; answer with {self.how}') from error
        if size > LARGEST_REQUEST:
            raise BadAnswer(f'that request is enormous; one below {LARGEST_REQUEST:,} characters shows the same')
        return plain

    def judge(self, answer):
        trace = ask(Scenario(**answer))
        missing = self.lacks(trace, ask)
        return not missing, missing

    def solution(self):
        for scenario in self.tries:
            if not self.lacks(ask(scenario), ask):
                return scenario
        raise self._stale('none of the requests that were its solution is one')

    def in_short(self):
        return f'for example `{written(self.solution())}`'

    def found(self):
        return {**super().found(), 'solution': written(self.solution())}


@dataclasses.dataclass(frozen=True)
class Foretell(Task):
    """Given command, caller and cloud: which status, what on the bus, which state? All three have to be right."""

    scenario: Scenario = Scenario()

    how = "status=..., message='cast', 'call' or 'none', task_state='...' or 'none'"
    control, explains_at_once, call_form = 'parts', True, 'lesson.answer({0.key!r}, status=…, message=…, task_state=…)'

    def read(self, answer):
        parts = ('status', 'message', 'task_state')
        if not isinstance(answer, Mapping) or set(answer) != set(parts):
            raise BadAnswer(f'three things are asked for; answer with {self.how}')
        status, message, state = (str(answer[part]).strip().strip('"\'').lower() for part in parts)
        if not (status.isascii() and status.isdigit() and len(status) < 4) or message not in KINDS or not 0 < len(state) < 60:
            raise BadAnswer(f'{shorten(dict(answer))} does not say that; answer with {self.how}')
        return {'status': int(status), 'message': message, 'task_state': state}

    def judge(self, answer):
        true = self.solution()
        wrong = [f'{name.replace("_", " ")} is not {answer[name]}' for name in true if answer[name] != true[name]]
        return not wrong, '; '.join(wrong)

    def solution(self):
        return ends(ask(self.scenario))

    def in_short(self):
        return ', '.join(f'{name.replace("_", " ")} {value}' for name, value in self.solution().items())

    def heap(self, answer):
        return ', '.join(map(str, answer.values()))

    def found(self):
        return {**super().found(), **self.solution()}


@dataclasses.dataclass(frozen=True)
class Sentence(Task):
    """A sentence of one's own; nothing is judged, and a model is shown beside it."""

    how, control, is_judged = 'a sentence of your own', 'text', False

    def read(self, answer):
        if not isinstance(answer, str) or len(answer.split()) < 3:
            raise BadAnswer(f'{shorten(answer)} is no sentence; write three words or more')
        return ' '.join(answer.split())[:LONGEST_ANSWER]

    def judge(self, answer):
        return None, ''

    def solution(self):
        return self.explained()

    def in_short(self):
        return ''


@dataclasses.dataclass(frozen=True)
class Questions:
    """What the lesson asks about a leg, and what a teacher does in it.

    Shape: *goal*, what the leg is for; *ask*, what to ask aloud; *board*, what to draw; *show*, what to show in the player.
    """

    leg: str
    minutes: int
    goal: str
    ask: str
    board: str
    show: str
    tasks: tuple[Task, ...]


def _sentence(text):
    return text and f'{text[0].upper()}{text[1:]}{"" if text.endswith((".", "?")) else "."}'


def ends(trace):
    """Say how a run ends, as Foretell asks for it."""
    kinds = {message['kind'] for message in trace.messages}
    return {'status': trace.response['status'] if trace.response else 0, 'message': ' and '.join(sorted(kinds)) or 'none',
            'task_state': trace.outcome['task_state_after'] or 'none'}


def written(scenario):
    """Write a scenario as one would in a cell: only what is not as usual."""
    given = {name: value for name, value in vars(scenario).items() if value != getattr(Scenario(), name)}
    sent = given.get('request') or {}
    for body in (sent.get('body'), sent.get('raw_body')):
        more = {name: value for name, value in given.items() if name != 'request'}
        if body is not None and scenario == bare(body, **more):
            return f'bare({", ".join([_literal(body), *_named(more)])})'
    return f'Scenario({", ".join(_named(given))})'


def _named(given):
    return [f'{name}={value!r}' for name, value in given.items()]


def _literal(body):
    repeated = isinstance(body, str) and len(body) > 80 and len(set(body)) == 1
    return f'{body[0]!r} * {len(body):_}' if repeated else repr(body)
