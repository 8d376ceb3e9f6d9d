from ledger.audit.verify import verify
def test_one(consortium):
    trust = consortium.trust
    r = consortium.receipt("ALFADEFF").to_bytes()
    v = verify(r, trust); print(v.agent, v.ledger, v.verdicts, len(r))
    names = ("uetr","timestamp","debtor_agent","creditor_agent","debtor_account","creditor_account","party_id","amount","currency","purpose","transaction_id","cash_in")
    d = consortium.disclosure("ALFADEFF", names)
    v = verify(d.to_bytes(), trust, recipient="The supervisor"); 
    for f in v.fields: print(f)
    print(len(d.to_bytes()))
