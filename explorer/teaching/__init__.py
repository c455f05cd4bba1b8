"""The lesson.

In reading order: tasks, facts, questions, catalogue, judging, progress, cards, lesson, guide, overlay, presenter.
"""
