// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/**
 * @title TypedData
 * @notice Signatures of typed data (EIP-712) that hold for one contract, on one chain, from one first block.
 *
 * @dev OpenZeppelin's EIP712 has no salt and needs a newer network than London; this is its core. The salt is the
 * hash of the chain's first block, so that a signature is worth nothing on a chain that copies the chain id.
 */
library TypedData {
    bytes32 private constant DOMAIN_TYPE =
        keccak256(
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
        );
    bytes32 private constant NAME = keccak256("Counterfoil");
    bytes32 private constant VERSION = keccak256("2");
    /// @dev Half the order of secp256k1: of the two values of s, only the lower is a signature (EIP-2).
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @notice The value that binds a signature to a contract on a chain.
    function domainSeparator(address verifyingContract, bytes32 genesisHash) internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPE, NAME, VERSION, block.chainid, verifyingContract, genesisHash));
    }

    /**
     * @notice The account that signed a structure; zero if the signature is not in its one canonical form: 65
     * bytes r, s, v, with s in the lower half and v 27 or 28.
     *
     * WARNING: Every canonical signature is of some account. Compare the result with the account you expect, and
     * never expect zero.
     */
    function signer(
        bytes32 separator,
        bytes32 structHash,
        bytes calldata signature
    ) internal pure returns (address) {
        if (signature.length != 65) return address(0);
        bytes32 r = bytes32(signature[0:32]);
        bytes32 s = bytes32(signature[32:64]);
        uint8 v = uint8(signature[64]);
        if (uint256(s) > HALF_ORDER || (v != 27 && v != 28)) return address(0);
        return ecrecover(keccak256(abi.encodePacked(hex"1901", separator, structHash)), v, r, s);
    }
}
