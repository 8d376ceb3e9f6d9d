// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Consortium} from "./Consortium.sol";

/**
 * @title RuleBook
 * @notice The life of the rule sets that checks run by: drafted, edited, backtested, proposed, approved by two
 * officers of two members who wrote none of it, active, superseded or withdrawn.
 *
 * @dev Documents stand whole in the events and are named by their SHA-256. An edit is a new draft that names the
 * one it changes, so that everybody who wrote a part is known. Besides, each rule has a key, the hash of what it
 * decides: who brought a rule first is its author in whatever document it comes back, until a document with it
 * was in force. A hash is used once; to return to an older rule set, propose a document that says so.
 *
 * WARNING: The contract counts officers, not their judgement, and it cannot read a document: who approves checks
 * that the keys are those of the document's rules. It does not require a backtest: officers see in the open
 * whether there was one.
 *
 * NOTE: A consortium with one active member cannot have officers of two; there, two officers of the one do.
 */
contract RuleBook {
    enum Status {
        None,
        Proposed,
        Active,
        Withdrawn,
        Drafted,
        Superseded
    }

    struct Proposal {
        Status status;
        address author;
        address firstOfficer;
        bytes32 previous;
        uint8 edits;
        bytes32 keysHash;
    }

    /// @notice An approval looks at every author before it, so a chain of edits is bounded.
    uint8 public constant MAX_EDITS = 64;
    /// @notice Most rules of one document.
    uint256 public constant MAX_RULES = 512;
    /// @dev In place of an author: a rule that was in force was approved by others.
    address private constant SETTLED = address(1);

    Consortium private immutable _consortium;
    mapping(bytes32 ruleSetHash => Proposal) private _proposals;
    mapping(bytes32 ruleKey => address) private _ruleAuthors;
    bytes32 private _activeHash;
    uint32 private _activeVersion;

    event RuleSetDrafted(
        bytes32 indexed ruleSetHash,
        address indexed author,
        bytes32 indexed previous,
        bytes document,
        bytes32[] ruleKeys
    );
    event RuleSetBacktested(
        bytes32 indexed ruleSetHash,
        address indexed officer,
        bytes32 indexed reportHash,
        bytes report
    );
    event RuleSetSubmitted(bytes32 indexed ruleSetHash, address indexed author);
    event RuleSetProposed(
        bytes32 indexed ruleSetHash,
        address indexed author,
        bytes document,
        bytes32[] ruleKeys
    );
    event RuleSetApproved(bytes32 indexed ruleSetHash, address indexed officer, uint8 approvals);
    event RuleSetActivated(bytes32 indexed ruleSetHash, uint32 indexed version);
    event RuleSetSuperseded(bytes32 indexed ruleSetHash, bytes32 indexed successor);
    event RuleSetWithdrawalApproved(bytes32 indexed ruleSetHash, address indexed officer, uint8 approvals);
    event RuleSetWithdrawn(bytes32 indexed ruleSetHash, address indexed author);

    /// @notice The consortium is not founded yet.
    error RuleBookNotFounded();
    /// @notice The consortium is paused.
    error RuleBookPaused();
    /// @notice The sender is not an officer.
    error RuleBookNotOfficer(address account);
    /// @notice The document is empty.
    error RuleBookEmptyDocument();
    /// @notice The same document was drafted or proposed before.
    error RuleBookAlreadyProposed(bytes32 ruleSetHash);
    /// @notice The draft that a document is said to change is not known.
    error RuleBookUnknownPrevious(bytes32 previous);
    /// @notice The draft was edited too often; start a new one.
    error RuleBookTooManyEdits(bytes32 previous);
    /// @notice The rule set is not a draft or a proposal: unknown, active, superseded or withdrawn.
    error RuleBookNotProposed(bytes32 ruleSetHash);
    /// @notice The rule set is not in force.
    error RuleBookNotActive(bytes32 ruleSetHash);
    /// @notice Who wrote the rule set, an edit it comes from, or one of its rules, cannot approve it.
    error RuleBookAuthorCannotApprove(address author);
    /// @notice The rule keys are not those that were given with the document.
    error RuleBookOtherRules(bytes32 expected, bytes32 got);
    /// @notice More than `MAX_RULES` rules.
    error RuleBookTooManyRules(uint256 rules);
    /// @notice An officer of the same member has approved; another member's officer must approve too.
    error RuleBookSameMember(uint16 code);
    /// @notice The officer has approved already.
    error RuleBookAlreadyApproved(address officer);
    /// @notice Only the author can do that.
    error RuleBookNotAuthor(address account);

    modifier onlyOfficer() {
        if (!_consortium.founded()) revert RuleBookNotFounded();
        if (_consortium.paused()) revert RuleBookPaused();
        if (!_isOfficer(msg.sender)) revert RuleBookNotOfficer(msg.sender);
        _;
    }

    constructor(Consortium consortium_) {
        _consortium = consortium_;
    }

    /**
     * @notice Records a draft; `previous` is the rule set it edits, or zero for a new one.
     *
     * NOTE: Who wrote a draft cannot approve what others make of it. An edit of a rule set that was in force starts
     * anew: what it keeps was approved before.
     * @param ruleKeys For each rule of the document, in its order, the hash of what it decides.
     */
    function draft(
        bytes calldata document,
        bytes32 previous,
        bytes32[] calldata ruleKeys
    ) external onlyOfficer returns (bytes32 ruleSetHash) {
        ruleSetHash = _newHash(document);
        uint8 edits = 0;
        if (previous != bytes32(0)) {
            Proposal storage changed = _proposals[previous];
            if (changed.status == Status.None) revert RuleBookUnknownPrevious(previous);
            if (changed.edits == MAX_EDITS) revert RuleBookTooManyEdits(previous);
            // an active set is where a new history starts: its authors wrote what is already approved
            bool settled = changed.status == Status.Active || changed.status == Status.Superseded;
            edits = settled ? 0 : changed.edits + 1;
        }
        _record(ruleSetHash, Status.Drafted, previous, edits, ruleKeys);
        emit RuleSetDrafted(ruleSetHash, msg.sender, previous, document, ruleKeys);
    }

    /// @notice Records what a draft or a proposal came to on the mirror; the report stands whole in the event.
    function recordBacktest(bytes32 ruleSetHash, bytes calldata report) external onlyOfficer {
        Status status = _proposals[ruleSetHash].status;
        if (status != Status.Drafted && status != Status.Proposed) revert RuleBookNotProposed(ruleSetHash);
        if (report.length == 0) revert RuleBookEmptyDocument();
        emit RuleSetBacktested(ruleSetHash, msg.sender, sha256(report), report);
    }

    /// @notice Opens the sender's draft for approval.
    function submit(bytes32 ruleSetHash) external onlyOfficer {
        Proposal storage proposal = _proposals[ruleSetHash];
        if (proposal.status != Status.Drafted) revert RuleBookNotProposed(ruleSetHash);
        if (msg.sender != proposal.author) revert RuleBookNotAuthor(msg.sender);
        proposal.status = Status.Proposed;
        emit RuleSetSubmitted(ruleSetHash, msg.sender);
    }

    /// @notice Drafts a new rule set and opens it for approval at once.
    function propose(
        bytes calldata document,
        bytes32[] calldata ruleKeys
    ) external onlyOfficer returns (bytes32 ruleSetHash) {
        ruleSetHash = _newHash(document);
        _record(ruleSetHash, Status.Proposed, bytes32(0), 0, ruleKeys);
        emit RuleSetProposed(ruleSetHash, msg.sender, document, ruleKeys);
    }

    /**
     * @notice Approves a proposed rule set; the approval of a second officer, of another member, activates it and
     * supersedes the one in force.
     * @param ruleKeys The keys that were given with the document.
     *
     * NOTE: An approval counts while its officer is one. If the first officer has lost the role meanwhile, the
     * next approval takes its place instead of activating.
     */
    function approve(bytes32 ruleSetHash, bytes32[] calldata ruleKeys) external onlyOfficer {
        Proposal storage proposal = _requireProposed(ruleSetHash);
        bytes32 keysHash = keccak256(abi.encode(ruleKeys));
        if (keysHash != proposal.keysHash) revert RuleBookOtherRules(proposal.keysHash, keysHash);
        if (_wrote(ruleSetHash, msg.sender) || _wroteRule(ruleKeys, msg.sender)) {
            revert RuleBookAuthorCannotApprove(msg.sender);
        }
        if (!_second(proposal)) {
            emit RuleSetApproved(ruleSetHash, msg.sender, 1);
            return;
        }
        bytes32 before = _activeHash;
        proposal.status = Status.Active;
        proposal.firstOfficer = address(0);
        _activeHash = ruleSetHash;
        uint32 version = ++_activeVersion;
        for (uint256 i = 0; i < ruleKeys.length; ++i) _ruleAuthors[ruleKeys[i]] = SETTLED;
        emit RuleSetApproved(ruleSetHash, msg.sender, 2);
        if (before != bytes32(0)) {
            _proposals[before].status = Status.Superseded;
            emit RuleSetSuperseded(before, ruleSetHash);
        }
        emit RuleSetActivated(ruleSetHash, version);
    }

    /// @notice Withdraws the sender's own draft or proposal before it is activated, for good.
    function withdraw(bytes32 ruleSetHash) external onlyOfficer {
        Proposal storage proposal = _proposals[ruleSetHash];
        if (proposal.status != Status.Drafted) proposal = _requireProposed(ruleSetHash);
        if (msg.sender != proposal.author) revert RuleBookNotAuthor(msg.sender);
        proposal.status = Status.Withdrawn;
        emit RuleSetWithdrawn(ruleSetHash, msg.sender);
    }

    /**
     * @notice Takes the rule set in force out of force; the approval of a second officer, of another member, does
     * it.
     *
     * WARNING: Nothing is in force then until another rule set is approved.
     */
    function withdrawActive(bytes32 ruleSetHash) external onlyOfficer {
        Proposal storage proposal = _proposals[ruleSetHash];
        if (proposal.status != Status.Active) revert RuleBookNotActive(ruleSetHash);
        bool done = _second(proposal);
        emit RuleSetWithdrawalApproved(ruleSetHash, msg.sender, done ? 2 : 1);
        if (!done) return;
        proposal.status = Status.Withdrawn;
        _activeHash = bytes32(0);
        emit RuleSetWithdrawn(ruleSetHash, msg.sender);
    }

    /// @notice The active rule set and the number of rule sets ever activated (zero where none is in force).
    function activeRuleSet() external view returns (bytes32 ruleSetHash, uint32 version) {
        return (_activeHash, _activeVersion);
    }

    /// @notice Where a rule set stands, who wrote it and who approved first what is pending.
    function proposalOf(
        bytes32 ruleSetHash
    ) external view returns (Status status, address author, address firstOfficer) {
        Proposal storage proposal = _proposals[ruleSetHash];
        return (proposal.status, proposal.author, proposal.firstOfficer);
    }

    /// @notice Who brought a rule first; zero if it is unknown, or was in force and so was approved by others.
    function authorOf(bytes32 ruleKey) external view returns (address) {
        address author = _ruleAuthors[ruleKey];
        return author == SETTLED ? address(0) : author;
    }

    /// @notice The consortium that names the officers.
    function consortium() external view returns (Consortium) {
        return _consortium;
    }

    function _newHash(bytes calldata document) private view returns (bytes32 ruleSetHash) {
        if (document.length == 0) revert RuleBookEmptyDocument();
        ruleSetHash = sha256(document);
        if (_proposals[ruleSetHash].status != Status.None) revert RuleBookAlreadyProposed(ruleSetHash);
    }

    function _record(
        bytes32 ruleSetHash,
        Status status,
        bytes32 previous,
        uint8 edits,
        bytes32[] calldata ruleKeys
    ) private {
        if (ruleKeys.length > MAX_RULES) revert RuleBookTooManyRules(ruleKeys.length);
        for (uint256 i = 0; i < ruleKeys.length; ++i) {
            if (_ruleAuthors[ruleKeys[i]] == address(0)) _ruleAuthors[ruleKeys[i]] = msg.sender;
        }
        _proposals[ruleSetHash] = Proposal(
            status,
            msg.sender,
            address(0),
            previous,
            edits,
            keccak256(abi.encode(ruleKeys))
        );
    }

    /// @dev Returns whether a counting approval stands already; otherwise the sender's becomes the first.
    function _second(Proposal storage proposal) private returns (bool) {
        address first = proposal.firstOfficer;
        if (msg.sender == first) revert RuleBookAlreadyApproved(msg.sender);
        if (first == address(0) || !_isOfficer(first)) {
            proposal.firstOfficer = msg.sender;
            return false;
        }
        uint16 code = _consortium.officerOf(msg.sender);
        if (code == _consortium.officerOf(first) && _consortium.activeMembers() > 1) {
            revert RuleBookSameMember(code);
        }
        return true;
    }

    /// @dev Returns whether an account wrote the rule set or one of the drafts that it edits.
    function _wrote(bytes32 ruleSetHash, address account) private view returns (bool) {
        Proposal storage proposal = _proposals[ruleSetHash];
        while (true) {
            if (proposal.author == account) return true;
            if (proposal.edits == 0) return false;
            proposal = _proposals[proposal.previous];
        }
        return false;
    }

    /// @dev Returns whether an account brought one of these rules, and it was never in force.
    function _wroteRule(bytes32[] calldata ruleKeys, address account) private view returns (bool) {
        for (uint256 i = 0; i < ruleKeys.length; ++i) {
            if (_ruleAuthors[ruleKeys[i]] == account) return true;
        }
        return false;
    }

    function _requireProposed(bytes32 ruleSetHash) private view returns (Proposal storage proposal) {
        proposal = _proposals[ruleSetHash];
        if (proposal.status != Status.Proposed) revert RuleBookNotProposed(ruleSetHash);
    }

    function _isOfficer(address account) private view returns (bool) {
        return _consortium.hasRole(_consortium.OFFICER_ROLE(), account);
    }
}
