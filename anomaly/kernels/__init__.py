"""Pattern kernels over the temporal graph, one a file; start with `fan` and `handover`.

`handover` defines which payment passes on another's money; `cycle`, `chain`, `scatter_gather` are paths in
that relation. `pass_through`, `structuring`, `bipartite` stand alone. Each takes a graph and parameters and
returns `Instances`; `csr`, `instances` and `jit` are common ground. Searches are bounded per seed, and what
was cut is marked and counted, never silent.
"""
