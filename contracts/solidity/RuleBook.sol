// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Consortium} from "./Consortium.sol";

/**
 * @title RuleBook
 * @notice The rule sets that checks run by: proposed by one officer, activated by two others.
 *
 * @dev Documents stand whole in the event and are named by their SHA-256. A hash is proposed once; to return to an
 * older rule set, propose a document that says so.
 *
 * WARNING: The contract counts officers, not their judgement. Two accounts of one person pass as two officers;
 * grant `OFFICER_ROLE` to persons, one account each.
 */
contract RuleBook {
    enum Status {
        None,
        Proposed,
        Active,
        Withdrawn
    }

    struct Proposal {
        Status status;
        address author;
        address firstOfficer;
    }

    Consortium private immutable _consortium;
    mapping(bytes32 ruleSetHash => Proposal) private _proposals;
    bytes32 private _activeHash;
    uint32 private _activeVersion;

    event RuleSetProposed(bytes32 indexed ruleSetHash, address indexed author, bytes document);
    event RuleSetApproved(bytes32 indexed ruleSetHash, address indexed officer, uint8 approvals);
    event RuleSetActivated(bytes32 indexed ruleSetHash, uint32 indexed version);
    event RuleSetWithdrawn(bytes32 indexed ruleSetHash, address indexed author);

    /// @notice The consortium is paused.
    error RuleBookPaused();
    /// @notice The sender is not an officer.
    error RuleBookNotOfficer(address account);
    /// @notice The document is empty.
    error RuleBookEmptyDocument();
    /// @notice The same document was proposed before.
    error RuleBookAlreadyProposed(bytes32 ruleSetHash);
    /// @notice The rule set is not open for approval: unknown, active or withdrawn.
    error RuleBookNotProposed(bytes32 ruleSetHash);
    /// @notice The author cannot approve its own proposal.
    error RuleBookAuthorCannotApprove(address author);
    /// @notice The officer has approved already.
    error RuleBookAlreadyApproved(address officer);
    /// @notice Only the author can withdraw.
    error RuleBookNotAuthor(address account);

    modifier onlyOfficer() {
        if (_consortium.paused()) revert RuleBookPaused();
        if (!_isOfficer(msg.sender)) revert RuleBookNotOfficer(msg.sender);
        _;
    }

    constructor(Consortium consortium_) {
        _consortium = consortium_;
    }

    /// @notice Proposes a rule set; `ruleSetHash` is the SHA-256 of the document.
    function propose(bytes calldata document) external onlyOfficer returns (bytes32 ruleSetHash) {
        if (document.length == 0) revert RuleBookEmptyDocument();
        ruleSetHash = sha256(document);
        if (_proposals[ruleSetHash].status != Status.None) revert RuleBookAlreadyProposed(ruleSetHash);
        _proposals[ruleSetHash] = Proposal(Status.Proposed, msg.sender, address(0));
        emit RuleSetProposed(ruleSetHash, msg.sender, document);
    }

    /**
     * @notice Approves a proposed rule set; the second officer's approval activates it.
     *
     * NOTE: An approval counts while its officer is one. If the first officer has lost the role meanwhile, the
     * next approval takes its place instead of activating.
     */
    function approve(bytes32 ruleSetHash) external onlyOfficer {
        Proposal storage proposal = _requireProposed(ruleSetHash);
        if (msg.sender == proposal.author) revert RuleBookAuthorCannotApprove(msg.sender);
        address first = proposal.firstOfficer;
        if (msg.sender == first) revert RuleBookAlreadyApproved(msg.sender);

        if (first == address(0) || !_isOfficer(first)) {
            proposal.firstOfficer = msg.sender;
            emit RuleSetApproved(ruleSetHash, msg.sender, 1);
            return;
        }
        proposal.status = Status.Active;
        _activeHash = ruleSetHash;
        uint32 version = ++_activeVersion;
        emit RuleSetApproved(ruleSetHash, msg.sender, 2);
        emit RuleSetActivated(ruleSetHash, version);
    }

    /// @notice Withdraws the sender's own proposal before it is activated, for good.
    function withdraw(bytes32 ruleSetHash) external onlyOfficer {
        Proposal storage proposal = _requireProposed(ruleSetHash);
        if (msg.sender != proposal.author) revert RuleBookNotAuthor(msg.sender);
        proposal.status = Status.Withdrawn;
        emit RuleSetWithdrawn(ruleSetHash, msg.sender);
    }

    /// @notice The active rule set and its version (zero and 0 before the first).
    function activeRuleSet() external view returns (bytes32 ruleSetHash, uint32 version) {
        return (_activeHash, _activeVersion);
    }

    /// @notice Where a rule set stands, who proposed it and who approved it first.
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

    function _requireProposed(bytes32 ruleSetHash) private view returns (Proposal storage proposal) {
        proposal = _proposals[ruleSetHash];
        if (proposal.status != Status.Proposed) revert RuleBookNotProposed(ruleSetHash);
    }

    function _isOfficer(address account) private view returns (bool) {
        return _consortium.hasRole(_consortium.OFFICER_ROLE(), account);
    }
}
