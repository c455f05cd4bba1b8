"""Define the tasks of the lesson, and judge answers by running scenarios.

A task holds claims. No right answer is stored: sending requests and reading their traces shows which claim is true.
If the path changes, the right answer changes with it, or the task reports that no claim holds.
"""

import abc
import dataclasses
import functools
import json
import traceback
from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from explorer.engines.recordings import Run
from explorer.engines.running import run
from explorer.errors import LONGEST_REASON, WrongUse, shorten
from explorer.explorations import Scenario, bare, scenario_of_trace
from explorer.payloads import Plain, Value
from explorer.player import form
from explorer.trace import Trace

Ask: TypeAlias = Run  # as ask() does
Facts: TypeAlias = Mapping[str, object]  # what the traces show, by name; `answer` is the fact that decides
Answer: TypeAlias = Value  # an answer as it is kept: plain data in the form that the task's read() returns
Ending: TypeAlias = dict[str, int | str]  # status, message, task_state

LETTERS = 'abcd'
# The phases of a leg, in order; the name of a task begins with its phase.
PHASES = ('recall', 'predict', 'look', 'change', 'check', 'say')
HEADINGS = {
    'recall': 'From before', 'predict': 'Predict', 'look-text': 'Look: what does the text say?',
    'look-happened': 'Look: what happened?', 'look-purpose': 'Look: what is it for?', 'change': 'Change one thing',
    'check': 'Check', 'say': 'Say it'}
KINDS = ('cast', 'call', 'none')
NUMBERS = {'none': '0', 'one': '1', 'two': '2', 'three': '3', 'four': '4', 'five': '5'}
LONGEST_ANSWER = 2000  # characters of a sentence
LARGEST_REQUEST = 400_000  # characters of a submitted request as JSON


class BrokenPath(WrongUse):
    """The path raised something other than its own errors, because somebody has edited it."""


class BadAnswer(WrongUse):
    """The answer has the wrong type or form and cannot be judged."""


class NoAnswer(WrongUse):
    """The path no longer decides this task: no claim holds, or more than one does."""


@functools.lru_cache(maxsize=128)
def _asked(text: str) -> Trace:
    return run(Scenario(**json.loads(text)))


def ask(scenario: Scenario) -> Trace:
    """Return the trace of a scenario, which is run only the first time.

    Raises: BrokenPath if the path cannot be run.
    """
    try:
        return _asked(json.dumps(dataclasses.asdict(scenario), sort_keys=True))
    except WrongUse:
        raise
    except (Exception, SystemExit) as error:  # whatever an edited path does, the lesson continues
        raise BrokenPath(f'the path cannot be run: {raised(error)}; undo your edits and restart the kernel') from error


def raised(error: BaseException) -> str:
    """Describe any error in one line: its class, its message, and the line of pipeline.py that raised it."""
    try:
        said = ' '.join(str(error).split())
    except Exception:  # the error holds an answer whose own methods raise
        said = ''
    frames = traceback.extract_tb(error.__traceback__)
    place = next((f' (pipeline.py, line {frame.lineno})' for frame in reversed(frames)
                  if frame.filename.endswith('pipeline.py')), '')
    return f'{type(error).__name__}{": " if said else ""}{said[:LONGEST_REASON]}{place}'


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The reply to an answer; true only if the answer is right.

    Shape: *right* is None if nothing was judged; *says* is the text that people read; *key* is the key of the task, ''
    if there is none.
    """

    right: bool | None
    says: str
    key: str = ''

    def __bool__(self) -> bool:
        return self.right is True

    def __str__(self) -> str:
        return self.says

    __repr__ = __str__


@dataclasses.dataclass(frozen=True)
class Option:
    """A claim that a learner can choose.

    Shape: the claim holds if the task's fact `answer` equals *value*; *why* is the reason to pick it; *but* is the
    feedback for picking it wrongly, and may name facts in braces; *myth* is the key in MYTHS of the belief behind it,
    '' if there is none.
    """

    value: object
    text: str
    why: str
    but: str = ''
    myth: str = ''


@dataclasses.dataclass(frozen=True)
class Task(abc.ABC):
    """Something that the lesson asks.

    Shape: *key* is 'LEG.NAME'; *asks* is the question, *told* what the traces show, and both may name facts in braces;
    *facts* runs the scenarios that it needs and returns {name: value}, where `answer` is the fact that decides; *hints*
    has three, from a nudge to nearly the solution, or none; *options* are the claims of a Choice, none for other tasks.
    """

    key: str
    asks: str
    told: str
    facts: Callable[[Ask], Facts]
    hints: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()

    control = ''  # the control in a card: choice, parts, line, text, or '' for none
    call_form = "lesson.answer({0.key!r}, '…')"
    explains_at_once = False  # whether a wrong answer is followed by the explanation
    is_judged = True

    @property
    @abc.abstractmethod
    def how(self) -> str:
        """What an answer looks like."""

    @property
    def leg(self) -> str:
        return self.key.partition('.')[0]

    @property
    def name(self) -> str:
        return self.key.partition('.')[2]

    @property
    def phase(self) -> str:
        return self.name.partition('-')[0]

    @property
    def is_before_a_run(self) -> bool:
        return self.phase in ('predict', 'change')

    @property
    def heading(self) -> str:
        """The heading of the task, for people to read."""
        return HEADINGS.get(self.name) or self.name.replace('-', ' ').capitalize()

    @property
    def call(self) -> str:
        """The call that answers it, as code."""
        return self.call_form.format(self)

    def found(self) -> Facts:
        """Run the task's scenarios, and return its facts.

        Raises: NoAnswer if the traces no longer hold what the task reads.
        """
        try:
            return self.facts(ask)
        except WrongUse:
            raise
        except (LookupError, TypeError, AttributeError, ValueError, StopIteration) as error:
            raise self._stale(f'a trace lacks what the task reads ({type(error).__name__}: {error})') from error

    def asked(self) -> str:
        """Return the question."""
        return self.asks.format(**self.found())

    def in_short(self) -> str:
        """Return the right answer in a few words."""
        return str(self.solution())

    def heap(self, answer: Answer) -> str:
        """Return the label under which an overlay counts this answer, '' if it is not counted."""
        return ''

    def explained(self) -> str:
        """Return the explanation: what the traces show."""
        return self.told.format(**self.found())

    @abc.abstractmethod
    def read(self, answer: object) -> Answer:
        """Return an answer in the form in which it is kept: plain data.

        Raises: BadAnswer for anything that is not a valid answer to such a task.
        """

    @abc.abstractmethod
    def judge(self, answer: Answer) -> tuple[bool | None, str]:
        """Judge an answer in the form that `read` returns.

        Returns: (whether it is right, None if the task is not judged; the first part of the feedback).
        """

    @abc.abstractmethod
    def solution(self) -> str | Scenario | Ending:
        """Return a right answer, found by running scenarios.

        Raises: NoAnswer if there is none.
        """

    def judged(self, answer: object, *, again: bool = True) -> tuple[Verdict, Answer]:
        """Read and judge an answer.

        Shape: *again* is False for the first answer to the task. After a first wrong answer to a "look" question, the
        verdict explains what is wrong with it but does not reveal the right one.
        Returns: (verdict; the answer in the form to keep, or None if it cannot be read).
        """
        given = None
        try:
            if answer is None or answer is ...:
                return Verdict(None, f'{self.key} is waiting for an answer: {self.how}', self.key), None
            given = self.read(answer)
            right, says = self.judge(given)
            opening = {True: 'Right.', False: 'Not so.', None: 'Kept. One way to say it:'}[right]
            look_again = self.phase == 'look' and not again
            open_still = right is False and (look_again or not self.explains_at_once)
            told = _sentence(says), ('Look again.' if look_again else '') if open_still else self.explained()
            return Verdict(right, ' '.join(filter(None, (opening, *told))), self.key), given
        except (BrokenPath, NoAnswer) as error:  # not the fault of the answer
            return Verdict(None, str(error), self.key), given
        except WrongUse as error:
            return Verdict(None, str(error)), None
        except Exception as error:  # the answer's own methods may raise anything
            return Verdict(None, f'that answer cannot be judged: {raised(error)}'), None

    def _stale(self, why: str) -> NoAnswer:
        return NoAnswer(f'{self.key} cannot be answered any more: {why}; the path has changed, so revise the task')


@dataclasses.dataclass(frozen=True)
class Choice(Task):
    """A question with three or four claims, one of which the traces confirm."""

    control, explains_at_once, call_form = 'choice', True, "lesson.answer({0.key!r}, 'LETTER')"

    @property
    def how(self) -> str:
        return f'one of {", ".join(LETTERS[:len(self.options)])}'

    def holds(self) -> tuple[bool, ...]:
        """Report for each claim whether the traces confirm it."""
        fact = self.found()['answer']
        return tuple(option.value == fact for option in self.options)

    def right(self) -> str:
        """Return the letter of the claim that holds.

        Raises: NoAnswer if no claim holds, or more than one does.
        """
        held = self.holds()
        if held.count(True) != 1:
            shown = shorten(self.found()['answer'])
            raise self._stale(f'{held.count(True)} of its claims hold, because the traces show {shown}')
        return LETTERS[held.index(True)]

    def read(self, answer: object) -> str:
        letter = answer.strip().strip('().').lower() if isinstance(answer, str) else answer
        if not isinstance(letter, str) or len(letter) != 1 or letter not in LETTERS[:len(self.options)]:
            raise BadAnswer(f'{shorten(answer)} is not one of the options; answer with {self.how}')
        return letter

    def judge(self, answer: str) -> tuple[bool, str]:
        option = self.options[LETTERS.index(answer)]
        return answer == self.right(), option.but.format(**self.found())

    def heap(self, answer: str) -> str:
        return answer

    solution = right


@dataclasses.dataclass(frozen=True)
class Diagnosis(Choice):
    """An unlabelled trace: the claim that holds is the one whose scenario produces the same symptoms.

    Shape: *patient* is the scenario to diagnose; *seen* returns the symptoms in a trace; the value of each option is a
    Scenario.
    """

    patient: Scenario = dataclasses.field(kw_only=True)
    seen: Callable[[Trace], object] = dataclasses.field(kw_only=True)

    def holds(self) -> tuple[bool, ...]:
        fact = self.seen(ask(self.patient))
        return tuple(self.seen(ask(cast(Scenario, option.value))) == fact for option in self.options)


@dataclasses.dataclass(frozen=True)
class Word(Task):
    """A question answered with a word or a number that the trace shows."""

    how, control = 'a word or a number', 'line'

    def read(self, answer: object) -> str:
        is_readable = isinstance(answer, str | int) and not isinstance(answer, bool)
        if not is_readable or not (text := str(answer).strip().strip('"\'`')):
            raise BadAnswer(f'{shorten(answer)} is not a word or a number; answer with one, as the player shows it')
        return text[:LONGEST_ANSWER]

    def judge(self, answer: str) -> tuple[bool, str]:
        return NUMBERS.get(answer.lower(), answer.lower()) == self.solution().lower(), ''

    def solution(self) -> str:
        return str(self.found()['answer'])


@dataclasses.dataclass(frozen=True)
class Build(Task):
    """A request to build: the answer is a Scenario, which is judged by running it.

    Shape: *lacks* returns what a trace still lacks, '' for nothing; *tries* are scenarios, at least one of them a
    solution.
    """

    lacks: Callable[[Trace, Ask], str] = dataclasses.field(kw_only=True)
    tries: tuple[Scenario, ...] = ()

    how = "a Scenario(...), a command line such as 'nova live-migration web-1', or the player in which you sent it"
    call_form = 'lesson.check({0.leg!r}, Scenario(…))'

    def read(self, answer: object) -> Plain:
        answer = getattr(answer, 'trace', answer)  # a player has one
        if isinstance(answer, Trace):
            answer = scenario_of_trace(answer)
        if isinstance(answer, str):
            answer = form.parsed(answer)
        if isinstance(answer, Mapping):
            try:
                answer = Scenario(**answer)
            except TypeError as error:
                raise BadAnswer(f'that is not a scenario: {error}; see the docstring of Scenario') from error
        if type(answer) is not Scenario:
            raise BadAnswer(f'{shorten(answer)} is not a request; answer with {self.how}')
        try:
            plain = dataclasses.asdict(answer)
            size = len(json.dumps(plain))
        except (TypeError, ValueError, RecursionError) as error:
            raise BadAnswer(f'that request is not plain data: {raised(error)}; answer with {self.how}') from error
        if size > LARGEST_REQUEST:
            raise BadAnswer(f'that request is too large; use one below {LARGEST_REQUEST:,} characters')
        return plain

    def judge(self, answer: Plain) -> tuple[bool, str]:
        trace = ask(Scenario(**answer))
        missing = self.lacks(trace, ask)
        return not missing, missing

    def solution(self) -> Scenario:
        for scenario in self.tries:
            if not self.lacks(ask(scenario), ask):
                return scenario
        raise self._stale('none of its solutions works')

    def in_short(self) -> str:
        return f'for example `{written(self.solution())}`'

    def found(self) -> Facts:
        return {**super().found(), 'solution': written(self.solution())}


@dataclasses.dataclass(frozen=True)
class Foretell(Task):
    """A case to predict: which status, what on the bus, which task state? All three must be right."""

    scenario: Scenario = dataclasses.field(kw_only=True)

    how = "status=..., message='cast', 'call' or 'none', task_state='...' or 'none'"
    call_form = 'lesson.answer({0.key!r}, status=…, message=…, task_state=…)'
    control, explains_at_once = 'parts', True

    def read(self, answer: object) -> Ending:
        parts = ('status', 'message', 'task_state')
        if not isinstance(answer, Mapping) or set(answer) != set(parts):
            raise BadAnswer(f'this task needs three parts; answer with {self.how}')
        status, message, state = (str(answer[part]).strip().strip('"\'').lower() for part in parts)
        is_number = status.isascii() and status.isdigit() and len(status) < 4
        if not is_number or message not in KINDS or not 0 < len(state) < 60:
            raise BadAnswer(f'{shorten(dict(answer))} cannot be read; answer with {self.how}')
        return {'status': int(status), 'message': message, 'task_state': state}

    def judge(self, answer: Ending) -> tuple[bool, str]:
        true = self.solution()
        wrong = [f'{name.replace("_", " ")} is not {answer[name]}' for name in true if answer[name] != true[name]]
        return not wrong, '; '.join(wrong)

    def solution(self) -> Ending:
        return ends(ask(self.scenario))

    def in_short(self) -> str:
        return ', '.join(f'{name.replace("_", " ")} {value}' for name, value in self.solution().items())

    def heap(self, answer: Ending) -> str:
        return ', '.join(map(str, answer.values()))

    def found(self) -> Facts:
        return {**super().found(), **self.solution()}


@dataclasses.dataclass(frozen=True)
class Sentence(Task):
    """A sentence to write; it is not judged, but shown next to a model sentence."""

    how, control, is_judged = 'a sentence of your own', 'text', False

    def read(self, answer: object) -> str:
        if not isinstance(answer, str) or len(answer.split()) < 3:
            raise BadAnswer(f'{shorten(answer)} is not a sentence; write three words or more')
        return ' '.join(answer.split())[:LONGEST_ANSWER]

    def judge(self, answer: str) -> tuple[None, str]:
        return None, ''

    def solution(self) -> str:
        return self.explained()

    def in_short(self) -> str:
        return ''


@dataclasses.dataclass(frozen=True)
class Questions:
    """The tasks of a leg, and the notes for its teacher.

    Shape: *goal* is what the leg is for; *ask*, what to ask aloud; *board*, what to draw; *show*, what to show in the
    player.
    """

    leg: str
    minutes: int
    goal: str
    ask: str
    board: str
    show: str
    tasks: tuple[Task, ...]


def _sentence(text: str) -> str:
    return text and f'{text[0].upper()}{text[1:]}{"" if text.endswith((".", "?")) else "."}'


def ends(trace: Trace) -> Ending:
    """Return how a request ended, in the three parts that Foretell asks for."""
    kinds = {message['kind'] for message in trace.messages}
    return {
        'status': trace.response['status'] if trace.response else 0, 'message': ' and '.join(sorted(kinds)) or 'none',
        'task_state': (trace.outcome or {})['task_state_after'] or 'none'}


def written(scenario: Scenario) -> str:
    """Write a scenario as code for a cell, without the fields that have their default values."""
    given = {name: value for name, value in vars(scenario).items() if value != getattr(Scenario(), name)}
    sent = given.get('request') or {}
    for body in (sent.get('body'), sent.get('raw_body')):
        more = {name: value for name, value in given.items() if name != 'request'}
        if body is not None and scenario == bare(body, **more):
            return f'bare({", ".join([_literal(body), *_named(more)])})'
    return f'Scenario({", ".join(_named(given))})'


def _named(given: Plain) -> list[str]:
    return [f'{name}={value!r}' for name, value in given.items()]


def _literal(body: Value) -> str:
    repeated = isinstance(body, str) and len(body) > 80 and len(set(body)) == 1
    return f'{body[0]!r} * {len(body):_}' if repeated else repr(body)
