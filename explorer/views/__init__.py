"""Views of a trace, as pure functions.

In reading order: text, markup; what a trace says: moments, facts, sources, syntax, fields; what a player shows of a
moment: tells (the sentence), code, changed; the pictures: lanes, animation, exits, decisions, flowcharts; the rest:
pages, comparison, reasons, history.
"""
