"""Names of keys on tokens: one written form, and nothing in them is silently left out."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import ConfigurationError, InputError
from ledger.keystore.uri import MODULE_VARIABLE, TokenUri

texts = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=20).filter(
    str.isprintable
)
uris = st.builds(
    TokenUri,
    label=texts,
    identifier=st.none() | st.binary(min_size=1, max_size=16),
    token=texts,
    serial=st.none() | texts,
    module=st.none() | texts,
)


@given(uris)
def test_a_name_is_read_as_it_was_written(uri: TokenUri) -> None:
    assert uri.text.isascii()
    assert TokenUri.parse(uri.text) == uri
    assert TokenUri.parse(uri.text).text == uri.text


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for candidate in (
        text,
        f"pkcs11:{text}",
        f"pkcs11:token=a;object=b;{text}",
        f"pkcs11:token=a;id=%01?{text}",
    ):
        with suppress(InputError):
            again = TokenUri.parse(candidate)
            assert TokenUri.parse(again.text) == again


def test_the_parts_are_those_of_rfc_7512() -> None:
    found = TokenUri.parse(
        "pkcs11:object=my%20key;token=The%20Token;type=private;id=%00%ff?module-path=/a/b.so"
    )
    assert found == TokenUri("my key", b"\x00\xff", "The Token", None, "/a/b.so")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "does not start with pkcs11:"),
        ("pkcs12:token=a;object=b", "does not start with pkcs11:"),
        ("pkcs11:token=a;object=" + "b" * 1000, "too long"),
        ("pkcs11:", "not NAME=VALUE"),
        ("pkcs11:token=a", "names no key"),
        ("pkcs11:token=a;object=", "object is empty"),
        ("pkcs11:object=b", "names no token"),
        ("pkcs11:token=a;token=b;object=c", "token twice"),
        ("pkcs11:token=a;object=b;type=cert", "type is not private"),
        ("pkcs11:token=a;object=b;slot-id=3", "the part slot-id"),
        ("pkcs11:token=a;object=%ff", "object is no text"),
        ("pkcs11:token=a;object=%zz", "not NAME=VALUE"),
        ("pkcs11:token=a;object=b?pin-value=1234", "a PIN belongs in no file"),
        ("pkcs11:token=a;object=b?pin-source=file:/pin", "a PIN belongs in no file"),
    ],
)
def test_what_is_no_name_of_a_key_is_refused(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        TokenUri.parse(text)
    assert "1234" not in str(caught.value)


def test_the_library_is_named_by_the_uri_or_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = TokenUri.parse("pkcs11:token=a;object=b")
    monkeypatch.delenv(MODULE_VARIABLE, raising=False)
    with pytest.raises(ConfigurationError, match="nothing names the PKCS#11 library"):
        _ = bare.library
    monkeypatch.setenv(MODULE_VARIABLE, "/env.so")
    assert bare.library == "/env.so"
    assert TokenUri.parse(bare.text + "?module-path=/uri.so").library == "/uri.so"
