"""One pass of tasks through samplers and verifiers, streaming, in this process or on Ray.

executor.py     runs passes: worker pools on one event loop
pipeline.py     one pass, in the order in which a trace meets its steps
plan.py         which model draws each sample, and from which seed
recovery.py     what is tried again, and when a pass stops
stats.py        counters of a pass
pool.py         sends work to workers, and replaces those that die
workers.py      the contract of a worker; an engine and verifying threads behind it
ray_workers.py  the same workers in Ray actors
cluster.py      the connection to a Ray cluster
placement.py    room for engines of several GPUs
"""
