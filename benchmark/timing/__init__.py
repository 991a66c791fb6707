"""Run times: what a recording holds, when to stop, and what a recording proves. Runs without torch."""
