"""A seeded, randomised campaign: many operations, faults, and a model that knows what may be read.

`python -m tests.campaign --seed 7 --operations 20000` runs one; a failure prints how to repeat it.
"""
