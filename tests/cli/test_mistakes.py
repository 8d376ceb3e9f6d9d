"""One mistake of each kind: each has its own message, with where and what to do next, and no traceback."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import ALFA, BRAV, Demonstration, Town, call
from tests.support.rows import row, write_csv


def _good_file(folder: Path) -> Path:
    moment = datetime.now(UTC) - timedelta(days=9)
    return write_csv(folder / "good.csv", [row(90, moment, ALFA, BRAV, bank=ALFA)])


@pytest.mark.parametrize(
    "words",
    [
        ("fsck",),
        ("consortium", "status"),
        ("desk", "sync"),
        ("desk", "scan"),
        ("desk", "check"),
        ("desk", "serve", "--port", "0"),
        ("audit", "completeness"),
        ("flag", "list"),
        ("flag", "show", "ab"),
        ("flag", "replay", "ab"),
        ("keyholder", "serve"),
        ("member", "post", "-m", ALFA),
        ("member", "status", "-m", ALFA),
        ("member", "receipt", "-m", ALFA, "0:0"),
        ("member", "flags", "-m", ALFA),
        ("rules", "list"),
        ("chain", "stop"),
    ],
    ids=" ".join,
)
def test_without_a_consortium_every_command_says_what_to_do_and_leaves_nothing_behind(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    home = tmp_path / "nothing here"
    said = call(home, *words).expect(2)
    assert said.out == ""
    assert "error: " in said.err
    assert f"where: {home}" in said.err
    assert "next:" in said.err or words == ("chain", "stop")
    assert not home.exists()


def test_wrong_usage_is_told_from_wrong_input(tmp_path: Path) -> None:
    for words in (("nonsense",), ("flag", "show"), ("member", "post"), ("--nonsense", "fsck")):
        assert "Error" in call(tmp_path, *words).expect(2).err
    assert "officer" in call(tmp_path, "desk", "token", "king", "anna").expect(2).err


@pytest.mark.parametrize("name", ["..", "a/b", "../../etc", "", "x" * 40, "bank one"])
def test_an_agent_is_no_path(tmp_path: Path, name: str) -> None:
    said = call(tmp_path / "home", "member", "init", name).expect(2)
    assert "not an agent identifier" in " ".join(said.err.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_said_before_the_work(demonstration: Demonstration, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for home, words in ((tmp_path / "new", ("demo",)), (demonstration.home, ("desk", "serve"))):
            said = call(home, *words, "--port", port).expect(2)
            assert f"cannot listen on port {port}" in said.err
            assert "--port" in said.err
    assert not (tmp_path / "new").exists()


def test_files_that_are_not_there_or_not_theirs(demonstration: Demonstration, tmp_path: Path) -> None:
    home, missing = demonstration.home, tmp_path / "missing"
    for words in (("verify", missing), ("scan", missing), ("demo", "--once", "--file", missing)):
        target = tmp_path / "fresh" if words[0] == "demo" else home
        said = call(target, *words).expect(2)
        assert "there is no such file" in said.err
        assert str(missing) in said.err
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n", "utf-8")
    assert "lacks" in call(home, "scan", other).expect(2).err
    assert "lacks" in call(tmp_path / "fresh", "demo", "--once", "--file", other).expect(2).err
    said = call(home, "verify", other)
    assert said.code in (1, 2)
    assert "Traceback" not in said.err


def test_a_flag_that_is_not_there(demonstration: Demonstration) -> None:
    for words in (("show", "zz"), ("replay", "zz")):
        said = call(demonstration.home, "flag", *words).expect(2)
        assert "no flag starts with 'zz'" in said.err
        assert "flag list" in said.err
    assert "flags start with ''" in call(demonstration.home, "flag", "show", "").expect(2).err


def test_a_record_or_a_field_that_is_not_there(demonstration: Demonstration, town: Town) -> None:
    for key in ("nothing", "99:0", "0:999999"):
        said = call(demonstration.home, "member", "receipt", "-m", "ALFADE20", key).expect(2)
        assert f"the record {key!r}" in said.err
        assert "BATCH:INDEX" in said.err


def test_a_folder_that_cannot_be_written(demonstration: Demonstration, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", "utf-8")
    out = blocked / "receipt.json"
    said = call(demonstration.home, "member", "receipt", "-m", "ALFADE20", "0:0", "-o", out).expect(2)
    assert str(blocked) in said.err
    assert "next:" in said.err


def test_an_option_of_every_command_that_stands_after_it_is_told_its_place(tmp_path: Path) -> None:
    for option, value in (("--json", ()), ("--home", ("x",)), ("--chain", ("http://127.0.0.1:1",))):
        said = call(tmp_path, "member", "status", "-m", ALFA, option, *value).expect(2).err
        assert f"write {option} before the command" in " ".join(said.replace("│", " ").split())


# -- with a chain that runs -------------------------------------------------------------------------------


def test_an_unknown_member(town: Town) -> None:
    said = call(town.home, "member", "post", "-m", "NOBODY22").expect(2)
    assert "no keys" in said.err
    assert "member init" in said.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n", "transaction_id"),
        ("héllo,wörld\n".encode("latin-1"), "UTF-8"),
    ],
    ids=["empty", "wrong columns", "not UTF-8"],
)
def test_a_file_that_is_no_file_of_transactions(
    town: Town, tmp_path: Path, content: bytes, words: str
) -> None:
    file = tmp_path / "payments.csv"
    file.write_bytes(content)
    said = call(town.home, "member", "post", "-m", ALFA, file).expect(2)
    assert words in said.err
    assert "payments.csv" in said.err
    assert "next:" in said.err


def test_rows_kept_apart_are_counted_by_field_with_the_first_of_each(town: Town, tmp_path: Path) -> None:
    moment = datetime.now(UTC) - timedelta(days=9)
    rows = [row(n, moment, ALFA, BRAV, bank=ALFA) for n in range(200, 204)]
    rows[0]["currency"] = "EURO"
    rows[1]["timestamp"] = "05.01.2026 09:30"
    rows[2]["currency"] = "XYZ"
    shown = call(town.home, "member", "post", "-m", ALFA, write_csv(tmp_path / "p.csv", rows)).expect()
    lines = [line.split() for line in shown.out.splitlines()]
    assert ["currency", "2", "2", "'EURO'"] in [line[:4] for line in lines]
    assert ["timestamp", "1", "3", "'05.01.2026"] in [line[:4] for line in lines]
    useless = call(town.home, "member", "post", "-m", ALFA, write_csv(tmp_path / "q.csv", rows[:3])).expect(2)
    assert "every row of the file is invalid" in useless.err
    assert "q-" in useless.err
    assert "next:" in useless.err


def test_another_banks_keys_are_refused_before_they_seal_anything(town: Town, tmp_path: Path) -> None:
    path = town.home / "members" / ALFA / "keys.json"
    own = path.read_bytes()
    file = write_csv(
        tmp_path / "p.csv", [row(300, datetime.now(UTC) - timedelta(days=9), ALFA, BRAV, bank=ALFA)]
    )
    try:
        path.write_bytes((town.home / "members" / BRAV / "keys.json").read_bytes())
        for words in (("post", file), ("status",), ("flags",)):
            said = call(town.home, "member", words[0], "-m", ALFA, *words[1:]).expect(2)
            assert f"the keys of {BRAV}, not of {ALFA}" in said.err
            assert str(path) in said.err
    finally:
        path.write_bytes(own)
    assert call(town.home, "--json", "member", "post", "-m", ALFA, file).expect().json["sealed_rows"] == 1


def test_renamed_columns_are_named(town: Town, tmp_path: Path) -> None:
    file = _good_file(tmp_path)
    file.write_text(file.read_text("utf-8").replace("amount,", "betrag,", 1), "utf-8")
    said = call(town.home, "member", "post", "-m", ALFA, file).expect(2)
    assert "amount" in said.err
    assert "betrag" in said.err
    missing = call(town.home, "member", "post", "-m", ALFA, tmp_path / "none.csv").expect(2)
    assert "there is no such file" in missing.err


def test_three_wrong_chains_have_three_messages(demonstration: Demonstration, town: Town) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    status = ("consortium", "status")
    silent = call(town.home, "--chain", f"http://127.0.0.1:{port}", *status).expect(2)
    nonsense = call(town.home, "--chain", "not a url", *status).expect(2)
    foreign = call(demonstration.home, "--chain", town.url, *status).expect(2)
    said = {outcome.err.splitlines()[0] for outcome in (silent, nonsense, foreign)}
    assert len(said) == 3, said
    for outcome in (silent, nonsense, foreign):
        assert "next:" in outcome.err
    assert f"127.0.0.1:{port}" in silent.err


def test_a_key_holder_that_is_not_there(town: Town, tmp_path: Path) -> None:
    file = _good_file(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    words = ("member", "post", "-m", ALFA, file)
    named = call(town.home, *words, "--keyholder", url).expect(2)
    assert url in named.err
    assert "next:" in named.err
    endpoint = town.home / "keyholders" / "1" / "holder" / "endpoint.json"
    known = endpoint.read_bytes()
    try:
        endpoint.unlink()
        local = call(town.home, *words).expect(2)
        assert "no key holder is running" in local.err
        assert "keyholder serve" in local.err
    finally:
        endpoint.write_bytes(known)
    assert call(town.home, "--json", *words).expect().json["sealed_rows"] == 1  # taken in, and not lost


def test_a_second_key_holder_is_refused(town: Town) -> None:
    assert "already running at" in call(town.home, "keyholder", "serve").expect(2).err


def test_a_receipt_before_the_desk_has_signed(town: Town) -> None:
    call(town.home, "member", "post", "-m", BRAV, town.files[BRAV]).expect()
    said = call(town.home, "member", "receipt", "-m", BRAV, "0:0").expect(2)
    assert "checkpoint" in said.err
    assert "desk sync" in said.err


def test_a_disclosure_of_no_field_or_without_purpose(town: Town) -> None:
    call(town.home, "desk", "sync").expect()
    words = ("member", "disclose", "-m", BRAV, "0:0", "--recipient", "y")
    unknown = call(town.home, *words, "-f", "shoe_size", "--purpose", "x").expect(2)
    assert "shoe_size" in unknown.err
    assert "amount" in unknown.err
    silent = call(town.home, *words, "-f", "amount", "--purpose", " ").expect(2)
    assert "purpose" in silent.err
    nobody = call(town.home, *words[:-1], " ", "-f", "amount", "--purpose", "x").expect(2)
    assert "recipient" in nobody.err
