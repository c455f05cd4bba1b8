"""Views of a trace, as pure functions.

In reading order: text, facts, pages, flowcharts, sources, comparison, reasons, history.
"""
