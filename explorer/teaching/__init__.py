"""The lesson.

In reading order: tasks, facts, questions, catalogue, judging, progress, glossary, tables, cards, strip, lesson,
handout, guide, overlay, presenter.
"""
