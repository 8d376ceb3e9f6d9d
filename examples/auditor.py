# %% [markdown]
# # An auditor: what can be verified, and with what
#
# This file is a notebook in percent format: Jupytext, VS Code and PyCharm open it as cells. It is also a
# plain script: `python examples/auditor.py`. It needs `pip install "counterfoil[member,desk,operator]"`,
# because it plays all parties on one machine. An auditor who verifies files alone needs `pip install
# counterfoil`.
#
# It founds a consortium of two banks, which post their halves of twelve payments. Then it does what an
# auditor does: it verifies a receipt, a disclosure and a checkpoint from files, it shows that a forged
# receipt is refused, and it compares the desk with the chain.

# %%
import atexit
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from counterfoil import Auditor, Desk, KeyHolder, Member, Operator, verify
from ledger.errors import VerificationError

# %% [markdown]
# ## Before the audit: a consortium
#
# Everything is in a temporary folder. When Python ends, with an error or without, the chain stops and the
# folder is removed.

# %%
cleanup = ExitStack()
folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="counterfoil-example-")))
atexit.register(cleanup.close)  # after the folder was made: what is registered last runs first

home = folder / "consortium"
operator = Operator(home)
cleanup.callback(lambda: operator.chain_status()["running"] and operator.stop_chain())
chain, _ = operator.start_chain()
# three key holders, each with a state folder of its own; two of them must answer
keyholders = [KeyHolder(home / "keyholders" / number, chain=chain) for number in "123"]
alfa = Member.create("ALFADEFF", home, keyholders=keyholders)
bravo = Member.create("BRAVFRPP", home, keyholders=keyholders)
operator.found([alfa, bravo], holders=3, threshold=2)
print("The members:", *(member["agent"] for member in operator.status().members))

# %% [markdown]
# Each bank posts its own half of each payment. The desk reads the chain, matches the halves, and
# publishes two logs with a signed checkpoint each.

# %%
payments = pd.DataFrame(
    {
        "transaction_id": f"A-{number}",
        "timestamp": f"2026-01-05T{number + 9:02}:00:00Z",
        "debtor_agent": "ALFADEFF",
        "debtor_account": f"100-{number}",
        "creditor_agent": "BRAVFRPP",
        "creditor_account": "200-7",
        "amount": f"{1_000 + 250 * number}.00",
        "currency": "EUR",
    }
    for number in range(12)
)
alfa.post(payments)
bravo.post(payments.assign(transaction_id=payments["transaction_id"].str.replace("A", "B")))
print("The desk matched:", Desk(home).sync().states["matched"], "payments")

# %% [markdown]
# The bank Alfa hands out a receipt for one payment, and a disclosure that opens two of its fields for a
# recipient and a purpose. The desk publishes the checkpoints. The trust file is what the auditor was given
# when the consortium was founded.

# %%
evidence = folder / "evidence"
evidence.mkdir()
receipt, disclosure = evidence / "receipt.json", evidence / "disclosure.json"
checkpoint, trust = evidence / "checkpoint", evidence / "trust.json"
receipt.write_bytes(alfa.receipt("A-3").to_bytes())
opened = alfa.disclose(
    "A-3", ["amount", "currency", "debtor_account"], purpose="request 42", recipient="Supervisor"
)
disclosure.write_bytes(opened.to_bytes())
checkpoint.write_bytes((Desk(home).home.desk.public / "ledger" / "checkpoint").read_bytes())
trust.write_bytes(operator.home.trust.read_bytes())

# %% [markdown]
# ## Verify from files
#
# From here on, `verify` reads the four files of the folder `evidence` and nothing else: no chain, no desk,
# no bank.
#
# A receipt proves that the bank posted an encoded row, in which block, and that the desk accepted it. It
# opens no field.

# %%
proven = verify(receipt, trust)
print("\nThe receipt holds.")
print("  posted by:     ", proven.agent)
print("  place:         ", f"batch {proven.receipt.header.sequence}, row {proven.receipt.index}")
print("  record root:   ", proven.row["record_root"].hex())
print("  posted in:     ", f"block {proven.receipt.block}")
print(
    "  cosigned by:   ", [name for name, _ in proven.ledger.cosigned_by] or "no witness: it rests on the desk"
)

# %% [markdown]
# A disclosure proves the same and opens exact fields. The bank's signature covers fields, recipient and
# purpose. Each field says what it rests on: the row itself, the row's interval, or the bank's word.

# %%
opened = verify(disclosure, trust)
print("\nThe disclosure holds.")
print("  purpose:       ", opened.purpose)
print("  recipient:     ", opened.recipient)
for field in opened.fields:
    print(f"  {field.name + ':':15}", f"{field.value} ({field.basis.value})")

# %% [markdown]
# A checkpoint is the state of one log, signed by the desk and cosigned by witnesses.

# %%
signed = verify(checkpoint, trust)
print("\nThe checkpoint holds.")
print("  log:           ", signed.checkpoint.origin.rpartition("/")[2])
print("  entries:       ", signed.checkpoint.size)

# %% [markdown]
# ## Forged proofs are refused
#
# `verify` returns no bool. It raises an error that says what was expected and what was found.


# %%
def refused(proof: bytes) -> str:
    """Return why a proof is refused."""
    try:
        verify(proof, trust)
    except VerificationError as error:
        return error.what
    raise AssertionError("a forged proof was accepted")


print("\nRefused:")
other_amount = disclosure.read_bytes().replace(b'"1750.00"', b'"9750.00"')
print("  a disclosure with another amount: ", refused(other_amount))
other_purpose = disclosure.read_bytes().replace(b"request 42", b"request 43")
print("  a disclosure with another purpose:", refused(other_purpose))
other_time = receipt.read_bytes().replace(b'"block":', b'"block":1')
print("  a receipt with another block:     ", refused(other_time))

# %% [markdown]
# ## Compare the desk with the chain
#
# An auditor who has the desk's state folder and an endpoint of the chain can derive everything again.
# `fsck` lists what differs. `completeness` counts, for each bank and month, the rows that the counterparty
# proves.

# %%
auditor = Auditor(home, trust=trust)
report = auditor.fsck()
report.raise_if_different()
print(f"\nfsck: {report.batches} batches, {report.rows} rows, {len(report.differences)} differences")

found = auditor.completeness()
print("\nCompleteness:\n")
print(pd.DataFrame(found.members)[["agent", "month", "rows", "proven", "claimed"]].to_string(index=False))

# %% [markdown]
# If Bravo leaves out its half of the next payment, Alfa's row is a claim of Alfa about Bravo. It does not
# stand in Bravo's line: what one bank says never becomes another's debt.

# %%
one_sided = payments.iloc[:1].assign(transaction_id="A-12", timestamp="2026-01-06T09:00:00Z")
alfa.post(one_sided)
Desk(home).sync()
for claim in auditor.completeness().claims:
    print(
        f"\nAfter a payment that Bravo did not post: {claim.claimant} claims {claim.rows} about {claim.about}"
    )

# %% [markdown]
# ## The end

# %%
cleanup.close()
print("\nThe chain is stopped and the folder is removed:", not folder.exists())
