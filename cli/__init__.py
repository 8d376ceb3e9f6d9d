"""The command line: `main` gathers the commands, one module for each party, and `demo` runs them all.

`consortium` founds one; `local` starts this machine's chain and key holder; `output` prints tables, progress
and errors.
"""
