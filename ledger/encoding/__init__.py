"""Encode exact fields as the columns of a posted row.

`policy` defines the precision of amounts and times. `bands` and `codes` encode amounts and countries as small
integers; `band_arrays` encodes many amounts at once. `identifiers` normalises identifiers. `oprf` (in the
group of `ristretto`), `pseudonym` and `keyholder` turn them into pseudonyms, which nobody can test guesses
against without the key holder. `token` computes the match token, which only the two banks of a transfer can
compute. `rows` builds the encoded rows; `consistency` compares exact fields with a posted row.
"""
