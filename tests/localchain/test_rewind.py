"""The development command that makes a reorganisation: blocks are gone, and the chain goes on otherwise."""

from __future__ import annotations

import pytest

from localchain.check import check
from localchain.errors import ChainInUseError
from localchain.faucet import fund
from localchain.rewind import main, rewind


def test_the_chain_goes_on_from_an_earlier_block_on_another_branch(tmp_path, serving, new_sender, capsys):
    home = tmp_path / "home"
    place = ["--home", str(home)]
    addresses = [new_sender().account.address for _ in range(5)]
    with serving(home) as node:
        for address in addresses:
            fund(node.url, home, [address], 1)
        kept, gone = (node.result("eth_getBlockByNumber", hex(n), True) for n in (2, 3))
        with pytest.raises(ChainInUseError):
            rewind(home, 1)
    assert main([*place, "--blocks", "3", "--development"]) == 0
    assert "block 2 now" in capsys.readouterr().out
    assert check(home / "chain.sqlite3").block_hash == kept["hash"]
    with serving(home) as node:
        assert node.result("eth_blockNumber") == "0x2"
        assert node.result("eth_getBalance", addresses[1], "latest") == hex(10**18)
        assert node.result("eth_getBalance", addresses[2], "latest") == "0x0"
        assert node.result("eth_getTransactionReceipt", gone["transactions"][0]["hash"]) is None
        assert node.result("eth_getBlockByHash", gone["hash"], False) is None
        fund(node.url, home, [addresses[4]], 2)
        other = node.result("eth_getBlockByNumber", "0x3", False)
        assert other["parentHash"] == kept["hash"]
        assert other["hash"] != gone["hash"]
    assert check(home / "chain.sqlite3").block == 3


def test_it_drops_no_more_than_there_is_and_nothing_by_accident(tmp_path, serving, capsys):
    home = tmp_path / "home"
    place = ["--home", str(home)]
    assert main([*place, "--blocks", "1", "--development"]) == 2
    with serving(home):
        pass
    for blocks in ("1", "0", "-1"):
        assert main([*place, "--blocks", blocks, "--development"]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert "cannot drop" in said
        assert "Name 1 or more" in said
    with pytest.raises(SystemExit):
        main([*place, "--blocks", "1"])
