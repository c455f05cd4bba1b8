"""The lesson: what is asked, what was answered, how far one is. All of it by calls; cards.py makes widgets of them.

    lesson = Lesson()
    lesson.ask('client.predict')             # the question
    lesson.answer('client.predict', 'b')     # an answer; what the runs say to it
    lesson.check('client', Scenario(...))    # the task of a leg
    lesson.hint('client.check'), lesson.solution('client.check'), lesson.progress(), lesson.reset()
"""

import dataclasses
import weakref

from explorer.errors import WrongUse, shorten
from explorer.explorations import Scenario, exploration
from explorer.teaching.cards import Card, Sheet, Whereabouts
from explorer.teaching.catalogue import QUESTIONS, TASKS, myths, tasks_at, the_task
from explorer.teaching.facts import journey
from explorer.teaching.judging import judged
from explorer.teaching.progress import ProgressFile
from explorer.teaching.questions.closing import CLOSING
from explorer.teaching.tasks import PHASES, Diagnosis, Verdict, ask, raised


class Lesson:
    """A walk through the tasks, with answers that are kept in a file beside the notebook.

    Shape: *path* names that file; else the variable NOVA_EXPLORER_PROGRESS does, or it is in the working folder.
    """

    def __init__(self, path=None):
        self.keeper, self._cards = ProgressFile(path), weakref.WeakSet()

    # ---------------------------------------------------------------------------------------------- ask and answer

    def ask(self, key):
        """Show a task, or several: a widget to answer with, and the same as text.

        Returns: a Card.
        """
        try:
            card = Card(self, tuple(task.key for task in tasks_at(key)))
        except WrongUse as error:
            return Verdict(None, str(error))
        self._cards.add(card)
        return card

    def answer(self, key, answer=..., /, **parts):
        """Answer a task: judge it, keep it, and say what the runs say. Wrong use is told, never raised, and not kept.

        Returns: a Verdict.
        """
        before = self.kept().answers.get(str(key), ()) if isinstance(key, str) else ()
        verdict, given = judged(key, parts or answer, again=bool(before))
        if given is None:
            return self._with_notices(verdict)
        key, notices = str(key), _notices(TASKS[key], self.kept())
        self.keeper.change(lambda progress: progress.answered(key, given, verdict.right))
        self._refresh(key)
        return self._with_notices(verdict, *notices)

    def predict(self, leg, choice=...):
        """Answer the prediction of a leg."""
        return self.answer(f'{leg}.predict', choice)

    def check(self, leg, answer=...):
        """Answer the task of a leg; true only if it is right."""
        return self.answer(f'{leg}.check', answer)

    def say(self, leg, sentence=...):
        """Keep a sentence of one's own; a model one is shown beside it."""
        return self.answer(f'{leg}.say', sentence)

    def hint(self, key):
        """Give the next hint of a task; there are three where there is something to find out."""
        return self._told(self._hint, key)

    def solution(self, key):
        """Give a solution, once the hints are used up, or the task is done."""
        return self._told(self._solution, key)

    # --------------------------------------------------------------------------------------------------- how far

    def kept(self):
        """Give what is kept: a Progress."""
        return self.keeper.read()

    def progress(self):
        """Say how far one is: leg by leg."""
        return Sheet(*progress_rows(self.kept()), self.keeper.told())

    def reset(self):
        """Forget all answers; the file is kept under another name."""
        line = self.keeper.reset()
        self._refresh(*TASKS)
        return Verdict(None, line)

    def journey(self):
        """Show the whole journey: where the order is, and what it looks like there."""
        try:
            return Sheet(*journey(ask(Scenario())))
        except (WrongUse, LookupError, TypeError, AttributeError) as error:  # of a path that was edited
            return Verdict(None, f'the journey cannot be shown: {raised(error)}')

    def myths(self):
        """List what people get wrong, and the task in which a run settles it."""
        done = self.kept().done
        return Sheet(('what people believe', 'settled in', 'you'), [
            (belief, task.key, 'done' if done(task.key) else 'open') for belief, task in myths().values()])

    def here(self, leg):
        """Say where on the path a leg is, and how long it takes."""
        try:
            return Whereabouts(exploration(leg), self.kept())
        except WrongUse as error:
            return Verdict(None, str(error))

    def patient(self, number):
        """Give the trace of a run without its label, to be looked at in a player: `Player(lesson.patient(1), 'rpc')`.

        Raises: WrongUse for a number that there is none of.
        """
        found = TASKS.get(f'{CLOSING}.diagnose-{number}')
        if not isinstance(found, Diagnosis):
            count = sum(isinstance(task, Diagnosis) for task in TASKS.values())
            raise WrongUse(f'no run {shorten(number)} to be diagnosed; there are 1 to {count}')
        unlabelled = dataclasses.replace(found.patient, caller='admin', state={}, conductor_reply=None, race=None)
        return dataclasses.replace(ask(found.patient), scenario=dataclasses.asdict(unlabelled))

    # ------------------------------------------------------------------------------------------------ of its own

    def _hint(self, task):
        taken = self.kept().hints.get(task.key, 0)
        if not task.hints:
            return f'{task.key} has no hints: choose what you think, and see what the runs say'
        if taken >= len(task.hints):
            return f'these were all {len(task.hints)}; lesson.solution({task.key!r}) shows a way'
        hint = task.hints[taken].format(**task.found())
        self.keeper.change(lambda progress: progress.hinted(task.key))
        self._refresh(task.key)
        return f'Hint {taken + 1} of {len(task.hints)}: {hint}'

    def _solution(self, task):
        progress = self.kept()
        left = len(task.hints) - progress.hints.get(task.key, 0)
        if not task.hints and not progress.answers.get(task.key):
            return f'{task.key} is answered first, and explained then: {task.how}'
        if left > 0 and not progress.done(task.key):
            return f'there {"is" if left == 1 else "are"} {left} hint{"s" * (left > 1)} left: lesson.hint({task.key!r})'
        return task.explained()

    def _told(self, what, key):
        try:
            return self._with_notices(Verdict(None, what(the_task(key)), key))
        except WrongUse as error:
            return Verdict(None, str(error))

    def _with_notices(self, verdict, *notices):
        return dataclasses.replace(verdict, says='\n'.join(filter(None, (verdict.says, *notices, self.keeper.told()))))

    def _refresh(self, *keys):
        for card in tuple(self._cards):
            if set(keys) & set(card.tasks):
                card.refresh()


def _notices(task, progress):
    """Say what is worth knowing about the moment of an answer: that it is not the first, or comes before the prediction."""
    given, predict = progress.answers.get(task.key), f'{task.leg}.predict'
    if given and task.options:
        return (f'(Your first answer, {given[0]["answer"]}, stays on record.)',)
    early = task.phase not in ('recall', 'predict') and predict in TASKS and predict not in progress.answers
    return (f'(You have not predicted yet: lesson.ask({predict!r}).)',) if early else ()


# ----------------------------------------------------------------------------------------------------- how far one is


def progress_rows(progress):
    """Say of each leg which of its tasks are done: (head, rows)."""
    rows = []
    for leg, questions in QUESTIONS.items():
        marks = [_mark([task for task in questions.tasks if task.phase == phase], progress) for phase in PHASES]
        rows.append((f'{exploration(leg).number}. {leg}', *marks))
    rest = [task for task in TASKS.values() if task.leg == CLOSING]
    rows.append((CLOSING, *[''] * (len(PHASES) - 1), _mark(rest, progress)))
    return ('leg', *PHASES), rows


def _mark(tasks, progress):
    if not tasks:
        return ''
    done = sum(progress.done(task.key) for task in tasks)
    tried = any(task.key in progress.answers for task in tasks)
    return 'done' if done == len(tasks) else f'{done} of {len(tasks)}' if len(tasks) > 1 and tried else 'tried' if tried else 'open'
