"""Follow a live-migration request through Nova's API."""

import importlib

_HOMES = {
    'Scenario': 'explorations', 'EXPLORATIONS': 'explorations', 'bare': 'explorations', 'STATIONS': 'stations',
    'Trace': 'trace',
    'run': 'engines.running', 'boot': 'engines.running', 'flowchart': 'views.flowcharts', 'compare': 'views.comparison',
    'explore': 'player.widget', 'Player': 'player.widget', 'Lesson': 'teaching.lesson', 'judge': 'teaching.judging',
    'present': 'teaching.presenter',
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    """Load a name from its module when it is first used, so `import explorer` alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_HOMES[name]}'), name)
