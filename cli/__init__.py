"""The command line: `main` registers the commands, and each group of commands has its own module.

`demo` runs a whole consortium on this machine; `output` prints tables, progress and errors.
"""
