"""What a trace says, as pure functions, in reading order: text, facts, pages, flowcharts, sources, comparison, reasons, history."""
