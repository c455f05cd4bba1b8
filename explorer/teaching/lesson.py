"""Run the lesson through calls: ask, answer, report progress. The widgets in cards.py use the same calls.

    lesson = Lesson()
    lesson.ask('client.predict')             # shows the question
    lesson.answer('client.predict', 'b')     # returns the verdict
    lesson.check('client', Scenario(...))    # answers the "check" task of a leg
    lesson.hint('client.check'), lesson.solution('client.check'), lesson.progress(), lesson.reset()
"""

import dataclasses
import os
import weakref
from collections.abc import Callable
from typing import TypeVar

from explorer.errors import WrongUse, shorten
from explorer.explorations import Scenario, exploration
from explorer.teaching.cards import Card
from explorer.teaching.catalogue import TASKS, myths, tasks_at, the_task
from explorer.teaching.facts import journey
from explorer.teaching.judging import judged
from explorer.teaching.progress import Progress, ProgressFile
from explorer.teaching.questions.closing import CLOSING
from explorer.teaching.strip import Strip
from explorer.teaching.tables import Sheet
from explorer.teaching.tasks import Diagnosis, Task, Verdict, ask, raised
from explorer.trace import Trace
from explorer.views.animation import Animation

_Live = TypeVar('_Live', Card, Strip)


class Lesson:
    """The tasks of the lesson, with the answers kept in a file next to the notebook.

    Shape: *path* names that file; if it is None, the variable NOVA_EXPLORER_PROGRESS does; if that is not set either,
    the file is in the working folder.
    Raises: WrongUse for anything that is not a path.
    """

    _cards: 'weakref.WeakSet[Card | Strip]'

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.keeper, self._cards = ProgressFile(path), weakref.WeakSet()

    # ---------------------------------------------------------------------------------------------- ask and answer

    def ask(self, key: object) -> Card | Verdict:
        """Show one or more tasks as a card: a widget in which to answer, or text where widgets are not available.

        Returns: a Card, or a Verdict that names the keys if *key* is unknown.
        """
        try:
            return self._live(Card(self, tuple(task.key for task in tasks_at(key))))
        except WrongUse as error:
            return Verdict(None, str(error))

    def answer(self, key: object, answer: object = ..., /, **parts: object) -> Verdict:
        """Judge an answer to a task, and keep it.

        Returns: a Verdict; it reports an unknown task or an unreadable answer, which is not kept, instead of raising.
        """
        before = self.kept().answers.get(str(key), ()) if isinstance(key, str) else ()
        verdict, given = judged(key, parts or answer, again=bool(before))
        if given is None:
            return self._with_notices(verdict)
        key, notices = str(key), _notices(TASKS[key], self.kept())
        self.keeper.change(lambda progress: progress.answered(key, given, verdict.right))
        self._refresh(key)
        return self._with_notices(verdict, *notices)

    def predict(self, leg: object, choice: object = ...) -> Verdict:
        """Answer the "predict" task of a leg."""
        return self.answer(f'{leg}.predict', choice)

    def check(self, leg: object, answer: object = ...) -> Verdict:
        """Answer the "check" task of a leg; the verdict is true only if the answer is right."""
        return self.answer(f'{leg}.check', answer)

    def say(self, leg: object, sentence: object = ...) -> Verdict:
        """Keep your sentence about a leg, and show a model sentence."""
        return self.answer(f'{leg}.say', sentence)

    def hint(self, key: object) -> Verdict:
        """Show the next hint for a task; tasks with something to find out have three hints, the others none."""
        return self._told(self._hint, key)

    def solution(self, key: object) -> Verdict:
        """Show a solution, once all hints are taken or the task is done."""
        return self._told(self._solution, key)

    # --------------------------------------------------------------------------------------------------- how far

    def kept(self) -> Progress:
        """Return the answers and hints that are kept."""
        return self.keeper.read()

    def progress(self) -> Strip:
        """Report the progress, leg by leg; it follows further answers."""
        return self._live(Strip(self.keeper))

    def reset(self) -> Verdict:
        """Forget all answers; the old file is kept under another name."""
        line = self.keeper.reset()
        self._refresh(*TASKS)
        return Verdict(None, line)

    def journey(self) -> Sheet | Verdict:
        """Show the whole journey: where the request is in each leg, and what it looks like there."""
        try:
            return Sheet(*journey(ask(Scenario())))
        except (WrongUse, LookupError, TypeError, AttributeError) as error:  # the path was edited
            return Verdict(None, f'the journey cannot be shown: {raised(error)}')

    def myths(self) -> Sheet:
        """List common misconceptions, each with the task that clears it up."""
        done = self.kept().done
        return Sheet(('what people believe', 'settled in', 'you'), [
            (belief, task.key, 'done' if done(task.key) else 'open') for belief, task in myths().values()])

    def here(self, leg: object) -> Strip | Verdict:
        """Show where on the way a leg is, how long it takes, and the progress."""
        try:
            return self._live(Strip(self.keeper, exploration(leg).key))
        except WrongUse as error:
            return Verdict(None, str(error))

    def opening(self) -> Animation | Verdict:
        """Show the way of the usual request as a picture that moves when you press its button."""
        try:
            return Animation(ask(Scenario()))
        except WrongUse as error:
            return Verdict(None, str(error))

    def patient(self, number: object) -> Trace:
        """Return an unlabelled trace to examine in a player: `Player(lesson.patient(1), 'rpc')`.

        Raises: WrongUse for a number without a trace.
        """
        found = TASKS.get(f'{CLOSING}.diagnose-{number}')
        if not isinstance(found, Diagnosis):
            count = sum(isinstance(task, Diagnosis) for task in TASKS.values())
            raise WrongUse(f'there is no trace {shorten(number)} to diagnose; choose 1 to {count}')
        unlabelled = dataclasses.replace(found.patient, caller='admin', state={}, conductor_reply=None, race=None)
        return dataclasses.replace(ask(found.patient), scenario=dataclasses.asdict(unlabelled))

    # ------------------------------------------------------------------------------------------------ internals

    def _live(self, widget: _Live) -> _Live:
        """Refresh a widget whenever an answer concerns it."""
        self._cards.add(widget)
        return widget

    def _hint(self, task: Task) -> str:
        taken = self.kept().hints.get(task.key, 0)
        if not task.hints:
            return f'{task.key} has no hints; answer it, and the trace shows what is right'
        if taken >= len(task.hints):
            return f'you have taken all {len(task.hints)} hints; lesson.solution({task.key!r}) shows a solution'
        hint = task.hints[taken].format(**task.found())
        self.keeper.change(lambda progress: progress.hinted(task.key))
        self._refresh(task.key)
        return f'Hint {taken + 1} of {len(task.hints)}: {hint}'

    def _solution(self, task: Task) -> str:
        progress = self.kept()
        left = len(task.hints) - progress.hints.get(task.key, 0)
        if not task.hints and not progress.answers.get(task.key):
            return f'{task.key} is explained once you have answered it; answer with {task.how}'
        if left > 0 and not progress.done(task.key):
            return f'take the remaining hints first ({left}): lesson.hint({task.key!r})'
        return task.explained()

    def _told(self, what: Callable[[Task], str], key: object) -> Verdict:
        try:
            return self._with_notices(Verdict(None, what(the_task(key)), the_task(key).key))
        except WrongUse as error:
            return Verdict(None, str(error))

    def _with_notices(self, verdict: Verdict, *notices: str) -> Verdict:
        return dataclasses.replace(verdict, says='\n'.join(filter(None, (verdict.says, *notices, self.keeper.told()))))

    def _refresh(self, *keys: str) -> None:
        for card in tuple(self._cards):
            if set(keys) & set(card.tasks):
                card.refresh()


def _notices(task: Task, progress: Progress) -> tuple[str, ...]:
    """Return notices for the next answer: that it is not the first one, or that the prediction is still missing."""
    given, predict = progress.answers.get(task.key), f'{task.leg}.predict'
    if given and task.options:
        return (f'(Your first answer, {given[0]["answer"]}, stays on record.)',)
    early = task.phase not in ('recall', 'predict') and predict in TASKS and predict not in progress.answers
    return (f'(You have not predicted yet: lesson.ask({predict!r}).)',) if early else ()
