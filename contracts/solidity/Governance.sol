// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/**
 * @title Governance
 * @notice Decides what the consortium does: a founder prepares it, every founding member confirms it, and from
 * then on k of n active members approve each change, which takes effect after a delay.
 *
 * @dev A change is a list of calls that this contract makes. A function that only the consortium may decide on
 * asks whether this contract is the sender; so one road leads to every change, and no account has a role that
 * goes round it. Approvals are kept by member code and counted again when the proposal is executed: only members
 * that are active at that moment count, and that were not suspended since they approved.
 *
 * WARNING: k members that act together can do everything that a proposal can. The delay is there so that the
 * others see it coming: watch `ProposalMade` and `ProposalPassed`.
 */
abstract contract Governance {
    /// @notice How the members decide. A quorum is a percentage of the active members, rounded up.
    struct Rules {
        /// @dev Approvals that a proposal needs, 51 to 100 percent.
        uint8 quorum;
        /// @dev Approvals that a pause needs, 1 to 100 percent; a pause takes effect at once.
        uint8 pauseQuorum;
        /// @dev Seconds between the quorum and the moment from which a proposal can be executed.
        uint32 delay;
        /// @dev Seconds after which a proposal that was not executed is void; the delay and `MIN_VOTING` at least.
        uint32 lifetime;
    }

    struct Call {
        address target;
        bytes data;
    }

    struct Proposal {
        bytes32 callsHash;
        uint16 proposer;
        bool urgent;
        bool closed;
        uint64 expiresAt;
        uint64 executableAt;
        uint16[] approvals;
    }

    /// @notice Least time that members have to approve, in seconds; with less, nothing could be decided any more.
    uint32 public constant MIN_VOTING = 1 hours;
    /// @notice Longest lifetime of a proposal, in seconds.
    uint32 public constant MAX_LIFETIME = 366 days;

    /// @notice The account that prepares the consortium; it can do nothing once the consortium is founded.
    address public immutable founder;
    /// @notice Whether every founding member has confirmed.
    bool public founded;
    /// @notice Hash over everything that the founder did, in order; what the founding members confirm.
    bytes32 public foundingDigest;

    Rules private _rules;
    uint32 private _proposalCount;
    mapping(uint32 number => Proposal) private _proposals;
    /// @dev In which of its terms, counted from 1, a member approved: an approval counts in this term only.
    mapping(uint32 number => mapping(uint16 code => uint32 term)) private _approvedIn;
    /// @dev Terms of a member that have ended, by suspension.
    mapping(uint16 code => uint32) private _endedTerms;
    mapping(uint16 code => bytes32 digest) private _confirmations;

    event FoundingStep(bytes32 indexed digest, Call[] calls);
    event FoundingConfirmed(uint16 indexed code, bytes32 indexed digest);
    event ConsortiumFounded(bytes32 indexed digest, uint16 members);
    event RulesSet(uint8 quorum, uint8 pauseQuorum, uint32 delay, uint32 lifetime);
    event ProposalMade(
        uint32 indexed number,
        uint16 indexed proposer,
        uint64 expiresAt,
        bytes32 callsHash,
        string title,
        Call[] calls
    );
    event ProposalApproved(uint32 indexed number, uint16 indexed code);
    event ApprovalWithdrawn(uint32 indexed number, uint16 indexed code);
    event ProposalPassed(uint32 indexed number, uint64 executableAt);
    event ProposalExecuted(uint32 indexed number);
    event ProposalCancelled(uint32 indexed number);

    /// @notice Only a proposal that k of n members approved can do this.
    error GovernanceNotApproved(address account);
    /// @notice The consortium is not founded yet: not every founding member has confirmed.
    error GovernanceNotFounded();
    /// @notice The consortium is founded: the founder has no part in it any more.
    error GovernanceAlreadyFounded();
    /// @notice Only the founder can do this.
    error GovernanceNotFounder(address account);
    /// @notice The founder did something else meanwhile, or you confirm another consortium.
    error GovernanceOtherDigest(bytes32 expected, bytes32 got);
    /// @notice A quorum or a time is out of its range.
    error GovernanceInvalidRules();
    /// @notice No calls were given.
    error GovernanceNothingToDo();
    /// @notice There is no such proposal.
    error GovernanceUnknownProposal(uint32 number);
    /// @notice The proposal was executed or cancelled.
    error GovernanceProposalClosed(uint32 number);
    /// @notice The proposal is too old.
    error GovernanceProposalExpired(uint32 number, uint64 expiredAt);
    /// @notice The calls are not those of the proposal.
    error GovernanceOtherCalls(bytes32 expected, bytes32 got);
    /// @notice The member approved already.
    error GovernanceAlreadyApproved(uint16 code);
    /// @notice The member has not approved.
    error GovernanceNotApprovedBy(uint16 code);
    /// @notice Only the member that made the proposal can cancel it.
    error GovernanceNotProposer(uint16 code);
    /// @notice Too few active members approve.
    error GovernanceQuorumMissing(uint256 approvals, uint256 quorum);
    /// @notice The delay has not passed.
    error GovernanceDelayNotOver(uint64 executableAt);

    /// @dev Where only the consortium itself decides: a step of the founding, or an approved proposal.
    modifier onlyGovernance() {
        if (msg.sender != address(this)) revert GovernanceNotApproved(msg.sender);
        _;
    }

    constructor(address founder_, Rules memory rules_) {
        founder = founder_;
        _setRules(rules_);
    }

    // ---------------------------------------------------------------- founding

    /**
     * @notice Lets the founder prepare the consortium: admit the founding members, appoint, publish.
     *
     * NOTE: Each step changes `foundingDigest` and so voids the confirmations before it.
     */
    function prepare(Call[] calldata calls) external {
        if (msg.sender != founder) revert GovernanceNotFounder(msg.sender);
        if (founded) revert GovernanceAlreadyFounded();
        if (calls.length == 0) revert GovernanceNothingToDo();
        foundingDigest = keccak256(abi.encode(foundingDigest, calls));
        emit FoundingStep(foundingDigest, calls);
        _make(calls);
    }

    /**
     * @notice Confirms, as a founding member, everything that the founder did. With the last confirmation the
     * consortium is founded, and the founder is an account like any other.
     *
     * WARNING: Read what stands behind the digest first: the other members, the readers, the officers, the rules.
     */
    function confirmFounding(bytes32 digest) external {
        if (founded) revert GovernanceAlreadyFounded();
        uint16 code = _memberCode(msg.sender);
        if (digest != foundingDigest) revert GovernanceOtherDigest(foundingDigest, digest);
        _confirmations[code] = digest;
        emit FoundingConfirmed(code, digest);
        uint16 members = _everAdmitted();
        for (uint16 other = 1; other <= members; ++other) {
            if (_isActive(other) && _confirmations[other] != digest) return;
        }
        founded = true;
        emit ConsortiumFounded(digest, members);
    }

    // ---------------------------------------------------------------- proposals

    /**
     * @notice Proposes calls to the other members; the proposer approves by proposing.
     * @param title One line for people; the calls decide.
     *
     * NOTE: A proposal whose only call is `pause()` of this contract is urgent: fewer approvals, no delay.
     */
    function propose(Call[] calldata calls, string calldata title) external returns (uint32 number) {
        uint16 code = _voter();
        if (calls.length == 0) revert GovernanceNothingToDo();
        number = ++_proposalCount;
        Proposal storage proposal = _proposals[number];
        proposal.callsHash = keccak256(abi.encode(calls));
        proposal.proposer = code;
        proposal.urgent = calls.length == 1 && calls[0].target == address(this) && _isUrgent(calls[0].data);
        proposal.expiresAt = uint64(block.timestamp) + _rules.lifetime;
        emit ProposalMade(number, code, proposal.expiresAt, proposal.callsHash, title, calls);
        _approve(number, proposal, code);
    }

    /// @notice Approves a proposal; `callsHash` says which calls were read.
    function approve(uint32 number, bytes32 callsHash) external {
        uint16 code = _voter();
        Proposal storage proposal = _open(number);
        if (callsHash != proposal.callsHash) revert GovernanceOtherCalls(proposal.callsHash, callsHash);
        if (_counts(number, code)) revert GovernanceAlreadyApproved(code);
        _approve(number, proposal, code);
    }

    /// @notice Takes the sender's approval back, until the proposal is executed.
    function withdrawApproval(uint32 number) external {
        uint16 code = _voter();
        Proposal storage proposal = _open(number);
        uint256 count = proposal.approvals.length;
        for (uint256 i = 0; i < count; ++i) {
            if (proposal.approvals[i] != code) continue;
            proposal.approvals[i] = proposal.approvals[count - 1];
            proposal.approvals.pop();
            _approvedIn[number][code] = 0;
            if (!_hasQuorum(number, proposal)) proposal.executableAt = 0;
            emit ApprovalWithdrawn(number, code);
            return;
        }
        revert GovernanceNotApprovedBy(code);
    }

    /// @notice Cancels the sender's own proposal, for good.
    function cancel(uint32 number) external {
        uint16 code = _voter();
        Proposal storage proposal = _open(number);
        if (proposal.proposer != code) revert GovernanceNotProposer(code);
        proposal.closed = true;
        emit ProposalCancelled(number);
    }

    /**
     * @notice Makes the calls of a proposal that has passed: all of them, or none. Anybody may send it.
     * @param calls The calls, as in `ProposalMade`.
     *
     * NOTE: Where the quorum came about because a member left, the first call begins the delay and makes nothing.
     *
     * Slither's timestamp, here and in `_open`: a validator may move the time by seconds; delays are of hours.
     */
    // slither-disable-next-line timestamp
    function execute(uint32 number, Call[] calldata calls) external {
        if (!founded) revert GovernanceNotFounded();
        Proposal storage proposal = _open(number);
        bytes32 callsHash = keccak256(abi.encode(calls));
        if (callsHash != proposal.callsHash) revert GovernanceOtherCalls(proposal.callsHash, callsHash);
        uint256 needed = _needed(proposal.urgent);
        uint256 given = _approvals(number, proposal);
        if (given < needed) revert GovernanceQuorumMissing(given, needed);
        uint64 executableAt = proposal.executableAt;
        if (executableAt == 0) {
            // The quorum came about without an approval, because a member left: the delay begins now.
            _pass(number, proposal);
            if (_delay(proposal.urgent) != 0) return;
        } else if (block.timestamp < executableAt) {
            revert GovernanceDelayNotOver(executableAt);
        }
        proposal.closed = true;
        emit ProposalExecuted(number);
        _make(calls);
    }

    /// @notice Changes how the members decide.
    function setRules(Rules calldata rules_) external onlyGovernance {
        _setRules(rules_);
    }

    // ---------------------------------------------------------------- views

    /// @notice How the members decide now.
    function rules() external view returns (Rules memory) {
        return _rules;
    }

    /// @notice How many approvals a proposal needs now, and how many a pause needs.
    function quorum() external view returns (uint256 proposals, uint256 pauses) {
        return (_needed(false), _needed(true));
    }

    /// @notice How many proposals there were; their numbers are 1 to this number.
    function proposalCount() external view returns (uint32) {
        return _proposalCount;
    }

    /// @notice Where a proposal stands; `counting` are the approvals of members that are active now.
    function proposalAt(uint32 number) external view returns (Proposal memory proposal, uint256 counting) {
        Proposal storage known = _known(number);
        return (known, _approvals(number, known));
    }

    // ---------------------------------------------------------------- what the consortium knows

    /// @dev The code of a member that is active, whether or not the consortium is founded; reverts otherwise.
    function _memberCode(address account) internal view virtual returns (uint16);

    /// @dev Whether the member with this code is active.
    function _isActive(uint16 code) internal view virtual returns (bool);

    /// @dev How many members are active.
    function _activeCount() internal view virtual returns (uint16);

    /// @dev How many members were ever admitted.
    function _everAdmitted() internal view virtual returns (uint16);

    /// @dev Whether a call to this contract may be decided by fewer members, at once.
    function _isUrgent(bytes calldata data) internal pure virtual returns (bool);

    // ---------------------------------------------------------------- parts

    function _setRules(Rules memory rules_) private {
        if (rules_.quorum <= 50 || rules_.quorum > 100) revert GovernanceInvalidRules();
        if (rules_.pauseQuorum == 0 || rules_.pauseQuorum > 100) revert GovernanceInvalidRules();
        if (rules_.lifetime > MAX_LIFETIME || rules_.lifetime < MIN_VOTING) revert GovernanceInvalidRules();
        if (rules_.delay > rules_.lifetime - MIN_VOTING) revert GovernanceInvalidRules();
        _rules = rules_;
        emit RulesSet(rules_.quorum, rules_.pauseQuorum, rules_.delay, rules_.lifetime);
    }

    function _voter() private view returns (uint16) {
        if (!founded) revert GovernanceNotFounded();
        return _memberCode(msg.sender);
    }

    function _known(uint32 number) private view returns (Proposal storage proposal) {
        proposal = _proposals[number];
        if (proposal.proposer == 0) revert GovernanceUnknownProposal(number);
    }

    // slither-disable-next-line timestamp
    function _open(uint32 number) private view returns (Proposal storage proposal) {
        proposal = _known(number);
        if (proposal.closed) revert GovernanceProposalClosed(number);
        if (block.timestamp >= proposal.expiresAt) {
            revert GovernanceProposalExpired(number, proposal.expiresAt);
        }
    }

    /// @dev The approval that brings the quorum begins the delay; also where the quorum was lost meanwhile.
    function _approve(uint32 number, Proposal storage proposal, uint16 code) private {
        bool passed = proposal.executableAt != 0 && _hasQuorum(number, proposal);
        if (_approvedIn[number][code] == 0) proposal.approvals.push(code);
        _approvedIn[number][code] = _endedTerms[code] + 1;
        emit ProposalApproved(number, code);
        if (!passed && _hasQuorum(number, proposal)) _pass(number, proposal);
    }

    function _pass(uint32 number, Proposal storage proposal) private {
        proposal.executableAt = uint64(block.timestamp) + _delay(proposal.urgent);
        emit ProposalPassed(number, proposal.executableAt);
    }

    /// @dev The delay of proposals that are not urgent, in seconds.
    function _delaySeconds() internal view returns (uint64) {
        return _rules.delay;
    }

    function _delay(bool urgent) private view returns (uint64) {
        return urgent ? 0 : _rules.delay;
    }

    /// @dev Voids the approvals that a member gave: whoever had its key may have given them.
    function _endTerm(uint16 code) internal {
        ++_endedTerms[code];
    }

    function _counts(uint32 number, uint16 code) private view returns (bool) {
        return _isActive(code) && _approvedIn[number][code] == _endedTerms[code] + 1;
    }

    function _approvals(uint32 number, Proposal storage proposal) private view returns (uint256 count) {
        for (uint256 i = 0; i < proposal.approvals.length; ++i) {
            if (_counts(number, proposal.approvals[i])) ++count;
        }
    }

    function _hasQuorum(uint32 number, Proposal storage proposal) private view returns (bool) {
        return _approvals(number, proposal) >= _needed(proposal.urgent);
    }

    /// @dev At least one, so that a consortium whose members have all left decides nothing.
    function _needed(bool urgent) private view returns (uint256) {
        uint256 percent = urgent ? _rules.pauseQuorum : _rules.quorum;
        uint256 needed = (uint256(_activeCount()) * percent + 99) / 100;
        return needed == 0 ? 1 : needed;
    }

    /**
     * @dev Slither's calls-loop: the calls are what the members approved, and the proposal is closed before.
     */
    // slither-disable-next-line calls-loop
    function _make(Call[] calldata calls) private {
        for (uint256 i = 0; i < calls.length; ++i) {
            // what a call returns is not needed: a call that fails reverts
            // slither-disable-next-line unused-return
            Address.functionCall(calls[i].target, calls[i].data);
        }
    }
}
