"""Runs: a method follows a plan on a task, and a record says what happened.

`attachment` sets and records the rate inside an optimizer's step, `single` trains one run, `sweeps` trains many as one
program.
"""
