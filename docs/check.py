"""Check a receipt or a disclosure (version 2) without any code of Counterfoil.

    python check.py disclosure.json trust.json

It follows docs/formats.md and the documents that this page names. It needs Python 3.11 and these packages of
others: cryptography, coincurve, pycryptodome, rbcl, iso4217, iso3166. It prints what is proven, and what each
opened field rests on.
"""

import base64
import hashlib
import json
import re
import struct
import sys
import unicodedata
from bisect import bisect_right
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import iso3166
import iso4217
import rbcl
from coincurve import PublicKey
from Crypto.Hash import keccak as keccak_hash
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FIELDS = (
    "uetr transaction_id timestamp business_date debtor_agent debtor_account creditor_agent creditor_account "
    "party_id party_type on_behalf_of amount currency channel debtor_country creditor_country purpose "
    "cash_in cash_out own_account occasional exempt"
).split()
ROW = struct.Struct("<6B7HIHB5s16s16s16s16s16s32s")
COLUMNS = (
    "version side channel flags party_type lag_class debtor_agent creditor_agent currency debtor_country "
    "creditor_country amount_band business_date time_bucket key_generation token_kind reserved "
    "debtor_account creditor_account party_id on_behalf_of match_token record_root"
).split()
ACCOUNTS = ("debtor_account", "creditor_account", "party_id", "on_behalf_of")
FLAGS = {"cash_in": 1, "cash_out": 2, "own_account": 4, "occasional": 8, "exempt": 16}
CURRENCIES = {c.code: c for c in iso4217.Currency if c.number is not None and c.exponent is not None}
COUNTRIES = {code: int(country.numeric) for code, country in iso3166.countries_by_alpha2.items()}
CHANNELS = "cash wire card cheque instant crypto internal".split()
PARTY_TYPES = "person business public_body financial_institution".split()
CODES = {
    "channel": {name: number for number, name in enumerate(CHANNELS, 1)},
    "party_type": {name: number for number, name in enumerate(PARTY_TYPES, 1)},
    "debtor_country": COUNTRIES,
    "creditor_country": COUNTRIES,
    "currency": {code: int(currency.number) for code, currency in CURRENCIES.items()},
}
SECONDS = {"exact": 1, "minute": 60, "hour": 3_600, "day": 86_400}
MOST_MINOR_UNITS = 10**15 - 1


class RefusedError(Exception):
    """What is checked is not valid."""


def require(condition, what):
    if not condition:
        raise RefusedError(what)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# documents: canonical JSON, exact types, known fields only

HEX, HASH, ADDRESS = (re.compile(text) for text in ("([0-9a-f]{2})*", "[0-9a-f]{64}", "[0-9a-f]{40}"))
ETHEREUM = re.compile("(0x)?[0-9a-fA-F]{40}")
HEADER = {
    "version": 2, "suite": 1, "chain_id": int, "contract": ADDRESS, "member": ADDRESS, "sequence": int,
    "previous_hash": HASH, "epoch": int, "policy_hash": HASH, "row_count": int, "rows_root": HASH,
}  # fmt: skip
RECEIPT = {
    "format": "counterfoil/receipt/2", "row": HEX, "index": int, "rows_path": [HASH], "header": HEADER,
    "signature": HEX, "block": int, "block_time": int, "ledger_proof": str, "verdict_proof": str,
}  # fmt: skip
OPENING = {"kind": "pseudonym", "evaluation": int, "element": int, "blind": HASH}
FIELD = {
    "name": str, "value": (None, str), "salt": HEX, "index": int, "path": [HASH],
    "proof": (None, OPENING, {"kind": "token", "t": HASH}),
}  # fmt: skip
SHARE = {"index": int, "elements": [HASH], "proof": re.compile("[0-9a-f]{128}")}
DISCLOSURE = {
    "format": "counterfoil/disclosure/2", "receipt": RECEIPT, "policy": str, "fields": [FIELD],
    "evaluations": [{"epoch": int, "generation": int, "blinded": [HASH], "shares": [SHARE]}],
    "purpose": str, "recipient": str, "signature": HEX,
}  # fmt: skip
POLICY = {
    "format": "counterfoil/policy/1", "time": {"unit": tuple(SECONDS), "seconds": int}, "grid": [int],
    "cuts": {re.compile(".*", re.DOTALL): [int]}, "rule_set": (None, HASH),
    "match": {"tolerance": int, "deadline": int}, "development": (False, True),
}  # fmt: skip
CONTRACTS = dict.fromkeys(
    ("Consortium", "PseudonymKeys", "EvaluationLog", "BatchLedger", "RuleBook", "CaseLog"), ETHEREUM
)
MEMBER = {
    "code": int, "agent": str, "account": ADDRESS, "x25519_key": HASH, "hpke_key": HASH, "witness_key": HASH,
    "signature": HEX, "previous": (None, ADDRESS), "new_signature": (None, HEX), "nonce": int,
}  # fmt: skip
TRUST = {
    "format": "counterfoil/trust/3", "policy": str, "members": [MEMBER],
    "deployment": {
        "format": "counterfoil/deployment/2", "chain_id": int, "block": int, "contracts": CONTRACTS,
        "genesis_hash": re.compile("(0x)?[0-9a-fA-F]{64}"),
    },
    "epochs": [{"number": int, "generation": int, "public_key": HASH, "share_commitments": [HASH]}],
}  # fmt: skip


def fits(value, form):
    """Whether a value has exactly the form: a type, a pattern, a constant, a list, an object, a choice."""
    if isinstance(form, tuple):
        return any(fits(value, one) for one in form)
    if isinstance(form, list):
        return type(value) is list and all(fits(one, form[0]) for one in value)
    if isinstance(form, dict):
        if type(value) is not dict:
            return False
        if all(isinstance(name, re.Pattern) for name in form):
            return all(fits(one, next(iter(form.values()))) for one in value.values())
        return value.keys() == form.keys() and all(fits(value[name], form[name]) for name in form)
    if isinstance(form, re.Pattern):
        return type(value) is str and form.fullmatch(value) is not None
    if form is int:
        return type(value) is int and 0 <= value < 2**53
    return type(value) is form if isinstance(form, type) else type(value) is type(form) and value == form


def canonical(value):
    """RFC 8785 for strings, integers, true, false, null, lists, and objects with names in ASCII."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def read(data, *forms):
    try:
        value = json.loads(data.decode())
        again = canonical(value)
    except (ValueError, RecursionError):
        raise RefusedError("this is not JSON") from None
    require(again == data, "the JSON is not canonical")
    require(fits(value, forms), "a field is missing, unknown or of another type than the format says")
    return value


# trees: RFC 9162, section 2.1.3.2


def root(leaf, index, size, path):
    require(0 <= index < size < 2**63, "a leaf is outside of its tree")
    last = size - 1
    for node in path:
        require(last > 0, "a path is too long")
        if index % 2 or index == last:
            leaf = sha(b"\1", node, leaf)
            while index and not index % 2:
                index, last = index // 2, last // 2
        else:
            leaf = sha(b"\1", leaf, node)
        index, last = index // 2, last // 2
    require(last == 0, "a path is too short")
    return leaf


# accounts: EIP-712, EIP-2

DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
SIGNED_HEADER = (
    "BatchHeader(uint8 version,uint8 suite,address member,uint64 sequence,bytes32 previousHash,uint32 epoch,"
    "bytes32 policyHash,uint32 rowCount,bytes32 rowsRoot)"
)
SIGNED_DISCLOSURE = "Disclosure(string purpose,string recipient,bytes32 document)"
_KEYS = "bytes32 x25519Key,bytes32 hpkeKey,bytes32 witnessKey"
ADMISSION = f"Admission(address account,string agent,{_KEYS})"
KEY_CHANGE = f"KeyChange(address account,address newAccount,{_KEYS},uint64 nonce)"
HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2


def keccak(data):
    return keccak_hash.new(digest_bits=256, data=data).digest()


def struct_hash(kind, *values):
    words = [v.to_bytes(32, "big") if isinstance(v, int) else v for v in values]
    words = [keccak(v.encode()) if isinstance(v, str) else v.rjust(32, b"\0") for v in words]
    return keccak(keccak(kind.encode()) + b"".join(words))


def signer(trust, contract, kind, values, signature):
    """Return the account that signed; a signature has one form only."""
    require(len(signature) == 65 and signature[64] in (27, 28), "a signature is not r, s, v")
    require(int.from_bytes(signature[32:64], "big") <= HALF_ORDER, "a signature's s is in the upper half")
    domain = (trust["chain_id"], trust["contracts"][contract], trust["genesis"])
    separator = struct_hash(DOMAIN, "Counterfoil", "2", *domain)
    digest = keccak(b"\x19\x01" + separator + struct_hash(kind, *values))
    try:
        key = PublicKey.from_signature_and_message(
            signature[:64] + bytes([signature[64] - 27]), digest, hasher=None
        )
    except Exception:  # coincurve raises a bare Exception
        raise RefusedError("a signature is none") from None
    return keccak(key.format(compressed=False)[1:])[-20:]


# checkpoints: c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy, tlog-proof

ED25519, COSIGNATURE, ML_DSA = 1, 4, 6
KEY_SIZES = {ED25519: 32, COSIGNATURE: 32, ML_DSA: 1312}
SIGNATURE_SIZES = {ED25519: 64, COSIGNATURE: 72, ML_DSA: 2428}
KEY_NAME = re.compile(r"[^\s+\x00-\x1f]+")
PRIME = 2**255 - 19
WEAK = {  # y of the points of small order: anybody signs with such a key
    0, 1, PRIME - 1,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
}  # fmt: skip


def unbase64(text, size=None):
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        value = b""
    require(value and base64.b64encode(value).decode() == text, "a text is not canonical base64")
    require(size in (None, len(value)), "a value has another size")
    return value


def decimal(text):
    require(re.fullmatch("0|[1-9][0-9]{0,18}", text) and int(text) < 2**63, "a number is not decimal")
    return int(text)


def verifier_key(text, kinds):
    """Read a verifier key: (name, key ID, kind, public key)."""
    match = re.fullmatch(r"([^+]+)\+([0-9a-f]{8})\+(.+)", text)
    require(match and KEY_NAME.fullmatch(match[1]) and len(match[1].encode()) < 256, "this is no key")
    raw = unbase64(match[3])
    kind, public = raw[0], raw[1:]
    require(kind in kinds and len(public) == KEY_SIZES[kind], "a key is of another kind")
    if kind != ML_DSA:
        y = int.from_bytes(public, "little") % 2**255
        require(y < PRIME and y not in WEAK, "a key is weak")
    key_id = sha(match[1].encode(), b"\n", raw)[:4]
    require(key_id.hex() == match[2], "a key has another key ID")
    return match[1], key_id, kind, public


def group_of(words, known, groups):
    require(len(words) > 2, "a group has a name, a number and members")
    number, members = words[1], words[2:]
    taken = [member for group in groups for member in group[2]] + members
    require(
        set(members) <= known and len(set(taken)) == len(taken), "a member of a group is unknown or twice"
    )
    number = {"all": str(len(members)), "any": "1"}.get(number, number)
    require(re.fullmatch("[1-9][0-9]{0,8}", number) and int(number) <= len(members), "a group asks too many")
    return words[0], int(number), members


def log_policy(text):
    """Read a tlog-policy: (keys of logs, keys of witnesses by name, groups, quorum)."""
    logs, witnesses, groups, quorum = [], {}, [], None
    require(not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text), "the policy has control characters")
    for line in text.split("\n"):
        kind, *words = [word for word in re.split(r"[ \t]+", line) if word] or ["#"]
        known = {*witnesses, *(group[0] for group in groups)}
        if kind.startswith("#"):
            continue
        if kind in ("witness", "group"):
            require(words and words[0] not in {"none", *known}, "a name is taken")
        if kind == "log" and len(words) in (1, 2):
            logs.append(verifier_key(words[0], (ED25519, ML_DSA)))
        elif kind == "witness" and len(words) in (2, 3):
            witnesses[words[0]] = verifier_key(words[1], (COSIGNATURE, ML_DSA))
        elif kind == "group":
            groups.append(group_of(words, known, groups))
        else:
            require(kind == "quorum" and len(words) == 1 and quorum is None, "the policy has another line")
            require(words[0] in {"none", *known}, "the quorum is not defined")
            quorum = words[0]
    for keys in (logs, witnesses.values()):
        require(len({key[3] for key in keys}) == len(keys), "a key is there twice")
    require(quorum is not None, "the policy has no quorum")
    return logs, witnesses, groups, quorum


def check_line(key, body, value):
    """Check one signature of a checkpoint."""
    name, _, kind, public = key
    require(len(value) == SIGNATURE_SIZES[kind], "a signature has another size")
    try:
        if kind == ED25519:
            Ed25519PublicKey.from_public_bytes(public).verify(value, body.encode())
            return
        time, signature = int.from_bytes(value[:8], "big"), value[8:]
        require(time < 2**63, "a cosignature has no time")
        if kind == COSIGNATURE:
            message = f"cosignature/v1\ntime {time}\n{body}".encode()
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
            return
        from cryptography.hazmat.primitives.asymmetric import mldsa

        origin, size, head = body[:-1].split("\n")
        sized = [bytes([len(text)]) + text for text in (name.encode(), origin.encode())]
        numbers = struct.pack(">Q", time), struct.pack(">QQ", 0, int(size))
        message = b"".join((b"subtree/v1\n\0", sized[0], numbers[0], sized[1], numbers[1], unbase64(head)))
        mldsa.MLDSA44PublicKey.from_public_bytes(public).verify(signature, message)
    except RefusedError:
        raise
    except Exception:  # what cannot be verified does not count, and is refused
        raise RefusedError("a signature of a known key does not verify") from None


def open_checkpoint(note, policy, origin):
    """Return size and root of the log, and the witnesses that cosigned."""
    require(len(note.encode()) <= 2**18 and not re.search(r"[\x00-\x09\x0b-\x1f]", note), "this is no note")
    require("\n\n" in note and note.endswith("\n"), "a checkpoint is a text and signatures")
    body, _, signed = note[:-1].rpartition("\n\n")
    lines = []
    for line in signed.split("\n"):
        parts = line.split(" ")
        require(
            len(parts) == 3 and parts[0] == "\u2014" and KEY_NAME.fullmatch(parts[1]),
            "a line is no signature",
        )
        raw = unbase64(parts[2])
        require(len(raw) > 4 and len(parts[1].encode()) < 256, "a line is no signature")
        lines.append((parts[1], raw[:4], raw[4:]))
    stated = body.split("\n")
    require(len(lines) <= 128 and len(stated) >= 3 and "" not in stated, "this is no checkpoint")
    require(stated[0] == origin, "the checkpoint is of another log")
    size, head = decimal(stated[1]), unbase64(stated[2], 32)

    def has_signed(key):
        values = [value for name, key_id, value in lines if (name, key_id) == key[:2]]
        require(len(values) < 2, "a key signed twice")
        for value in values:
            check_line(key, body + "\n", value)
        return bool(values)

    logs, witnesses, groups, quorum = policy
    require(sum(has_signed(key) for key in logs if key[0] == origin), "the log did not sign the checkpoint")
    cosigned = [name for name, key in witnesses.items() if has_signed(key)]
    met = {"none", *cosigned}
    for name, threshold, members in groups:
        if sum(member in met for member in members) >= threshold:
            met.add(name)
    require(quorum in met, "fewer witnesses cosigned the checkpoint than the policy asks for")
    return size, head, cosigned


def in_log(text, entry, policy, origin):
    """Check a tlog-proof that an entry is in a log; return its index and the checkpoint."""
    head, _, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    require(first == "c2sp.org/tlog-proof@v1" and len(text) <= 2**19, "this is no proof of a log")
    if lines and lines[0].startswith("extra "):
        unbase64(lines.pop(0)[6:])
    require(lines and lines[0].startswith("index ") and len(lines) <= 64, "this is no proof of a log")
    index, path = decimal(lines[0][6:]), [unbase64(line, 32) for line in lines[1:]]
    size, stated, cosigned = open_checkpoint(note, policy, origin)
    require(root(sha(b"\0", entry), index, size, path) == stated, "the entry is not in the log")
    return index, (size, stated.hex(), cosigned)


# the trust file


def check_member(trust, member):
    """Check the bank's own signature."""
    account, previous = member["account"], member["previous"]
    keys = [member[name] for name in ("x25519_key", "hpke_key", "witness_key")]
    if previous is None:
        require(member["nonce"] == 0, "an admission has a nonce")
        kind, values, signed = ADMISSION, (account, member["agent"], *keys), [(account, member["signature"])]
    else:
        kind, values = KEY_CHANGE, (previous, account, *keys, member["nonce"])
        signed = [(previous, member["signature"]), (account, member["new_signature"] or b"")]
    for expected, signature in signed:
        found = signer(trust, "Consortium", kind, values, signature)
        require(found == expected, "a bank did not sign its own entry of the trust file")


def read_trust(data):
    """Read and check a trust file."""
    file = read(data, TRUST)
    place = file["deployment"]
    contracts = {name: bytes.fromhex(text.removeprefix("0x")) for name, text in place["contracts"].items()}
    trust = {"chain_id": place["chain_id"], "contracts": contracts, "policy": log_policy(file["policy"])}
    trust["genesis"] = bytes.fromhex(place["genesis_hash"].removeprefix("0x"))
    name = f"counterfoil/{place['chain_id']}/{trust['genesis'].hex()}/{contracts['BatchLedger'].hex()}"
    trust["origins"] = {log: f"{name}/{log}" for log in ("ledger", "verdicts")}
    known = {key[0] for key in trust["policy"][0]}
    require(known >= set(trust["origins"].values()), "the policy has no key for one of the two logs")
    members = [
        {k: bytes.fromhex(v) if isinstance(v, str) and k != "agent" else v for k, v in entry.items()}
        for entry in file["members"]
    ]
    trust["accounts"] = accounts = {member["account"]: member for member in members}
    trust["agents"] = {member["code"]: member["agent"] for member in members}
    require(len(accounts) == len(members), "an account is there twice")
    require(all(0 < code < 2**16 for code in trust["agents"]), "a code is out of range")
    banks = {(member["code"], member["agent"]) for member in members}
    require(
        len(banks) == len(trust["agents"]) == len(set(trust["agents"].values())),
        "two banks have one code or one name",
    )
    admitted = [member["code"] for member in members if member["previous"] is None]
    require(len(admitted) == len(banks), "a bank was admitted twice or never")
    replaced = [member["previous"] for member in members if member["previous"] is not None]
    require(len(set(replaced)) == len(replaced), "an account is replaced twice")
    for member in members:
        check_member(trust, member)
        before = member
        for _ in members:
            if before["previous"] is None:
                break
            before = accounts.get(before["previous"], {"code": None, "previous": None})
            require(before["code"] == member["code"], "an account replaces none of its bank")
        require(before["previous"] is None, "accounts replace each other")
    generations = {(epoch["number"], epoch["generation"]) for epoch in file["epochs"]}
    require(len(generations) == len(file["epochs"]), "a generation of a pseudonym key is there twice")
    keys = {(epoch["number"], epoch["public_key"]) for epoch in file["epochs"]}
    require(len(keys) == len({number for number, _ in keys}), "an epoch has two pseudonym keys")
    trust["epochs"] = {
        (epoch["number"], epoch["generation"]): (
            bytes.fromhex(epoch["public_key"]), [bytes.fromhex(share) for share in epoch["share_commitments"]]
        )
        for epoch in file["epochs"]
    }  # fmt: skip
    return trust


# pseudonyms: RFC 9497, mode VOPRF, ristretto255-SHA512

CONTEXT = b"OPRFV1-\1-ristretto255-SHA512"
ORDER = 2**252 + 27742317777372353535851937790883648493


def sized(data):
    return len(data).to_bytes(2, "big") + data


def expand(message, dst):  # RFC 9380, section 5.3.1, 64 bytes
    dst += bytes([len(dst)])
    first = hashlib.sha512(bytes(128) + message + b"\0\x40\0" + dst).digest()
    return hashlib.sha512(first + b"\1" + dst).digest()


def to_group(data):
    return rbcl.crypto_core_ristretto255_from_hash(expand(data, b"HashToGroup-" + CONTEXT))


def to_scalar(data):
    return rbcl.crypto_core_ristretto255_scalar_reduce(expand(data, b"HashToScalar-" + CONTEXT))


def combined(scalars, elements):
    """Return the sum of elements, each multiplied by its scalar."""
    total = None
    for scalar, element in zip(scalars, elements, strict=True):
        product = rbcl.crypto_scalarmult_ristretto255(scalar, element)
        total = product if total is None else rbcl.crypto_core_ristretto255_add(total, product)
    return total


def check_share(public, blinded, evaluated, proof):
    """Check the proof of RFC 9497, section 2.2.2."""
    require(len(blinded) == len(evaluated), "a share has another number of elements")
    challenge, response = proof[:32], proof[32:]
    require(
        all(0 < int.from_bytes(one, "little") < ORDER for one in (challenge, response)), "a proof is no proof"
    )
    require(any(public) and rbcl.crypto_core_ristretto255_is_valid_point(public), "a key is no key")
    seed = sized(hashlib.sha512(sized(public) + sized(b"Seed-" + CONTEXT)).digest())
    weights = [
        to_scalar(seed + number.to_bytes(2, "big") + sized(before) + sized(after) + b"Composite")
        for number, (before, after) in enumerate(zip(blinded, evaluated, strict=True))
    ]
    before, after = combined(weights, blinded), combined(weights, evaluated)
    base = rbcl.crypto_scalarmult_ristretto255_base(response)
    first = rbcl.crypto_core_ristretto255_add(base, rbcl.crypto_scalarmult_ristretto255(challenge, public))
    second = combined((response, challenge), (before, after))
    parts = b"".join(map(sized, (public, before, after, first, second)))
    require(challenge == to_scalar(parts + b"Challenge"), "a share was not made with the key of its holder")


def evaluated_element(evaluation, key, element):
    """Check every share of an evaluation, and return one evaluated element."""
    public, commitments = key
    holders = commitments or [public]
    blinded = [bytes.fromhex(text) for text in evaluation["blinded"]]
    require(0 <= element < len(blinded) <= 32, "there is no such element, or there are too many")
    indices = [share["index"] for share in evaluation["shares"]]
    known = sorted({*indices} & {*range(1, len(holders) + 1)})
    require(indices and indices == known, "the shares are not those of the holders")
    chosen = []
    for share in evaluation["shares"]:
        elements = [bytes.fromhex(text) for text in share["elements"]]
        check_share(holders[share["index"] - 1], blinded, elements, bytes.fromhex(share["proof"]))
        chosen.append(elements[element])
    if len(indices) == 1:
        require(holders[indices[0] - 1] == public, "one holder alone is not the key")
        return blinded[element], chosen[0]
    weights = []
    for index in indices:
        over = under = 1
        for other in indices:
            if other != index:
                over, under = over * other % ORDER, under * (other - index) % ORDER
        weights.append((over * pow(under, -1, ORDER) % ORDER).to_bytes(32, "little"))
    require(combined(weights, [holders[index - 1] for index in indices]) == public, "too few holders")
    return blinded[element], combined(weights, chosen)


def is_normal(identifier):
    """Whether an identifier is an IBAN, an account of a bank, an LEI or a person, in its normal form."""
    kind, _, rest = identifier.partition(":")
    forms = {
        "iban": "[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}",
        "lei": "[A-Z0-9]{18}[0-9]{2}",
        "acct": r"[A-Z0-9_.-]{1,35}:[^\n]+",
        "person": r"[a-z0-9_.-]{1,35}:[^\n]+",
    }
    if kind not in forms or not re.fullmatch(forms[kind], rest) or len(identifier.encode()) > 1024:
        return False
    if kind in ("iban", "lei"):
        turned = rest[4:] + rest[:4] if kind == "iban" else rest
        return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1
    number = rest.partition(":")[2]
    return number == number.strip() and unicodedata.normalize("NFC", identifier) == identifier


def check_pseudonym(value, pseudonym, proof, evaluations, epoch, trust):
    require(
        proof["kind"] == "pseudonym" and proof["evaluation"] < len(evaluations), "a proof is of another kind"
    )
    evaluation = evaluations[proof["evaluation"]]
    key = trust["epochs"].get((epoch, evaluation["generation"]))
    require(evaluation["epoch"] == epoch and key, "a pseudonym was made with another key")
    blind = bytes.fromhex(proof["blind"])
    require(is_normal(value) and 0 < int.from_bytes(blind, "little") < ORDER, "a value or its blind is none")
    try:
        element, evaluated = evaluated_element(evaluation, key, proof["element"])
        own = rbcl.crypto_scalarmult_ristretto255(blind, to_group(value.encode()))
        inverse = pow(int.from_bytes(blind, "little"), -1, ORDER).to_bytes(32, "little")
        output = rbcl.crypto_scalarmult_ristretto255(inverse, evaluated)
    except (RuntimeError, ValueError, TypeError, OverflowError):
        raise RefusedError("what should be an element of the group is none") from None
    require(own == element, "the element is not the value with this blind")
    made = hashlib.sha512(sized(value.encode()) + sized(output) + b"Finalize").digest()
    require(made[:16] == pseudonym, "the pseudonym is that of another value")


# fields against the row


def check_policy(text):
    """Read the encoding policy: (seconds of a bucket, grid, cuts by currency)."""
    policy = read(text.encode(), POLICY)
    unit, seconds = policy["time"]["unit"], policy["time"]["seconds"]
    require(seconds == SECONDS[unit], "the policy contradicts itself")
    require(policy["development"] or unit in ("hour", "day"), "the unit is for development only")
    require(policy["cuts"].keys() <= CURRENCIES.keys(), "the policy has an unknown currency")
    ordered = (low < high for edges in policy["cuts"].values() for low, high in pairwise(edges))
    require(all(ordered), "the cuts are not in order")
    return seconds, policy["grid"], policy["cuts"]


def band(text, row, policy):
    _, grid, cuts = policy
    named = [code for code, number in CODES["currency"].items() if number == row["currency"]]
    require(named, "the row has no currency")
    decimals = CURRENCIES[named[0]].exponent
    form = "(0|[1-9][0-9]{0,15})" + (f"[.][0-9]{{{decimals}}}" if decimals else "")
    require(re.fullmatch(form, text), "an amount has another form")
    edges, minor = sorted({*grid, *cuts.get(named[0], ())}), int(text.replace(".", ""))
    require(
        all(0 < edge <= MOST_MINOR_UNITS for edge in edges) and len(edges) < 2**16, "an edge is out of range"
    )
    require(minor <= MOST_MINOR_UNITS, "an amount is out of range")
    return bisect_right(edges, minor)


def days(text):
    require(re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text), "a date has another form")
    return date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal()


def bucket(text, policy):
    form = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{6})?Z"
    require(re.fullmatch(form, text), "a time has another form")
    since = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) // policy[0]


def expected(name, value, row, policy):
    """Return (what the row has, what the value is there, basis) of a field with a column."""
    if name in FLAGS:
        require(value in (None, "true", "false"), "a flag is neither true nor false")
        return bool(row["flags"] & FLAGS[name]), value == "true", "row"
    if name in CODES:
        require(value is None or value in CODES[name], "a value is not in its list")
        return row[name], 0 if value is None else CODES[name][value], "row"
    if name == "amount":
        return row["amount_band"], band(value, row, policy), "interval"
    if name == "timestamp":
        return row["time_bucket"], bucket(value, policy), "interval"
    return row[name], days(value), "row"


def agent_basis(name, value, row, poster, trust):
    require(row["side"] in (1, 2, 3), "the row has no side")
    if row["side"] in ((1, 3) if name == "debtor_agent" else (2, 3)):
        wanted = poster
    elif row[name] == 0:
        return "record"
    else:
        wanted = trust["agents"].get(row[name])
    require(value == wanted, "the agent is not the bank in the row")
    return "row"


def token_basis(value, proof, row):
    contradiction = (value is None and row["token_kind"] == 1) or (
        value is not None and row["token_kind"] == 2
    )
    require(not contradiction, "the row's token says whether there is a UETR")
    if proof is None:
        return "record"
    form = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    require(
        proof["kind"] == "token" and value is not None and re.fullmatch(form, value), "a token is not opened"
    )
    domain = b"counterfoil/match-token/v2/"
    message = domain + b"open\0" + bytes.fromhex(proof["t"]) + domain + b"uetr\0" + value.encode()
    require(sha(message)[:16] == row["match_token"], "the match token is of another UETR")
    return "row"


def basis(field, row, policy, poster, epoch, evaluations, trust):
    """Compare a field with the row; return what proves it: the row, its interval, or the record alone."""
    name, value, proof = field["name"], field["value"], field["proof"]
    absent = value is None
    if name in ("party_id", "on_behalf_of"):
        require(absent != any(row[name]), f"the row has a {name} and the record has none, or the reverse")
    elif name in ("timestamp", "amount", "currency", *ACCOUNTS, "debtor_agent", "creditor_agent"):
        require(not absent, f"each row has a {name}")
    if name in ACCOUNTS:
        require(not absent or proof is None, "a proof has no value")
        if absent or proof is None:
            return "row" if absent else "record"
        check_pseudonym(value, row[name], proof, evaluations, epoch, trust)
        return "row"
    if name == "uetr":
        return token_basis(value, proof, row)
    require(proof is None, f"{name} can have no proof")
    if name in ("debtor_agent", "creditor_agent"):
        return agent_basis(name, value, row, poster, trust)
    if name in ("transaction_id", "purpose") or (name == "business_date" and absent):
        return "record"
    try:
        posted, encoded, what = expected(name, value, row, policy)
    except (ValueError, OverflowError):
        raise RefusedError(f"{name} has no value that a row can have") from None
    require(posted == encoded, f"{name} contradicts the row")
    return "record" if absent else what


def check_fields(disclosure, row, poster, trust):
    header, proofs, opened = disclosure["receipt"]["header"], [], []
    policy = check_policy(disclosure["policy"])
    for field in disclosure["fields"]:  # each field is a leaf of the record root, at its own place
        name, value, salt = field["name"], field["value"], bytes.fromhex(field["salt"])
        require(
            name in FIELDS and FIELDS.index(name) == field["index"], "a field is unknown or at another leaf"
        )
        require(name not in [one[0] for one in opened] and len(salt) == 16, "a field is there twice")
        leaf = (
            salt + bytes([len(name)]) + name.encode() + (b"\0" if value is None else b"\1" + value.encode())
        )
        path = [bytes.fromhex(node) for node in field["path"]]
        require(
            root(sha(b"\0", leaf), field["index"], 24, path) == row["record_root"],
            f"{name} was not committed",
        )
        told = basis(field, row, policy, poster, header["epoch"], disclosure["evaluations"], trust)
        opened.append((name, value, told))
        proofs.append(field["proof"] or {})
    used = {proof["evaluation"] for proof in proofs if "evaluation" in proof}
    require(used >= {*range(len(disclosure["evaluations"]))}, "no field uses an evaluation")
    return opened


# receipts and disclosures


def check_receipt(receipt, trust):
    """Return the row, and what the receipt proves."""
    header, row = receipt["header"], bytes.fromhex(receipt["row"])
    values = {name: bytes.fromhex(v) if isinstance(v, str) else v for name, v in header.items()}
    require(values["chain_id"] == trust["chain_id"], "it is of another chain")
    require(values["contract"] == trust["contracts"]["BatchLedger"], "it is of another consortium")
    member = trust["accounts"].get(values["member"])
    require(member, "it is of an account that the trust file does not list")
    names = (
        "version suite chain_id contract member sequence previous_hash epoch policy_hash row_count rows_root"
    )
    try:
        packed = struct.pack(">BBQ20s20sQ32sI32sI32s", *(values[name] for name in names.split()))
    except struct.error:
        raise RefusedError("a number of the header is out of range") from None
    signed = [values[name] for name in names.split() if name not in ("chain_id", "contract")]
    signature = bytes.fromhex(receipt["signature"])
    author = signer(trust, "BatchLedger", SIGNED_HEADER, signed, signature)
    require(author == values["member"], "the account did not sign the batch")
    require(len(row) == ROW.size, "the row has another size")
    path = [bytes.fromhex(node) for node in receipt["rows_path"]]
    rows_root = root(sha(b"\0", row), receipt["index"], values["row_count"], path)
    require(rows_root == values["rows_root"], "the row is not in the batch")
    columns = dict(zip(COLUMNS, ROW.unpack(row), strict=True))
    require(
        columns["version"] == 2 and not columns["flags"] & 32, "the row is of another version, or padding"
    )
    times = struct.pack(">QQ", receipt["block"], receipt["block_time"])
    place = trust["policy"], trust["origins"]["ledger"]
    index, ledger = in_log(receipt["ledger_proof"], b"\3" + packed + signature + times, *place)
    accepted = struct.pack(">BQ32sBB", 1, index, sha(packed), 1, 0)
    _, verdicts = in_log(receipt["verdict_proof"], accepted, trust["policy"], trust["origins"]["verdicts"])
    proven = {"agent": member["agent"], "account": values["member"].hex(), "sequence": values["sequence"]}
    proven |= {name: receipt[name] for name in ("index", "block", "block_time")}
    return columns, proven | {"ledger": ledger, "verdicts": verdicts}


def check(data, trust):
    """Check the bytes of a receipt or a disclosure; return what is proven, or raise RefusedError."""
    require(len(data) <= 2**20, "the file is too large")
    file = read(data, RECEIPT, DISCLOSURE)
    row, proven = check_receipt(file.get("receipt", file), trust)
    if "receipt" not in file:
        return proven
    for text in (file["purpose"], file["recipient"]):
        require(text.strip() and len(text) <= 500, "purpose or recipient is empty or too long")
    document = sha(canonical(file | {"signature": ""}))
    signed = (file["purpose"], file["recipient"], document)
    by = signer(trust, "BatchLedger", SIGNED_DISCLOSURE, signed, bytes.fromhex(file["signature"]))
    named = trust["accounts"].get(by, {"agent": None})["agent"]
    require(named == proven["agent"], "another than the posting bank signed the disclosure")
    stated = file["receipt"]["header"]["policy_hash"]
    require(sha(file["policy"].encode()).hex() == stated, "it has another policy than the batch")
    fields = check_fields(file, row, proven["agent"], trust)
    return proven | {"purpose": file["purpose"], "recipient": file["recipient"], "fields": fields}


def main():
    """Check the files that the command line names."""
    try:
        proven = check(Path(sys.argv[1]).read_bytes(), read_trust(Path(sys.argv[2]).read_bytes()))
    except RefusedError as error:
        sys.exit(f"NOT PROVEN: {error}")
    for name, value in proven.items():
        if name != "fields":
            print(f"{name}: {value}")
    for name, value, told in proven.get("fields", ()):
        print(f"{name} = {value!r}  basis: {told}")


if __name__ == "__main__":
    main()
