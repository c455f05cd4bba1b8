"""What only the command line runs: serve, conform, diagrams, bench."""
