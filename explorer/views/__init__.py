"""Views of a trace, as pure functions; read text, facts, pages, flowcharts, sources, comparison, reasons, history."""
