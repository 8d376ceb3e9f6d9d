"""Key files, trust file, deployment file, home: written for their owner, and never half believed."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from ledger import canonical, documents
from ledger.audit.trust import Trust
from ledger.deployment import CONTRACTS, Deployment
from ledger.errors import ConfigurationError, CounterfoilError
from ledger.member.keys import MemberKeys
from ledger.reader.keys import DeskKeys
from ledger.storage import write_atomically
from tests.support.golden import TRUST

DEPLOYMENT = Deployment(
    20_261, "0x" + "ab" * 32, 3, {name: f"0x{i:040x}" for i, name in enumerate(CONTRACTS, 1)}
)

Loader = Callable[[Path], Any]


def make_member(path: Path) -> None:
    MemberKeys.generate("ALFADEFF").save(path)


def make_desk(path: Path) -> None:
    DeskKeys.generate(24_313).save(path)


def make_trust(path: Path) -> None:
    TRUST.save(path)


FILES: list[tuple[Callable[[Path], None], Loader, str]] = [
    (make_member, MemberKeys.load, "no keys here"),
    (make_desk, DeskKeys.load, "no desk here"),
    (make_trust, Trust.load, "no trust file"),
    (DEPLOYMENT.save, Deployment.load, "no consortium is set up here"),
]
NAMES = ["member keys", "desk keys", "trust", "deployment"]


@pytest.mark.parametrize(("make", "load", "missing"), FILES, ids=NAMES)
def test_a_file_reads_back_as_it_was_written(
    tmp_path: Path, make: Callable[[Path], None], load: Loader, missing: str
) -> None:
    path = tmp_path / "deep" / "file.json"
    make(path)
    assert load(path) == load(path)
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]


@pytest.mark.parametrize(("make", "load", "missing"), FILES, ids=NAMES)
def test_a_missing_file_says_what_to_do(
    tmp_path: Path, make: Callable[[Path], None], load: Loader, missing: str
) -> None:
    with pytest.raises(ConfigurationError, match=missing) as caught:
        load(tmp_path / "none.json")
    assert caught.value.where == str(tmp_path / "none.json")
    assert caught.value.next_step


@pytest.mark.parametrize(("make", "load", "missing"), FILES, ids=NAMES)
def test_a_damaged_file_is_refused_where_it_stands(
    tmp_path: Path, make: Callable[[Path], None], load: Loader, missing: str
) -> None:
    path = tmp_path / "file.json"
    make(path)
    data = path.read_bytes()
    value = canonical.loads(data)
    damaged = [b"", b"{}", b"[]", b"null", b"\xff", data[:-1], data + b" ", data.replace(b":", b": ", 1)]
    damaged += [canonical.dumps({k: v for k, v in value.items() if k != name}) for name in value]
    damaged += [canonical.dumps(value | {name: wrong}) for name in value for wrong in (None, True)]
    damaged.append(canonical.dumps(value | {"format": "counterfoil/other/1"}))
    for bad in damaged:
        path.write_bytes(bad)
        with pytest.raises(ConfigurationError) as caught:
            load(path)
        assert caught.value.where == str(path)
        assert caught.value.next_step


@pytest.mark.parametrize(("make", "load", "missing"), FILES, ids=NAMES)
def test_no_file_is_taken_for_another(
    tmp_path: Path, make: Callable[[Path], None], load: Loader, missing: str
) -> None:
    path = tmp_path / "file.json"
    make(path)
    for _, other, _ in FILES:
        if other != load:
            with pytest.raises(ConfigurationError):
                other(path)


@pytest.mark.parametrize("make", [make_member, make_desk])
def test_secrets_are_readable_by_their_owner_only(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "keys.json")
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["account", "x25519", "hpke"])
def test_a_key_of_another_size_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "keys.json"
    make_member(path)
    value = canonical.loads(path.read_bytes())
    secrets = value["secrets"]["keys"]
    secrets[name] = secrets[name][:-2]
    path.write_bytes(canonical.dumps(value))
    with pytest.raises(ConfigurationError, match="malformed: field secrets"):
        MemberKeys.load(path)


def test_a_members_keys_are_never_overwritten(tmp_path: Path) -> None:
    make_member(tmp_path / "keys.json")
    before = (tmp_path / "keys.json").read_bytes()
    with pytest.raises(ConfigurationError, match="never overwritten"):
        make_member(tmp_path / "keys.json")
    assert (tmp_path / "keys.json").read_bytes() == before


def test_secrets_do_not_show_in_a_traceback() -> None:
    member, desk = MemberKeys.generate("ALFADEFF"), DeskKeys.generate(1)
    shown = repr(member) + repr(desk) + str(member)
    for secret in (
        member.account,
        member.x25519,
        member.hpke,
        desk.account,
        desk.ledger,
        desk.verdicts,
        desk.readers[1],
    ):
        assert secret.hex() not in shown
        assert repr(secret) not in shown


def test_a_reader_key_that_was_destroyed_is_gone_from_the_file(tmp_path: Path) -> None:
    keys = DeskKeys.generate(24_313)
    old = keys.readers[24_313]
    keys.save(tmp_path / "keys.json")
    DeskKeys(keys.account, keys.ledger, keys.verdicts, {}).save(tmp_path / "keys.json")
    assert DeskKeys.load(tmp_path / "keys.json").readers == {}
    assert all(old.hex().encode() not in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        {"contracts": dict.fromkeys(CONTRACTS, "0x12")},
        {"contracts": dict.fromkeys(CONTRACTS, "0x" + "zz" * 20)},
        {"contracts": {"BatchLedger": "0x" + "11" * 20}},
        {"genesis_hash": "0x12"},
        {"chain_id": "x"},
    ],
)
def test_a_deployment_that_names_no_place_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Deployment.from_json(documents.plain(DEPLOYMENT.to_document()) | change, where="here")


def test_the_origin_tells_consortia_apart() -> None:
    other = Deployment(1, DEPLOYMENT.genesis_hash, 3, DEPLOYMENT.contracts)
    begun = Deployment(20_261, "0x" + "cd" * 32, 3, DEPLOYMENT.contracts)
    moved = Deployment(20_261, DEPLOYMENT.genesis_hash, 3, dict.fromkeys(CONTRACTS, f"0x{9:040x}"))
    all_of_them = (DEPLOYMENT, other, begun, moved)
    names = {name for d in all_of_them for name in (d.ledger_origin, d.verdict_origin, d.witness_name("A"))}
    assert len(names) == 12


def test_a_file_is_replaced_whole_and_leaves_no_debris(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_an_error_says_what_where_and_what_next() -> None:
    error = CounterfoilError("it broke", where="line 5", next_step="Mend it.")
    assert str(error) == "it broke (line 5). Mend it."
    assert (error.what, error.where, error.next_step, error.exit_code) == (
        "it broke",
        "line 5",
        "Mend it.",
        2,
    )


def test_generated_keys_fit_together() -> None:
    keys = MemberKeys.generate("ALFADEFF")
    assert keys.address == Account.from_key(keys.account).address
    assert len({keys.account, keys.x25519, keys.hpke}) == 3
    assert len(keys.x25519_public) == len(keys.hpke_public) == 32
