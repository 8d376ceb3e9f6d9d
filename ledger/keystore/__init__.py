"""Key files and tokens: where the private keys of a party are, and how they are opened.

- `passphrase`: the passphrase of key files and the PIN of tokens, each read once by a process
- `sealing`: secrets encrypted under a passphrase, and account keys as Ethereum keystores
- `keyfile`: the key file of a party, plain or encrypted, with keys that are on tokens
- `uri`: the names of keys on tokens (RFC 7512)
- `token`: keys on tokens (PKCS#11), which sign and are never handed out

Nothing of it is needed to verify.
"""
