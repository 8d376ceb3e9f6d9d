"""Keys on a token, SoftHSM here: what it signs, what it keeps to itself, and what a failure says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from coincurve import PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import ConfigurationError
from ledger.keystore.passphrase import PIN, PassphraseError
from ledger.keystore.token import (
    NoKeyError,
    TokenAccount,
    TokenCheckpointKey,
    TokenError,
    TokenKind,
    create_key,
    find_public,
    import_key,
    public_part,
)
from ledger.keystore.uri import TokenUri
from ledger.log import Checkpoint, Note, VerifierKey, generate_signing_key, sign_checkpoint
from ledger.log.checkpoint import signed_by_log
from ledger.log.cosignature import cosign, verified, witness_key
from ledger.log.notes import KeyType
from ledger.signing import address_of, new_key, recover_address, sign_text
from ledger.typed_data import ADMISSION, Domain, recover_typed, sign_typed
from tests.support.softhsm import SECRET_PIN, Token, needs_softhsm, new_token

pytestmark = needs_softhsm

ROOT = Path(__file__).parents[3]
KINDS: tuple[TokenKind, ...] = ("secp256k1", "ed25519")
HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0

_kept: dict[str, tuple[TokenUri, str]] = {}


def made(token: Token, kind: TokenKind) -> tuple[TokenUri, str]:
    """Return a key that was made on the token, and its public part; one of each kind is enough."""
    if kind not in _kept:
        uri = TokenUri.parse(token.uri())
        _kept[kind] = uri, create_key(uri, kind)
    return _kept[kind]


def account(token: Token) -> TokenAccount:
    return TokenAccount(*made(token, "secp256k1"))


def checkpoint_key(token: Token) -> TokenCheckpointKey:
    uri, public = made(token, "ed25519")
    return TokenCheckpointKey(uri, bytes.fromhex(public))


@settings(max_examples=60)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_the_signature_of_a_text_is_one_of_the_account(token: Token, text: str) -> None:
    """A token picks its own nonce, and so any of the two values of s: both forms come up in 60 examples."""
    signer = account(token)
    signature = sign_text(text, signer)
    assert len(signature) == 65
    assert signature[64] in (27, 28)
    assert int.from_bytes(signature[32:64], "big") <= HALF_ORDER
    assert recover_address(text, signature) == signer.address
    assert Account.recover_message(encode_defunct(text=text), signature=signature) == signer.address


def test_typed_data_is_signed(token: Token) -> None:
    domain = Domain(20_261, b"\x11" * 20, b"\x22" * 32)
    own = bytes.fromhex(account(token).address[2:])
    names = ("x25519Key", "hpkeKey", "witnessKey")
    values = {"account": own, "agent": "ALFADEFF", **dict.fromkeys(names, b"\x01" * 32)}
    assert (
        recover_typed(domain, ADMISSION, values, sign_typed(domain, ADMISSION, values, account(token))) == own
    )


def test_checkpoints_are_signed_and_cosigned(token: Token) -> None:
    key = checkpoint_key(token)
    checkpoint = Checkpoint("example/ledger", 7, b"\x07" * 32)
    note = Note.parse(sign_checkpoint(checkpoint, "example/ledger", key))
    assert signed_by_log(note, [VerifierKey("example/ledger", KeyType.ED25519, key.public)]) == checkpoint
    line = cosign(note, "example/witness", key, 1_700_000_000)
    assert verified(witness_key("example/witness", key.public), note, line) == 1_700_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_made_there_or_imported_cannot_be_read(token: Token, kind: TokenKind) -> None:
    import pkcs11

    imported = TokenUri.parse(token.uri())
    secret = new_key() if kind == "secp256k1" else generate_signing_key()[0]
    import_key(imported, kind, secret, point_of(kind, secret))
    with pkcs11.lib(imported.library).get_token(token_label=token.label).open() as session:
        # without the PIN, a token does not even show that there are private keys
        private = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}
        labels = {key.label for key in session.get_objects(private)}
        for uri in (imported, made(token, kind)[0]):
            if uri.label not in labels:
                continue  # the library shares the login of this process
            key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=uri.label)
            assert (key[pkcs11.Attribute.SENSITIVE], key[pkcs11.Attribute.EXTRACTABLE]) == (True, False)
            with pytest.raises(pkcs11.AttributeSensitive):
                _ = key[pkcs11.Attribute.VALUE]
        assert imported.label in labels


def point_of(kind: TokenKind, secret: bytes) -> bytes:
    if kind == "secp256k1":
        return PrivateKey(secret).public_key.format(compressed=False)
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def test_an_imported_key_signs_as_it_did(token: Token) -> None:
    secret, uri = new_key(), TokenUri.parse(token.uri())
    import_key(uri, "secp256k1", secret, point_of("secp256k1", secret))
    assert public_part(uri, "secp256k1") == address_of(secret)
    assert recover_address("x", sign_text("x", TokenAccount(uri, address_of(secret)))) == address_of(secret)
    private, public = generate_signing_key()
    other = TokenUri.parse(token.uri())
    import_key(other, "ed25519", private, public)
    signature = TokenCheckpointKey(other, public).sign(b"message")
    assert signature == Ed25519PrivateKey.from_private_bytes(private).sign(b"message")


@pytest.mark.parametrize("kind", KINDS)
def test_no_key_takes_the_name_of_another(token: Token, kind: TokenKind) -> None:
    uri, public = made(token, kind)
    secret = new_key()
    for other in KINDS:
        with pytest.raises(TokenError, match="has a key of this name already") as caught:
            create_key(uri, other)
        assert caught.value.next_step
        with pytest.raises(TokenError, match="has a key of this name already"):
            import_key(uri, other, secret, point_of(other, secret))
    assert public_part(uri, kind) == public


def test_a_key_that_is_not_there(token: Token) -> None:
    uri = TokenUri.parse(token.uri("nobody"))
    with pytest.raises(NoKeyError, match="the token has no such key") as caught:
        TokenAccount(uri, "0x" + "00" * 20).sign_digest(bytes(32))
    assert caught.value.where == uri.text
    assert caught.value.exit_code == 2
    assert find_public(uri, "secp256k1") is None
    # a key of the other kind has the name, and is not taken for it
    assert find_public(made(token, "ed25519")[0], "secp256k1") is None


def test_a_signature_of_another_key_is_not_handed_out(token: Token) -> None:
    """Somebody put another key under the name: the file says which one it must be."""
    uri, _ = made(token, "secp256k1")
    other = address_of(new_key())
    with pytest.raises(TokenError, match=f"not the one of the account {other}"):
        TokenAccount(uri, other).sign_digest(bytes(32))
    uri, _ = made(token, "ed25519")
    with pytest.raises(TokenError, match="not the one of the public key"):
        TokenCheckpointKey(uri, generate_signing_key()[1]).sign(b"message")


def test_two_keys_of_one_name_are_told_apart_by_their_identifier(token: Token) -> None:
    label = TokenUri.parse(token.uri()).label
    first, second = (
        TokenUri.parse(
            f"pkcs11:token={token.label};id=%0{n}?module-path={TokenUri.parse(token.uri()).library}"
        )
        for n in (1, 2)
    )
    publics = [create_key(uri, "secp256k1") for uri in (first, second)]
    assert publics[0] != publics[1]
    assert [public_part(uri, "secp256k1") for uri in (first, second)] == publics
    assert label is not None


def test_a_token_that_is_not_there(token: Token) -> None:
    uri = TokenUri.parse(token.uri().replace(f"token={token.label}", "token=elsewhere"))
    with pytest.raises(TokenError, match="the token is not there") as caught:
        public_part(uri, "secp256k1")
    assert "Put it in" in str(caught.value.next_step)


def test_a_library_that_is_not_there(token: Token) -> None:
    uri = TokenUri.parse("pkcs11:token=a;object=b?module-path=/nowhere/pkcs11.so")
    with pytest.raises(TokenError, match=r"the token or its library fails: .*/nowhere/pkcs11\.so"):
        public_part(uri, "secp256k1")


def test_a_wrong_pin_is_sent_once(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token would lock itself if every request of a service sent the wrong PIN again."""
    import pkcs11

    from ledger.keystore.token import _OPEN

    uri, address = made(token, "secp256k1")
    sent, load = [], pkcs11.lib

    class Counting:
        """The library, and its token, which count how often a session is opened."""

        def __init__(self, real: Any) -> None:
            self._real = real

        def get_token(self, **names: Any) -> Any:
            return Counting(self._real.get_token(**names))

        def open(self, **options: Any) -> Any:
            sent.append(options["user_pin"])
            return self._real.open(**options)

    monkeypatch.setattr(pkcs11, "lib", lambda path: Counting(load(path)))
    _OPEN.close()
    PIN.use("0000-wrong")
    try:
        for _ in range(20):
            with pytest.raises(PassphraseError, match="the token refuses the PIN") as caught:
                TokenAccount(uri, address).sign_digest(bytes(32))
            assert "0000-wrong" not in str(caught.value)
            assert caught.value.exit_code == 2
    finally:
        PIN.use(SECRET_PIN)
    assert len(TokenAccount(uri, address).sign_digest(bytes(32))) == 65
    assert sent == ["0000-wrong", SECRET_PIN]


def test_threads_share_one_session(token: Token) -> None:
    signer, failed = account(token), []

    def sign(n: int) -> None:
        for i in range(10):
            text = f"{n} {i}"
            if recover_address(text, sign_text(text, signer)) != signer.address:
                failed.append(text)

    threads = [threading.Thread(target=sign, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


REMOVED = """
import shutil, sys
from ledger.errors import CounterfoilError
from ledger.keystore.passphrase import PIN
from ledger.keystore.token import TokenAccount, TokenError, create_key
from ledger.keystore.uri import TokenUri

uri = TokenUri.parse(sys.argv[1])
PIN.use(sys.argv[2])
signer = TokenAccount(uri, create_key(uri, "secp256k1"))
print(len(signer.sign_digest(bytes(32))))
shutil.move(sys.argv[3], sys.argv[3] + "-away")
for _ in range(2):
    try:
        signer.sign_digest(bytes(32))
    except CounterfoilError as error:
        print(isinstance(error, TokenError), error.exit_code, bool(error.next_step))
shutil.move(sys.argv[3] + "-away", sys.argv[3])
"""


def test_a_token_that_is_taken_out_while_it_is_used(tmp_path: Path) -> None:
    """In a process of its own: the library of this process keeps its tokens."""
    token = new_token(tmp_path / "softhsm")
    (folder,) = (token.folder / "tokens").iterdir()
    command = [sys.executable, "-c", REMOVED, token.uri(), SECRET_PIN, str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | token.environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:3] == ["65", "True 2 True", "True 2 True"], done.stdout


def test_a_token_that_was_removed_before(tmp_path: Path) -> None:
    token = new_token(tmp_path / "softhsm")
    shutil.rmtree(token.folder / "tokens")
    (token.folder / "tokens").mkdir()
    code = (
        "import sys\n"
        "from ledger.keystore.token import public_part\nfrom ledger.keystore.uri import TokenUri\n"
        "try:\n    public_part(TokenUri.parse(sys.argv[1]), 'secp256k1')\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, token.uri()],
        cwd=ROOT, env=os.environ | token.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("TokenError the token is not there"), done.stdout


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(ConfigurationError) as caught:
        public_part(TokenUri.parse("pkcs11:token=a;object=b"), "secp256k1")
    assert 'pip install "counterfoil[hsm]"' in str(caught.value.next_step)
