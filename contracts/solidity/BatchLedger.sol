// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Consortium} from "./Consortium.sol";

/**
 * @title BatchLedger
 * @notice Where members post sealed batches of encoded transactions. Each member has its own hash chain; the global
 * log index is the batch's leaf in the consortium's log tree.
 *
 * @dev The batch hash is computed here, from what the chain itself knows (chain id, this contract, the sender), so
 * a header cannot lie about where or by whom it was posted. Rows stand in the event only: nothing reads them on
 * chain, and storage would cost a hundred times more.
 *
 * WARNING: `rowsRoot` is the member's claim. The contract cannot open the seal; a reader must recompute the root
 * from what it opened before it believes a row.
 *
 * NOTE: There is no owner and no way to alter, drop or reorder a batch, by anybody.
 */
contract BatchLedger {
    struct Head {
        uint64 nextSequence;
        bytes32 batchHash;
    }

    /// @notice Version of the packed batch header.
    uint8 public constant HEADER_VERSION = 1;
    /// @notice Cryptographic suite of the header and the envelope.
    uint8 public constant SUITE = 1;
    /// @notice Most rows in one batch.
    uint32 public constant MAX_ROWS = 4096;

    Consortium private immutable _consortium;
    mapping(address member => Head) private _heads;
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
    /// @notice A batch without its sealed rows.
    error BatchLedgerEmptyPayload();

    constructor(Consortium consortium_) {
        _consortium = consortium_;
    }

    /**
     * @notice Posts the sender's next batch.
     * @param sequence The sender's next sequence number, from 0.
     * @param previousHash The sender's last batch hash; zero for the first.
     * @param payload The sealed rows; `rowsRoot` is the RFC 6962 root over the packed rows inside.
     * @return batchHash SHA-256 of the packed header, see `headerBytes`.
     *
     * WARNING: A retry must send the very same signed transaction. A batch sealed anew has another payload under
     * the same sequence number, and only one of the two can ever be accepted.
     */
    function post(
        uint64 sequence,
        bytes32 previousHash,
        uint32 epoch,
        bytes32 policyHash,
        uint32 rowCount,
        bytes32 rowsRoot,
        bytes calldata payload
    ) external returns (bytes32 batchHash) {
        if (_consortium.paused()) revert BatchLedgerPaused();
        // the member's code is not needed: it is the revert that counts
        // slither-disable-next-line unused-return
        _consortium.requireActive(msg.sender);
        _requireNext(sequence, previousHash);
        if (!_consortium.isEpoch(epoch)) revert BatchLedgerUnknownEpoch(epoch);
        if (!_consortium.isPolicy(policyHash)) revert BatchLedgerUnknownPolicy(policyHash);
        if (rowCount == 0 || rowCount > MAX_ROWS) revert BatchLedgerInvalidRowCount(rowCount);
        if (payload.length == 0) revert BatchLedgerEmptyPayload();

        batchHash = sha256(
            headerBytes(msg.sender, sequence, previousHash, epoch, policyHash, rowCount, rowsRoot)
        );
        _heads[msg.sender] = Head(sequence + 1, batchHash);
        emit BatchPosted(
            msg.sender,
            sequence,
            _logSize++,
            batchHash,
            previousHash,
            epoch,
            policyHash,
            rowCount,
            rowsRoot,
            payload
        );
    }

    /// @notice A member's next sequence number and its last batch hash (0 and zero before the first).
    function headOf(address member) external view returns (uint64 nextSequence, bytes32 head) {
        Head storage current = _heads[member];
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

    /// @notice The packed batch header, big-endian and without padding, whose SHA-256 is the batch hash.
    function headerBytes(
        address member,
        uint64 sequence,
        bytes32 previousHash,
        uint32 epoch,
        bytes32 policyHash,
        uint32 rowCount,
        bytes32 rowsRoot
    ) public view returns (bytes memory) {
        return
            abi.encodePacked(
                HEADER_VERSION,
                SUITE,
                uint64(block.chainid),
                address(this),
                member,
                sequence,
                previousHash,
                epoch,
                policyHash,
                rowCount,
                rowsRoot
            );
    }

    function _requireNext(uint64 sequence, bytes32 previousHash) private view {
        Head storage current = _heads[msg.sender];
        if (sequence != current.nextSequence) {
            revert BatchLedgerUnexpectedSequence(current.nextSequence, sequence);
        }
        if (previousHash != current.batchHash) {
            revert BatchLedgerUnexpectedPreviousHash(current.batchHash, previousHash);
        }
    }
}
