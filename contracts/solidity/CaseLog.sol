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
 * Members, officers and auditors may append so much in a day (`Consortium.limits`); the desk is not limited, since
 * its flags are what the log is for. An officer's entries count with its member's.
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

    struct Usage {
        uint64 day;
        uint32 entries;
        uint32 bytesUsed;
    }

    /// @notice Longest payload of one entry.
    uint256 public constant MAX_PAYLOAD = 122_880;

    uint8 private constant FLAG = 1;
    uint8 private constant FINDING = 2;
    uint8 private constant DECISION = 3;
    uint8 private constant REQUEST = 4;
    uint8 private constant ANSWER = 5;
    uint8 private constant NOTE = 6;

    Consortium private immutable _consortium;
    mapping(bytes32 contentId => bool) private _contents;
    /// @dev By member code, or by account for an auditor, which belongs to no member.
    mapping(uint256 owner => Usage) private _usage;
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

    /// @notice The consortium is not founded yet.
    error CaseLogNotFounded();
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
    /// @notice The payload is longer than `MAX_PAYLOAD`.
    error CaseLogPayloadTooLong(uint256 bytesGiven);
    /// @notice The author, or its member, has appended as much today as the consortium allows.
    error CaseLogQuotaExceeded(uint32 entriesLeft, uint32 bytesLeft);

    constructor(Consortium consortium_) {
        _consortium = consortium_;
    }

    /// @notice Appends entries in their order: all of them, or none.
    function append(Entry[] calldata entries) external {
        if (!_consortium.founded()) revert CaseLogNotFounded();
        if (_consortium.paused()) revert CaseLogPaused();
        if (entries.length == 0) revert CaseLogEmpty();
        bytes32 newHead = _head;
        uint64 index = _size;
        for (uint256 i = 0; i < entries.length; ++i) {
            // Asked once for a run of one kind: nobody's role changes within a call.
            if (i == 0 || entries[i].kind != entries[i - 1].kind) _requireMayAppend(entries[i].kind);
            _spend(entries[i].kind, entries[i].payload.length);
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

    /**
     * @dev What the desk writes is not counted.
     *
     * Slither's calls-loop: see `_requireMayAppend`. Its timestamp and incorrect-equality: a day is compared with a
     * day, and a validator may move the time by seconds only.
     */
    // slither-disable-start calls-loop
    // slither-disable-next-line timestamp,incorrect-equality
    function _spend(uint8 kind, uint256 bytesAdded) private {
        if (bytesAdded > MAX_PAYLOAD) revert CaseLogPayloadTooLong(bytesAdded);
        if (kind != DECISION && kind != REQUEST && kind != ANSWER) return;
        uint256 owner = _ownerOf(kind);
        Consortium.Limits memory limits = _consortium.limits();
        uint64 today = uint64(block.timestamp / 1 days);
        Usage memory usage = _usage[owner];
        if (usage.day != today) usage = Usage(today, 0, 0);
        uint32 entriesLeft = usage.entries < limits.caseEntriesPerDay
            ? limits.caseEntriesPerDay - usage.entries
            : 0;
        uint32 bytesLeft = usage.bytesUsed < limits.caseBytesPerDay
            ? limits.caseBytesPerDay - usage.bytesUsed
            : 0;
        if (entriesLeft == 0 || bytesAdded > bytesLeft) revert CaseLogQuotaExceeded(entriesLeft, bytesLeft);
        _usage[owner] = Usage(today, usage.entries + 1, usage.bytesUsed + uint32(bytesAdded));
    }

    function _ownerOf(uint8 kind) private view returns (uint256) {
        if (kind == ANSWER) return _consortium.codeOf(msg.sender);
        uint16 member = _consortium.officerOf(msg.sender);
        return member == 0 ? uint256(uint160(msg.sender)) : member;
    }
    // slither-disable-end calls-loop

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
