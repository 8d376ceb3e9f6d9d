"""From exact fields to what a row tells.

`policy` says how much is told; `bands` and `codes` turn amounts, currencies and countries into small
numbers; `band_arrays` does it for many amounts at once; `identifiers` gives identifiers one spelling; `oprf`
in the group of `ristretto`, `pseudonym` and `keyholder` turn them into pseudonyms that nobody can guess back
alone; `token` lets two banks, and nobody else, recognise the halves of one transfer; `rows` puts it all
together; `consistency` checks exact fields against a posted row.
"""
