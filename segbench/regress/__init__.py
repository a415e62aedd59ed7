"""Compare a run with a baseline: hard on what is deterministic, with statistics on what is not.

`difference` compares counts and signatures and says which module changed; `verdicts` judges timings; `judge` puts both
together for a set of networks; `sampling` measures; `run` checks against a stored baseline, `against` two revisions of
a project in turn; `baseline` keeps Records to compare with, `acceptance` takes what changed on purpose; `render` and
`output` show the outcome to people and to machines.
"""
