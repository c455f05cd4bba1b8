"""The lesson, in reading order: tasks, facts, questions, catalogue, judging, progress, cards, lesson, guide, overlay, presenter."""
