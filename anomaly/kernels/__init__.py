"""Kernels that search the temporal graph for patterns, one per file; start with `fan` and `handover`.

`handover` defines which payment can pass on the money of another payment; `cycle`, `chain` and
`scatter_gather` search paths in that relation. `pass_through`, `structuring` and `bipartite` do not use it.
Each kernel takes a graph and parameters and returns `Instances`; `csr`, `instances` and `jit` are shared
helpers. Each seed payment has a budget of search steps; a search that it stops is marked and counted.
"""
