// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Consortium} from "./Consortium.sol";

/**
 * @title RuleBook
 * @notice The life of the rule sets that checks run by: drafted, edited, backtested, proposed, approved by two
 * officers who wrote none of it, active, superseded or withdrawn.
 *
 * @dev Documents stand whole in the events and are named by their SHA-256. An edit is a new draft that names the
 * one it changes, so that everybody who wrote a part is known. A hash is used once; to return to an older rule
 * set, propose a document that says so.
 *
 * WARNING: The contract counts officers, not their judgement. Two accounts of one person pass as two officers;
 * grant `OFFICER_ROLE` to persons, one account each. It does not require a backtest: officers see in the open
 * whether there was one.
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
    }

    /// @notice An approval looks at every author before it, so a chain of edits is bounded.
    uint8 public constant MAX_EDITS = 64;

    Consortium private immutable _consortium;
    mapping(bytes32 ruleSetHash => Proposal) private _proposals;
    bytes32 private _activeHash;
    uint32 private _activeVersion;

    event RuleSetDrafted(
        bytes32 indexed ruleSetHash,
        address indexed author,
        bytes32 indexed previous,
        bytes document
    );
    event RuleSetBacktested(
        bytes32 indexed ruleSetHash,
        address indexed officer,
        bytes32 indexed reportHash,
        bytes report
    );
    event RuleSetSubmitted(bytes32 indexed ruleSetHash, address indexed author);
    event RuleSetProposed(bytes32 indexed ruleSetHash, address indexed author, bytes document);
    event RuleSetApproved(bytes32 indexed ruleSetHash, address indexed officer, uint8 approvals);
    event RuleSetActivated(bytes32 indexed ruleSetHash, uint32 indexed version);
    event RuleSetSuperseded(bytes32 indexed ruleSetHash, bytes32 indexed successor);
    event RuleSetWithdrawalApproved(bytes32 indexed ruleSetHash, address indexed officer, uint8 approvals);
    event RuleSetWithdrawn(bytes32 indexed ruleSetHash, address indexed author);

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
    /// @notice Who wrote the rule set, or an edit it comes from, cannot approve it.
    error RuleBookAuthorCannotApprove(address author);
    /// @notice The officer has approved already.
    error RuleBookAlreadyApproved(address officer);
    /// @notice Only the author can do that.
    error RuleBookNotAuthor(address account);

    modifier onlyOfficer() {
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
     */
    function draft(bytes calldata document, bytes32 previous) external onlyOfficer returns (bytes32 ruleSetHash) {
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
        _proposals[ruleSetHash] = Proposal(Status.Drafted, msg.sender, address(0), previous, edits);
        emit RuleSetDrafted(ruleSetHash, msg.sender, previous, document);
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
    function propose(bytes calldata document) external onlyOfficer returns (bytes32 ruleSetHash) {
        ruleSetHash = _newHash(document);
        _proposals[ruleSetHash] = Proposal(Status.Proposed, msg.sender, address(0), bytes32(0), 0);
        emit RuleSetProposed(ruleSetHash, msg.sender, document);
    }

    /**
     * @notice Approves a proposed rule set; the second officer's approval activates it and supersedes the one in
     * force.
     *
     * NOTE: An approval counts while its officer is one. If the first officer has lost the role meanwhile, the
     * next approval takes its place instead of activating.
     */
    function approve(bytes32 ruleSetHash) external onlyOfficer {
        Proposal storage proposal = _requireProposed(ruleSetHash);
        if (_wrote(ruleSetHash, msg.sender)) revert RuleBookAuthorCannotApprove(msg.sender);
        if (!_second(proposal)) {
            emit RuleSetApproved(ruleSetHash, msg.sender, 1);
            return;
        }
        bytes32 before = _activeHash;
        proposal.status = Status.Active;
        proposal.firstOfficer = address(0);
        _activeHash = ruleSetHash;
        uint32 version = ++_activeVersion;
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
     * @notice Takes the rule set in force out of force; the second officer's approval does it.
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

    /// @notice The consortium that names the officers.
    function consortium() external view returns (Consortium) {
        return _consortium;
    }

    function _newHash(bytes calldata document) private view returns (bytes32 ruleSetHash) {
        if (document.length == 0) revert RuleBookEmptyDocument();
        ruleSetHash = sha256(document);
        if (_proposals[ruleSetHash].status != Status.None) revert RuleBookAlreadyProposed(ruleSetHash);
    }

    /// @dev Returns whether a counting approval stands already; otherwise the sender's becomes the first.
    function _second(Proposal storage proposal) private returns (bool) {
        address first = proposal.firstOfficer;
        if (msg.sender == first) revert RuleBookAlreadyApproved(msg.sender);
        if (first == address(0) || !_isOfficer(first)) {
            proposal.firstOfficer = msg.sender;
            return false;
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

    function _requireProposed(bytes32 ruleSetHash) private view returns (Proposal storage proposal) {
        proposal = _proposals[ruleSetHash];
        if (proposal.status != Status.Proposed) revert RuleBookNotProposed(ruleSetHash);
    }

    function _isOfficer(address account) private view returns (bool) {
        return _consortium.hasRole(_consortium.OFFICER_ROLE(), account);
    }
}
