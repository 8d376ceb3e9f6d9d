"""What a holder of a share of the pseudonym key runs: its keys, key ceremonies, and evaluations.

A holder sees blinded points only, never an account. It evaluates what a member has anchored on the chain, and
nothing else. The desk must never be a holder.
"""
