// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Consortium} from "./Consortium.sol";
import {PseudonymKeys} from "./PseudonymKeys.sol";

/**
 * @title EvaluationLog
 * @notice What each member asks the holders of the pseudonym key to evaluate: the count and the root of its
 * blinded elements. Holders evaluate only what stands here.
 *
 * @dev The elements are blinded, so nobody learns an account from them. An auditor later draws some of them, and
 * the member shows for each the account and the row it was needed for. So a guess of an account costs a row that
 * is attributed to the member and can be audited.
 *
 * WARNING: Nothing here proves that an element belongs to a row; the audit does, for the elements it draws.
 */
contract EvaluationLog {
    struct Request {
        uint16 member;
        uint32 epoch;
        uint32 count;
        bool link;
        uint32 linkedEpoch;
        bytes32 root;
    }

    struct Usage {
        uint64 day;
        uint64 used;
    }

    /// @notice Most elements in one request.
    uint32 public constant MAX_COUNT = 2 ** 20;

    Consortium private immutable _consortium;
    PseudonymKeys private immutable _keys;
    uint64 private _requestCount;
    mapping(uint64 number => Request) private _requests;
    mapping(uint16 code => mapping(bytes32 root => uint64 number)) private _numbers;
    mapping(uint16 code => Usage) private _usage;
    /// @dev Evaluations that the members granted beyond those of a day, to load history.
    mapping(uint16 code => uint64) private _grants;
    mapping(uint64 number => mapping(address holder => bool)) private _linkApprovals;

    event EvaluationRequested(
        uint64 indexed number,
        uint16 indexed member,
        uint32 indexed epoch,
        uint32 count,
        bytes32 root
    );
    event LinkRequested(uint64 indexed number, uint32 indexed linkedEpoch, string reason);
    event LinkApproved(uint64 indexed number, address indexed holder);
    event EvaluationsGranted(uint16 indexed member, uint64 count);

    /// @notice The consortium is paused.
    error EvaluationLogPaused();
    /// @notice Only an approved proposal of the consortium can do this.
    error EvaluationLogNotApproved(address account);
    /// @notice The epoch of the pseudonym key was never opened.
    error EvaluationLogUnknownEpoch(uint32 epoch);
    /// @notice No elements, or more than `MAX_COUNT`, or no root.
    error EvaluationLogInvalidRequest();
    /// @notice The member made this request before.
    error EvaluationLogRepeated(uint64 number);
    /// @notice The member joined lately and may not ask yet.
    error EvaluationLogTooEarly(uint64 from);
    /// @notice The member has too few evaluations left today, also with what was granted.
    error EvaluationLogQuotaExceeded(uint64 left, uint32 wanted);
    /// @notice There is no such request, or it does not link epochs.
    error EvaluationLogUnknownLink(uint64 number);
    /// @notice The account holds no share of the epoch's key.
    error EvaluationLogNotHolder(address account);

    constructor(Consortium consortium_, PseudonymKeys keys_) {
        _consortium = consortium_;
        _keys = keys_;
    }

    /**
     * @notice Asks for evaluations under the key of an epoch, for rows of this epoch.
     * @param count How many elements.
     * @param root RFC 6962 root over the blinded elements, 32 bytes each.
     */
    function request(uint32 epoch, uint32 count, bytes32 root) external returns (uint64 number) {
        return _request(Request(0, epoch, count, false, 0, root));
    }

    /**
     * @notice Asks for evaluations under the key of an epoch for accounts of another epoch, so that their
     * pseudonyms can be linked. Holders evaluate it only when they have approved it here, each for itself.
     * @param reason Why; it is public.
     */
    function requestLink(
        uint32 epoch,
        uint32 linkedEpoch,
        uint32 count,
        bytes32 root,
        string calldata reason
    ) external returns (uint64 number) {
        if (linkedEpoch == epoch || !_keys.isEpoch(linkedEpoch)) {
            revert EvaluationLogUnknownEpoch(linkedEpoch);
        }
        number = _request(Request(0, epoch, count, true, linkedEpoch, root));
        emit LinkRequested(number, linkedEpoch, reason);
    }

    /// @notice Records that a holder agrees to link two epochs for one request.
    function approveLink(uint64 number) external {
        Request storage known = _requests[number];
        if (!known.link) revert EvaluationLogUnknownLink(number);
        if (!_keys.isHolder(known.epoch, msg.sender)) revert EvaluationLogNotHolder(msg.sender);
        if (_linkApprovals[number][msg.sender]) revert EvaluationLogRepeated(number);
        _linkApprovals[number][msg.sender] = true;
        emit LinkApproved(number, msg.sender);
    }

    /// @notice Grants a member evaluations beyond those of a day, to load its history.
    function grant(uint16 member, uint64 count) external {
        if (msg.sender != address(_consortium)) revert EvaluationLogNotApproved(msg.sender);
        _grants[member] += count;
        emit EvaluationsGranted(member, count);
    }

    /// @notice What a member asked for; all zero if there is no such request.
    function requestAt(uint64 number) external view returns (Request memory) {
        return _requests[number];
    }

    /// @notice How many requests there were; their numbers are 1 to this number.
    function requestCount() external view returns (uint64) {
        return _requestCount;
    }

    /// @notice The number of a member's request with a root; zero if it made none.
    function numberOf(uint16 member, bytes32 root) external view returns (uint64) {
        return _numbers[member][root];
    }

    /// @notice Whether a holder approved that two epochs are linked for a request.
    function isLinkApproved(uint64 number, address holder) external view returns (bool) {
        return _linkApprovals[number][holder];
    }

    /**
     * @notice How many evaluations a member has left: today, and granted beyond.
     *
     * Slither's timestamp and incorrect-equality, here and below: a day is compared with a day, and a validator may
     * move the time by seconds only.
     */
    // slither-disable-next-line timestamp,incorrect-equality
    function left(uint16 member) public view returns (uint64 today, uint64 granted) {
        uint64 perDay = _consortium.limits().evaluationsPerDay;
        Usage storage usage = _usage[member];
        uint64 used = usage.day == _today() ? usage.used : 0;
        return (used < perDay ? perDay - used : 0, _grants[member]);
    }

    /// @notice The consortium that names members and limits.
    function consortium() external view returns (Consortium) {
        return _consortium;
    }

    /// @notice The contract that names epochs and holders.
    function keys() external view returns (PseudonymKeys) {
        return _keys;
    }

    // slither-disable-next-line timestamp
    function _request(Request memory asked) private returns (uint64 number) {
        if (_consortium.paused()) revert EvaluationLogPaused();
        uint16 code = _consortium.requireActive(msg.sender);
        if (!_keys.isEpoch(asked.epoch)) revert EvaluationLogUnknownEpoch(asked.epoch);
        if (asked.count == 0 || asked.count > MAX_COUNT || asked.root == 0) {
            revert EvaluationLogInvalidRequest();
        }
        if (_numbers[code][asked.root] != 0) revert EvaluationLogRepeated(_numbers[code][asked.root]);
        uint64 from = _consortium.evaluatesFrom(code);
        if (block.timestamp < from) revert EvaluationLogTooEarly(from);
        _spend(code, asked.count);
        number = ++_requestCount;
        asked.member = code;
        _requests[number] = asked;
        _numbers[code][asked.root] = number;
        emit EvaluationRequested(number, code, asked.epoch, asked.count, asked.root);
    }

    /// @dev The evaluations of the day are used first, then those that were granted.
    // slither-disable-next-line timestamp,incorrect-equality
    function _spend(uint16 code, uint32 count) private {
        (uint64 today, uint64 granted) = left(code);
        uint64 ofToday = count < today ? count : today;
        if (count - ofToday > granted) revert EvaluationLogQuotaExceeded(today + granted, count);
        uint64 used = _usage[code].day == _today() ? _usage[code].used : 0;
        _usage[code] = Usage(_today(), used + ofToday);
        _grants[code] = granted - (count - ofToday);
    }

    function _today() private view returns (uint64) {
        return uint64(block.timestamp / 1 days);
    }
}
