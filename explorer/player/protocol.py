r"""The protocol between Python and the browser: all that the player and the lesson's cards exchange, as types.

Python makes everything that is shown; the browser owns only the position. Values are plain data, as in JSON; a tuple
becomes an array. Three channels carry them: *traits* (state that both sides hold), *messages* (from the browser;
Python replies by changing traits) and *data attributes* in the HTML that Python sends.

The player (widget.py, content.py, frame.py and form.py here; player.js in the browser)
---------------------------------------------------------------------------------------

Traits: `PlayerTraits`. Python sets all of them. The browser sets only `run`, `at` and `moment`, and only to a run
that is shown and a step that this run has. Python undoes everything else that the browser sets: `Player.set_state`
keeps its own value and sends it back. An invalid `at` is replaced by the start of the run.

A position is a *moment*: the entry or the return of a step. Steps are numbered from 1 where people read them; here
they are indices, from 0.

`content` is one `Content`. What is shared is stored once:

* `page` is the HTML frame of the player. In it, \x01 stands for a prefix that the browser chooses, because ids must
  differ between two players in one document.
* `folds` has the longer fragments of code and payloads, each once. There, and in a fold, `\x02N;` stands for
  `folds[N]`. No value can contain \x02 itself, because the views escape control characters.
* `runs` has one run, or two to be compared: A, then B. Each has the fragments that depend on the run (`facts`, `more`,
  `map`, `flowchart`), its `steps` in the order of their indices, and its `moments` in the order of the walk.
* `fields` and `differs` have a column for each run; an index of a step is always an index into the `steps` of that run.

`form` is a `FormTrait`: the controls of the request, in the order in which they are laid out. The exported page has no
`form`. Its content has two more keys, `style` and `script`: player.css, and player.js with what starts it. If it has
two runs, there are `alone` and, in the first run, another `alone`: the `page` and the `map` of that run by itself. From
them the page makes the content of one run, at which it opens; it answers `compare` with both, and `close` with one.

`message` is one line: what went wrong with the last message, or what is being done; '' if there is nothing to report.

Messages: `PlayerMessage`. `compare` runs the scenario that the exploration suggests and shows both; `before` shows the
previous run next to this one; `beside` shows the real Nova next to the miniature; `close` ends a comparison and returns
to the moment where it began; `edit` asks for a form that agrees with the control that was changed; `send` runs the
request in the form. Each of them clears `message` first. A message of another shape, or a `before` without a previous
run, is ignored. If the values do not match the form, or anything else fails, the error becomes the `message` and the
content stays.

Data attributes that player.js looks for, in `page`:

* `data-part` names an element that it fills or reads: caption, count, crumbs, every, facts, fields, find, form, found,
  journey, legend, menu, message, more, now, tip, view and words, and each button by its action. A page without a
  kernel has no change and form.
* `data-pane` names the four panes: map, flowchart, source, payload.
* `data-action` on a button: first, previous, next, last, over, out, play, swap, change and send are handled in the
  browser (`send` submits the form); any other is sent as a message of that kind. The module itself adds back, after a
  link was followed.
* `name` on the controls of the form is the `name` of a `FormField`.

In the fragments: `data-station` on each box of a flowchart and each bar of a map; `data-bar` (a step), `data-x` and
`data-to` (columns) on a bar, `data-bar` and `data-leg` on a leg; `data-goto`, `data-run` and perhaps
`data-moment` on a link to a moment of a run; `data-field` on a name in a payload that belongs to a field with another
name; `data-whole` on a text that was shortened, which a click replaces. In the breadcrumb, the module itself sets
`data-crumb` (a step). Some classes are part of the contract as well: `asked` (in `facts`), `beside` and `alike` (the
table in `more` and its rows), `raised`, `yes` and `no` (in the code), `cursor` and `mark` (in a map).

player.js writes to its outermost element, for the style sheet and the tests: `data-explorer="player"`,
`data-exploration` (key), `data-run`, `data-step`, `data-moment`, `data-steps` (their number), `data-node`, and
`data-unsent` while the form differs from the request that was sent. The bar of the current step has
`aria-current="step"`.

The cards (explorer/teaching: cards.py; card.js in the browser)
----------------------------------------------------------------

Traits: `CardTraits`. Python sets all of them; whatever the browser sets is undone. `html` is the whole card, `title`
its accessible name, `said` the line that a screen reader speaks. Python sets `said` to '' first, so that a repeated
line is spoken again.

Messages: `CardMessage`. `answer` has what the form of a task holds; `hint` asks for the next hint, `solution`
for the solution. A message of another shape, or about a task that is not on this card, is ignored; if an answer
cannot be judged, `html` and `said` explain why.

Data attributes that card.js looks for: `data-task` (key) on the form of a task; `data-action` on a button (hint,
solution); `data-name` on a `details` that stays open when `html` changes. A link to `#KEY@step` is followed by the
player of that leg. card.js writes `data-explorer="card"` to its outermost element.

The presenter (presenter.py; presenter.js): `bar` and `notes` are HTML, `title` is text. Python sets them, the browser
sends nothing, and `notes` goes only into the teacher's window.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, TypedDict

# ------------------------------------------------------------------------------------------------ the player's traits

Control: TypeAlias = Literal['text', 'checkbox', 'select', 'area', 'hidden']
Given: TypeAlias = tuple[str, str, str]  # how a field is set on the command line: option, type, value
Made: TypeAlias = tuple[int, str, int | None]  # the first moment that holds a value, and the line that made it
# Node, dotted path, type, value; then for each run the indices of the steps that hold the field in this form; then for
# each run where the value came from.
FieldRow: TypeAlias = tuple[str, str, str, str, *tuple[list[int] | Made | None, ...]]
DifferRow: TypeAlias = tuple[int | None, int | None, str]  # index in A, index in B, HTML of what differs


class StepContent(TypedDict):
    """A step; its index is its place in the list. Each pair is for its entry and its return."""

    station: str  # key of `stations`
    node: str  # key of `nodes`
    refused: bool  # whether the request was rejected here
    up: int | None  # the step that called this one or sent the request to it
    head: str  # HTML, with folds: which function this is
    tells: tuple[str, str]  # HTML: one sentence
    code: str  # HTML, with folds: the function, and what ran of it; what ran is hidden at the entry
    payload: tuple[str, str]  # HTML, with folds: what came in, and what changed


class RunContent(TypedDict):
    """A trace as the player shows it."""

    asked: str  # HTML: the request and its response
    caption: str  # text: engine, version, microversion, response
    start: tuple[int, str]  # the moment to begin at: index of a step, 'entry' or 'return'
    moments: list[int]  # the step of each moment; of a step, the first moment is its entry, the second its return
    story: list[int]  # where the leg's story stops: places in `moments`
    legs: dict[str, int]  # key of an exploration: index of its first step in focus
    steps: list[StepContent]
    given: dict[str, Given]  # key of a field of the command line
    facts: str  # HTML for the header: the request and its response, of two runs if there are two
    words: str  # HTML: how the two runs compare, or ''
    more: str  # HTML: the comparison in full, or ''
    map: str  # SVG
    flowchart: str  # SVG of the leg's functions, or text where Graphviz is missing


class Content(TypedDict):
    """What the player shows of an exploration."""

    key: str  # of the exploration
    title: str
    follow: str  # name of the field that is followed at first
    start: tuple[int, str]  # the moment to begin at, in the first run
    page: str
    nodes: Mapping[str, str]  # key: name that is shown
    stations: dict[str, str]  # key: name
    folds: list[str]
    runs: list[RunContent]  # one or two
    fields: dict[str, list[FieldRow]]  # name of a field: a row for each name, type and value on a node
    differs: list[DifferRow] | None  # a row for each step of the comparison; None for one run


class FormField(TypedDict):
    """A control of the form."""

    name: str  # key of FormValues
    label: str
    kind: Control
    value: str | bool  # a checkbox has a bool
    options: Sequence[tuple[str, str]]  # what a select offers, or a text suggests: a value, and what it means or ''
    group: str  # heading, or '' for a hidden one


class FormTrait(TypedDict):
    """The controls of the form."""

    fields: Sequence[FormField]


class PlayerTraits(TypedDict):
    """The state that Python and player.js share."""

    message: str  # one line
    content: Content
    form: FormTrait
    run: int  # index into the runs of the content
    at: int  # index of the current step, in the steps of that run
    moment: str  # 'entry' or 'return'


# ---------------------------------------------------------------------------------------------- the player's messages


class FormValues(TypedDict):
    """What the form holds, by the name of the control."""

    command: str  # the command line, '' if the client cannot send this
    block_migrate: bool
    force: bool
    host: str
    microversion: str
    caller: str
    vm_state: str
    task_state: str
    locked_by: str
    launched: bool
    request_spec: bool
    share: bool
    trouble: str  # name of what goes wrong on the way
    line: str  # method and path
    headers: str  # lines of Name: value
    body: str
    rest: str  # JSON: the parts of the scenario that no control shows


class CompareMessage(TypedDict):
    """Compare this run with the one that the exploration suggests."""

    kind: Literal['compare']


class BeforeMessage(TypedDict):
    """Compare this run with the one before it."""

    kind: Literal['before']


class BesideMessage(TypedDict):
    """Compare the miniature with the real Nova."""

    kind: Literal['beside']


class CloseMessage(TypedDict):
    """End the comparison, and return to the run and the moment where it began."""

    kind: Literal['close']


class EditMessage(TypedDict):
    """Bring the form into agreement with the control that was changed."""

    kind: Literal['edit']
    values: FormValues
    edited: str  # name of that control


class SendMessage(TypedDict):
    """Run the request in the form."""

    kind: Literal['send']
    values: FormValues
    edited: str  # name of the control that is being edited, '' for none


PlayerMessage: TypeAlias = CompareMessage | BeforeMessage | BesideMessage | CloseMessage | EditMessage | SendMessage

# ------------------------------------------------------------------------------------- the cards' traits and messages


class CardTraits(TypedDict):
    """The state of a card that Python shares with card.js."""

    html: str
    title: str  # text
    said: str  # text


class CardAnswer(TypedDict):
    """Answer a task."""

    kind: Literal['answer']
    task: str  # key
    values: dict[str, str]  # {'answer': text or letter}, or the parts {'status', 'message', 'task_state'}


class CardHint(TypedDict):
    """Ask for the next hint of a task."""

    kind: Literal['hint']
    task: str


class CardSolution(TypedDict):
    """Ask for the solution of a task."""

    kind: Literal['solution']
    task: str


CardMessage: TypeAlias = CardAnswer | CardHint | CardSolution
