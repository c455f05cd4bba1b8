"""Code that only the command line runs: serve, conform, diagrams, bench."""
