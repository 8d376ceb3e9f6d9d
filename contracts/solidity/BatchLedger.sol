// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Consortium} from "./Consortium.sol";
import {PseudonymKeys} from "./PseudonymKeys.sol";
import {TypedData} from "./TypedData.sol";

/**
 * @title BatchLedger
 * @notice Where members post sealed batches of encoded transactions. Each member has its own hash chain; the global
 * log index is the batch's leaf in the consortium's log tree.
 *
 * @dev The batch hash is computed here, from what the chain itself knows (chain id, this contract, the sender), so
 * a header cannot lie about where or by whom it was posted. The author signs the header too (EIP-712): the
 * signature travels with the batch, so that who never saw the chain can check who posted. Rows stand in the event
 * only: nothing reads them on chain, and storage would cost a hundred times more.
 *
 * WARNING: `rowsRoot` is the member's claim. The contract cannot open the seal; a reader must recompute the root
 * from what it opened before it believes a row.
 *
 * NOTE: There is no owner and no way to alter, drop or reorder a batch, by anybody.
 */
contract BatchLedger {
    /// @notice What the author states of a batch; the rest of its header is what the chain knows.
    struct Header {
        uint64 sequence;
        bytes32 previousHash;
        uint32 epoch;
        bytes32 policyHash;
        uint32 rowCount;
        bytes32 rowsRoot;
    }

    struct Head {
        uint64 nextSequence;
        bytes32 batchHash;
    }

    /// @notice Version of the packed batch header.
    uint8 public constant HEADER_VERSION = 2;
    /// @notice Cryptographic suite of the header and the envelope.
    uint8 public constant SUITE = 1;
    /// @notice Most rows in one batch.
    uint32 public constant MAX_ROWS = 4096;

    /// @notice What the author of a batch signs (EIP-712); chain and contract are in the domain.
    bytes32 public constant HEADER_TYPE =
        keccak256(
            "BatchHeader(uint8 version,uint8 suite,address member,uint64 sequence,bytes32 previousHash,"
            "uint32 epoch,bytes32 policyHash,uint32 rowCount,bytes32 rowsRoot)"
        );

    Consortium private immutable _consortium;
    PseudonymKeys private immutable _keys;
    bytes32 private immutable _domainSeparator;
    /// @dev By code, not by account: a member that replaces its account goes on where it was.
    mapping(uint16 code => Head) private _heads;
    uint64 private _logSize;

    event BatchPosted(
        address indexed member,
        uint64 indexed sequence,
        uint64 indexed logIndex,
        bytes32 batchHash,
        bytes32 previousHash,
        uint32 epoch,
        bytes32 policyHash,
        uint32 rowCount,
        bytes32 rowsRoot,
        bytes signature,
        bytes payload
    );

    /// @notice The consortium is paused.
    error BatchLedgerPaused();
    /// @notice A gap or a repetition in the member's own sequence.
    error BatchLedgerUnexpectedSequence(uint64 expected, uint64 got);
    /// @notice The batch does not follow the member's last one.
    error BatchLedgerUnexpectedPreviousHash(bytes32 expected, bytes32 got);
    /// @notice The epoch of the pseudonym key was never opened.
    error BatchLedgerUnknownEpoch(uint32 epoch);
    /// @notice The encoding policy was never published.
    error BatchLedgerUnknownPolicy(bytes32 policyHash);
    /// @notice No rows, or more than `MAX_ROWS`.
    error BatchLedgerInvalidRowCount(uint32 rowCount);
    /// @notice The sender did not sign the header, or not in the canonical form.
    error BatchLedgerNotSignedBy(address member);
    /// @notice A batch without its sealed rows.
    error BatchLedgerEmptyPayload();

    constructor(Consortium consortium_, PseudonymKeys keys_) {
        _consortium = consortium_;
        _keys = keys_;
        _domainSeparator = TypedData.domainSeparator(address(this), consortium_.genesisHash());
    }

    /**
     * @notice Posts the sender's next batch.
     * @param header The sender's next sequence number, from 0; its last batch hash, zero for the first; the epoch
     * and the policy of the rows; their number, and the RFC 6962 root over the packed rows.
     * @param signature The sender's signature over the header (EIP-712, `HEADER_TYPE`).
     * @param payload The sealed rows.
     * @return batchHash SHA-256 of the packed header, see `headerBytes`.
     *
     * WARNING: A retry must send the very same signed transaction. A batch sealed anew has another payload under
     * the same sequence number, and only one of the two can ever be accepted.
     */
    function post(
        Header calldata header,
        bytes calldata signature,
        bytes calldata payload
    ) external returns (bytes32 batchHash) {
        if (_consortium.paused()) revert BatchLedgerPaused();
        uint16 code = _consortium.requireActive(msg.sender);
        _requireNext(code, header);
        if (!_keys.isEpoch(header.epoch)) revert BatchLedgerUnknownEpoch(header.epoch);
        if (!_consortium.isPolicy(header.policyHash)) revert BatchLedgerUnknownPolicy(header.policyHash);
        if (header.rowCount == 0 || header.rowCount > MAX_ROWS) {
            revert BatchLedgerInvalidRowCount(header.rowCount);
        }
        if (payload.length == 0) revert BatchLedgerEmptyPayload();
        if (TypedData.signer(_domainSeparator, _structHash(msg.sender, header), signature) != msg.sender) {
            revert BatchLedgerNotSignedBy(msg.sender);
        }

        batchHash = sha256(headerBytes(msg.sender, header));
        _heads[code] = Head(header.sequence + 1, batchHash);
        emit BatchPosted(
            msg.sender,
            header.sequence,
            _logSize++,
            batchHash,
            header.previousHash,
            header.epoch,
            header.policyHash,
            header.rowCount,
            header.rowsRoot,
            signature,
            payload
        );
    }

    /// @notice A member's next sequence number and its last batch hash (0 and zero before the first).
    function headOf(address member) external view returns (uint64 nextSequence, bytes32 head) {
        Head storage current = _heads[_consortium.codeOf(member)];
        return (current.nextSequence, current.batchHash);
    }

    /// @notice How many batches were posted by all members; the next log index.
    function logSize() external view returns (uint64) {
        return _logSize;
    }

    /// @notice The consortium whose members may post.
    function consortium() external view returns (Consortium) {
        return _consortium;
    }

    /// @notice The contract that names the epochs of the pseudonym key.
    function keys() external view returns (PseudonymKeys) {
        return _keys;
    }

    /// @notice The packed batch header, big-endian and without padding, whose SHA-256 is the batch hash.
    function headerBytes(address member, Header calldata header) public view returns (bytes memory) {
        return
            abi.encodePacked(
                HEADER_VERSION,
                SUITE,
                uint64(block.chainid),
                address(this),
                member,
                header.sequence,
                header.previousHash,
                header.epoch,
                header.policyHash,
                header.rowCount,
                header.rowsRoot
            );
    }

    function _structHash(address member, Header calldata header) private pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    HEADER_TYPE,
                    HEADER_VERSION,
                    SUITE,
                    member,
                    header.sequence,
                    header.previousHash,
                    header.epoch,
                    header.policyHash,
                    header.rowCount,
                    header.rowsRoot
                )
            );
    }

    function _requireNext(uint16 code, Header calldata header) private view {
        Head storage current = _heads[code];
        if (header.sequence != current.nextSequence) {
            revert BatchLedgerUnexpectedSequence(current.nextSequence, header.sequence);
        }
        if (header.previousHash != current.batchHash) {
            revert BatchLedgerUnexpectedPreviousHash(current.batchHash, header.previousHash);
        }
    }
}
