// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Consortium} from "./Consortium.sol";

/**
 * @title CaseLog
 * @notice Flags, findings, decisions, requests and answers, in one hash chain: who said what about a case, and in
 * which order.
 *
 * @dev Kinds: 1 flag and 2 finding by the desk, 3 decision by an officer, 4 request by an officer or an auditor,
 * 5 answer by an active member, 6 note of drift or checkpoint by the desk.
 *
 * WARNING: Payloads are public to every node of the network. Seal what names a person or a customer; `contentHash`
 * should cover a random salt, or a guess of the content can be tested against it.
 *
 * NOTE: `contentHash` is unique for one author and one kind, so that nobody can take another's content first and
 * so keep it out. It is not checked against the payload, which is usually sealed: who opens the seal compares.
 */
contract CaseLog {
    struct Entry {
        uint8 kind;
        bytes32 caseId;
        bytes32 contentHash;
        bytes payload;
    }

    uint8 private constant FLAG = 1;
    uint8 private constant FINDING = 2;
    uint8 private constant DECISION = 3;
    uint8 private constant REQUEST = 4;
    uint8 private constant ANSWER = 5;
    uint8 private constant NOTE = 6;

    Consortium private immutable _consortium;
    mapping(bytes32 contentId => bool) private _contents;
    bytes32 private _head;
    uint64 private _size;

    event CaseEntryAppended(
        uint64 indexed index,
        bytes32 indexed caseId,
        uint8 indexed kind,
        address author,
        bytes32 contentHash,
        bytes32 head,
        bytes payload
    );

    /// @notice The consortium is paused.
    error CaseLogPaused();
    /// @notice No entries were given.
    error CaseLogEmpty();
    /// @notice The kind is none of 1 to 6.
    error CaseLogInvalidKind(uint8 kind);
    /// @notice The author has no role that may append this kind.
    error CaseLogUnauthorized(address author, uint8 kind);
    /// @notice The author appended this content as this kind before.
    error CaseLogDuplicate(bytes32 contentHash);

    constructor(Consortium consortium_) {
        _consortium = consortium_;
    }

    /// @notice Appends entries in their order: all of them, or none.
    function append(Entry[] calldata entries) external {
        if (_consortium.paused()) revert CaseLogPaused();
        if (entries.length == 0) revert CaseLogEmpty();
        bytes32 newHead = _head;
        uint64 index = _size;
        for (uint256 i = 0; i < entries.length; ++i) {
            // Asked once for a run of one kind: nobody's role changes within a call.
            if (i == 0 || entries[i].kind != entries[i - 1].kind) _requireMayAppend(entries[i].kind);
            newHead = _append(entries[i], index++, newHead);
        }
        _head = newHead;
        _size = index;
    }

    /// @notice The hash over all entries; zero before the first.
    function head() external view returns (bytes32) {
        return _head;
    }

    /// @notice How many entries there are; the next index.
    function size() external view returns (uint64) {
        return _size;
    }

    /// @notice Whether an author appended content with this hash as this kind.
    function has(address author, uint8 kind, bytes32 contentHash) external view returns (bool) {
        return _contents[_contentId(author, kind, contentHash)];
    }

    /// @notice The consortium that names roles and members.
    function consortium() external view returns (Consortium) {
        return _consortium;
    }

    function _append(Entry calldata entry, uint64 index, bytes32 before) private returns (bytes32 newHead) {
        bytes32 contentId = _contentId(msg.sender, entry.kind, entry.contentHash);
        if (_contents[contentId]) revert CaseLogDuplicate(entry.contentHash);
        newHead = sha256(
            abi.encodePacked(
                before,
                index,
                entry.kind,
                entry.caseId,
                entry.contentHash,
                msg.sender,
                sha256(entry.payload)
            )
        );
        _contents[contentId] = true;
        emit CaseEntryAppended(
            index,
            entry.caseId,
            entry.kind,
            msg.sender,
            entry.contentHash,
            newHead,
            entry.payload
        );
    }

    function _contentId(address author, uint8 kind, bytes32 contentHash) private pure returns (bytes32) {
        return keccak256(abi.encode(author, kind, contentHash));
    }

    /**
     * @dev An answer asks the consortium directly, so that a suspended member reads why.
     *
     * Slither's calls-loop: the calls go to the consortium, which was fixed when this contract was deployed,
     * calls nobody and cannot be made to fail for one entry only; their number is bounded by the caller's entries
     * and its gas.
     */
    // slither-disable-start calls-loop
    function _requireMayAppend(uint8 kind) private view {
        if (kind == ANSWER) {
            // the member's code is not needed: it is the revert that counts
            // slither-disable-next-line unused-return
            _consortium.requireActive(msg.sender);
            return;
        }
        bool allowed = false;
        if (kind == FLAG || kind == FINDING || kind == NOTE) {
            allowed = _has(_consortium.DESK_ROLE());
        } else if (kind == DECISION) {
            allowed = _has(_consortium.OFFICER_ROLE());
        } else if (kind == REQUEST) {
            allowed = _has(_consortium.OFFICER_ROLE()) || _has(_consortium.AUDITOR_ROLE());
        } else {
            revert CaseLogInvalidKind(kind);
        }
        if (!allowed) revert CaseLogUnauthorized(msg.sender, kind);
    }

    function _has(bytes32 role) private view returns (bool) {
        return _consortium.hasRole(role, msg.sender);
    }
    // slither-disable-end calls-loop
}
