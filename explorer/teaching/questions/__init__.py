"""The questions of the lesson: one file for each leg, and one for the closing."""
