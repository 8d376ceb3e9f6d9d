// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {Governance} from "./Governance.sol";
import {TypedData} from "./TypedData.sol";

/**
 * @title Consortium
 * @notice Who belongs to the consortium and by what it works: members with their keys and officers, the readers
 * rows are sealed to, the encoding policies, the roles, the limits, and the pause.
 *
 * @dev Nothing here can be rewritten: codes, agents, reader keys and policies are never reused, and every change
 * is an event. The other contracts ask this one for roles, membership, limits and the pause; what they leave to
 * the members, they accept from this contract's address only. See `Governance` for how it decides.
 *
 * WARNING: The chain counts banks by their accounts. It cannot tell whether two members are one bank: compare each
 * admission with the bank over another channel before you approve it.
 */
contract Consortium is Governance, AccessControl, Pausable {
    enum MemberStatus {
        None,
        Active,
        Suspended,
        Revoked,
        Replaced
    }

    struct Member {
        uint16 code;
        MemberStatus status;
        string agent;
        bytes32 x25519Key;
        bytes32 hpkeKey;
        bytes32 witnessKey;
    }

    enum ReaderStatus {
        None,
        Active,
        Removed
    }

    /// @notice What one member may do in a day (UTC), so that no member fills what all must read.
    struct Limits {
        /// @dev Evaluations of the pseudonym key that a member may ask for.
        uint64 evaluationsPerDay;
        /// @dev Entries of the case log that a member, its officers, or one auditor may append.
        uint32 caseEntriesPerDay;
        /// @dev Bytes of payload in these entries.
        uint32 caseBytesPerDay;
    }

    /// @notice Approves rule sets, records decisions and requests; belongs to a member.
    bytes32 public constant OFFICER_ROLE = keccak256("OFFICER_ROLE");
    /// @notice Records flags, findings and checkpoints.
    bytes32 public constant DESK_ROLE = keccak256("DESK_ROLE");
    /// @notice Records requests for disclosure.
    bytes32 public constant AUDITOR_ROLE = keccak256("AUDITOR_ROLE");

    /// @notice What a bank signs when it joins (EIP-712).
    bytes32 public constant ADMISSION_TYPE =
        keccak256("Admission(address account,string agent,bytes32 x25519Key,bytes32 hpkeKey,bytes32 witnessKey)");
    /// @notice What a bank signs when it replaces its account or its keys (EIP-712).
    bytes32 public constant KEY_CHANGE_TYPE =
        keccak256(
            "KeyChange(address account,address newAccount,bytes32 x25519Key,bytes32 hpkeKey,bytes32 witnessKey,"
            "uint64 nonce)"
        );

    /// @notice Hash of the chain's first block, the salt of every signature that is made for this consortium.
    bytes32 public immutable genesisHash;

    mapping(address account => Member) private _members;
    mapping(uint16 code => address) private _accounts;
    mapping(uint16 code => uint64) private _evaluatesFrom;
    mapping(uint16 code => uint64) private _keyChanges;
    mapping(bytes32 agentHash => bool) private _agents;
    mapping(address officer => uint16 code) private _officers;
    uint16 private _memberCount;
    uint16 private _active;
    Limits private _limits;

    mapping(bytes32 keyId => ReaderStatus) private _readers;

    mapping(bytes32 policyHash => bool) private _policies;
    bytes32 private _activePolicy;
    uint32 private _policyCount;

    event MemberAdmitted(
        address indexed account,
        uint16 indexed code,
        string agent,
        bytes32 x25519Key,
        bytes32 hpkeKey,
        bytes32 witnessKey,
        bytes signature
    );
    event MemberKeysChanged(
        uint16 indexed code,
        address indexed account,
        address indexed newAccount,
        bytes32 x25519Key,
        bytes32 hpkeKey,
        bytes32 witnessKey,
        uint64 nonce,
        bytes signature,
        bytes newSignature
    );
    event MemberSuspended(address indexed account, uint16 indexed code);
    event MemberReinstated(address indexed account, uint16 indexed code);
    event MemberRevoked(address indexed account, uint16 indexed code);
    event OfficerAppointed(address indexed officer, uint16 indexed code);
    event OfficerDismissed(address indexed officer, uint16 indexed code);
    event ReaderAdded(bytes32 indexed keyId, bytes32 hpkeKey, uint32 indexed epoch, string label);
    event ReaderRemoved(bytes32 indexed keyId);
    event PolicyPublished(bytes32 indexed policyHash, uint32 indexed number, bytes document);
    event LimitsSet(uint64 evaluationsPerDay, uint32 caseEntriesPerDay, uint32 caseBytesPerDay);

    /// @notice The zero address can hold no role and no membership.
    error ConsortiumInvalidAccount();
    /// @notice A key is zero.
    error ConsortiumInvalidKey();
    /// @notice The member's agent (its bank identifier) is empty.
    error ConsortiumInvalidAgent();
    /// @notice The account is or was a member; a code is given once.
    error ConsortiumAccountAlreadyAdmitted(address account);
    /// @notice The agent belongs to a member already, perhaps a revoked one.
    error ConsortiumAgentAlreadyAdmitted(string agent);
    /// @notice The bank's own account did not sign this, or not in the canonical form.
    error ConsortiumNotSignedBy(address account);
    /// @notice The bank has another account now.
    error ConsortiumAccountReplaced(address account);
    /// @notice The account was never admitted.
    error ConsortiumNotMember(address account);
    /// @notice The member is suspended.
    error ConsortiumMemberSuspended(address account);
    /// @notice The member is revoked, for good.
    error ConsortiumMemberRevoked(address account);
    /// @notice The member is not suspended, so there is nothing to reinstate.
    error ConsortiumMemberNotSuspended(address account);
    /// @notice Without its last active member, nobody could decide anything any more.
    error ConsortiumLastMember(address account);
    /// @notice The key identifier is not the SHA-256 of the reader's key.
    error ConsortiumReaderKeyMismatch(bytes32 expected, bytes32 got);
    /// @notice The reader was added before; a removed key does not come back.
    error ConsortiumReaderAlreadyAdded(bytes32 keyId);
    /// @notice No active reader has this key identifier.
    error ConsortiumUnknownReader(bytes32 keyId);
    /// @notice Only the member itself, or an approved proposal, can do this.
    error ConsortiumNotForAccount(address account);
    /// @notice The account is an officer already.
    error ConsortiumOfficerAlreadyAppointed(address officer);
    /// @notice The account is not an officer.
    error ConsortiumNotOfficer(address account);
    /// @notice Officers are appointed and dismissed, and nobody but the consortium is its admin.
    error ConsortiumRoleNotGrantable(bytes32 role);
    /// @notice The policy document is empty.
    error ConsortiumEmptyPolicy();
    /// @notice The same document was published before.
    error ConsortiumPolicyAlreadyPublished(bytes32 policyHash);

    /**
     * @param founder_ The account that prepares the consortium until its founding members have confirmed.
     * @param genesisHash_ Hash of the chain's first block.
     */
    constructor(
        address founder_,
        bytes32 genesisHash_,
        Rules memory rules_,
        Limits memory limits_
    ) Governance(founder_, rules_) {
        if (founder_ == address(0)) revert ConsortiumInvalidAccount();
        genesisHash = genesisHash_;
        foundingDigest = keccak256(abi.encode(block.chainid, address(this), genesisHash_, rules_, limits_));
        _setLimits(limits_);
        _grantRole(DEFAULT_ADMIN_ROLE, address(this));
    }

    // ---------------------------------------------------------------- members

    /**
     * @notice Admits a bank and gives it the next code, starting at 1.
     * @param account The address the bank posts from.
     * @param agent The bank's identifier, for instance its BIC; unique for all time.
     * @param x25519Key Key for the match tokens it shares with each other member.
     * @param hpkeKey Key that flags and requests addressed to it are sealed to.
     * @param witnessKey Ed25519 key with which the bank's witness cosigns checkpoints.
     * @param signature The bank's own signature over all of this (EIP-712, `ADMISSION_TYPE`), by `account`.
     *
     * NOTE: A bank that joins later may ask for evaluations of the pseudonym key when the delay has passed again.
     *
     * WARNING: The signature proves that whoever holds `account` agreed, not that it is the bank of that name.
     * Compare account and keys with the bank over another channel.
     */
    function admitMember(
        address account,
        string calldata agent,
        bytes32 x25519Key,
        bytes32 hpkeKey,
        bytes32 witnessKey,
        bytes calldata signature
    ) external onlyGovernance returns (uint16 code) {
        if (account == address(0)) revert ConsortiumInvalidAccount();
        if (bytes(agent).length == 0) revert ConsortiumInvalidAgent();
        _requireKeys(x25519Key, hpkeKey, witnessKey);
        if (_members[account].status != MemberStatus.None) revert ConsortiumAccountAlreadyAdmitted(account);
        bytes32 agentHash = keccak256(bytes(agent));
        if (_agents[agentHash]) revert ConsortiumAgentAlreadyAdmitted(agent);
        _requireSignedBy(
            account,
            keccak256(abi.encode(ADMISSION_TYPE, account, agentHash, x25519Key, hpkeKey, witnessKey)),
            signature
        );

        code = ++_memberCount; // checked arithmetic: the 65,536th admission reverts
        ++_active;
        _agents[agentHash] = true;
        _accounts[code] = account;
        if (founded) _evaluatesFrom[code] = uint64(block.timestamp) + _delaySeconds();
        _members[account] = Member(code, MemberStatus.Active, agent, x25519Key, hpkeKey, witnessKey);
        emit MemberAdmitted(account, code, agent, x25519Key, hpkeKey, witnessKey, signature);
    }

    /**
     * @notice Replaces a member's account, its keys, or both; code, agent and posted batches stay.
     * @param account The account in force, which signs.
     * @param newAccount The account from now on, which signs too; it may be the same, and was never a member
     * otherwise.
     * @param signature Signature over all of this and the member's next nonce (EIP-712, `KEY_CHANGE_TYPE`) by
     * `account`.
     * @param newSignature The same signature by `newAccount`.
     *
     * NOTE: A suspended member stays suspended. The nonce makes a signature work once, and lets a bank return to
     * keys that it had before.
     *
     * WARNING: Whoever has the old key can sign this. A bank whose key was stolen suspends itself first, which
     * takes effect at once, and the members look before they approve.
     */
    function changeKeys(
        address account,
        address newAccount,
        bytes32 x25519Key,
        bytes32 hpkeKey,
        bytes32 witnessKey,
        bytes calldata signature,
        bytes calldata newSignature
    ) external onlyGovernance {
        uint16 code = _requireNotRevoked(account).code;
        if (newAccount == address(0)) revert ConsortiumInvalidAccount();
        _requireKeys(x25519Key, hpkeKey, witnessKey);
        uint64 nonce = _keyChanges[code]++;
        bytes32 structHash = keccak256(
            abi.encode(KEY_CHANGE_TYPE, account, newAccount, x25519Key, hpkeKey, witnessKey, nonce)
        );
        _requireSignedBy(account, structHash, signature);
        _requireSignedBy(newAccount, structHash, newSignature);
        if (newAccount != account) _moveAccount(code, account, newAccount);
        Member storage changed = _members[newAccount];
        changed.x25519Key = x25519Key;
        changed.hpkeKey = hpkeKey;
        changed.witnessKey = witnessKey;
        _emitKeysChanged(account, newAccount, nonce, signature, newSignature);
    }

    /// @notice How many times a member changed its keys; the nonce of its next change.
    function keyChangesOf(address account) external view returns (uint64) {
        return _keyChanges[_members[account].code];
    }

    /**
     * @notice Stops a member from posting and voting until it is reinstated; a member may stop itself, at once.
     *
     * NOTE: What it had approved no longer counts, also after it is reinstated. The last active member stays.
     */
    function suspendMember(address account) external {
        if (msg.sender != address(this) && msg.sender != account) revert ConsortiumNotForAccount(msg.sender);
        uint16 code = _memberCode(account);
        _members[account].status = MemberStatus.Suspended;
        _leave(account);
        _endTerm(code);
        emit MemberSuspended(account, code);
    }

    /// @notice Lets a suspended member post and vote again.
    function reinstateMember(address account) external onlyGovernance {
        Member storage member = _requireNotRevoked(account);
        if (member.status != MemberStatus.Suspended) revert ConsortiumMemberNotSuspended(account);
        member.status = MemberStatus.Active;
        ++_active;
        emit MemberReinstated(account, member.code);
    }

    /**
     * @notice Ends a membership.
     *
     * WARNING: Final. The account, the code and the agent never come back; what the member posted stays.
     */
    function revokeMember(address account) external onlyGovernance {
        Member storage member = _requireNotRevoked(account);
        if (member.status == MemberStatus.Active) _leave(account);
        member.status = MemberStatus.Revoked;
        emit MemberRevoked(account, member.code);
    }

    /// @notice What is known of an account; code 0 and status None if it was never admitted.
    function memberOf(
        address account
    )
        external
        view
        returns (
            uint16 code,
            MemberStatus status,
            string memory agent,
            bytes32 x25519Key,
            bytes32 hpkeKey,
            bytes32 witnessKey
        )
    {
        Member storage member = _members[account];
        return (
            member.code,
            member.status,
            member.agent,
            member.x25519Key,
            member.hpkeKey,
            member.witnessKey
        );
    }

    /// @notice The code of an account that is or was a member; zero if it was never admitted.
    function codeOf(address account) external view returns (uint16) {
        return _members[account].code;
    }

    /// @notice The account behind a code; zero if the code was never given.
    function memberAt(uint16 code) external view returns (address) {
        return _accounts[code];
    }

    /// @notice How many members were ever admitted; their codes are 1 to this number.
    function memberCount() external view returns (uint16) {
        return _memberCount;
    }

    /// @notice How many members are active.
    function activeMembers() external view returns (uint16) {
        return _active;
    }

    /// @notice Unix time from which a member may ask for evaluations of the pseudonym key.
    function evaluatesFrom(uint16 code) external view returns (uint64) {
        return _evaluatesFrom[code];
    }

    /// @notice The member's code; reverts with the reason if the account may not act as a member now.
    function requireActive(address account) external view returns (uint16 code) {
        if (!founded) revert GovernanceNotFounded();
        return _memberCode(account);
    }

    function _requireNotRevoked(address account) private view returns (Member storage member) {
        member = _members[account];
        if (member.status == MemberStatus.None) revert ConsortiumNotMember(account);
        if (member.status == MemberStatus.Revoked) revert ConsortiumMemberRevoked(account);
        if (member.status == MemberStatus.Replaced) revert ConsortiumAccountReplaced(account);
    }

    function _leave(address account) private {
        if (founded && _active == 1) revert ConsortiumLastMember(account);
        --_active;
    }

    function _requireKeys(bytes32 x25519Key, bytes32 hpkeKey, bytes32 witnessKey) private pure {
        if (x25519Key == 0 || hpkeKey == 0 || witnessKey == 0) revert ConsortiumInvalidKey();
    }

    function _requireSignedBy(address account, bytes32 structHash, bytes calldata signature) private view {
        bytes32 separator = TypedData.domainSeparator(address(this), genesisHash);
        if (TypedData.signer(separator, structHash, signature) != account) revert ConsortiumNotSignedBy(account);
    }

    /// @dev Functions of their own: the EVM reaches only so deep into its stack.
    function _moveAccount(uint16 code, address account, address newAccount) private {
        if (_members[newAccount].status != MemberStatus.None) {
            revert ConsortiumAccountAlreadyAdmitted(newAccount);
        }
        _members[newAccount] = _members[account];
        _members[account].status = MemberStatus.Replaced;
        _accounts[code] = newAccount;
    }

    function _emitKeysChanged(
        address account,
        address newAccount,
        uint64 nonce,
        bytes calldata signature,
        bytes calldata newSignature
    ) private {
        Member storage changed = _members[newAccount];
        emit MemberKeysChanged(
            changed.code,
            account,
            newAccount,
            changed.x25519Key,
            changed.hpkeKey,
            changed.witnessKey,
            nonce,
            signature,
            newSignature
        );
    }

    // ---------------------------------------------------------------- officers and roles

    /**
     * @notice Makes an account an officer of a member; it is one as long as the member is active.
     *
     * WARNING: The chain counts accounts, not persons. Give each person one account.
     */
    function appointOfficer(address officer, uint16 code) external onlyGovernance {
        if (officer == address(0)) revert ConsortiumInvalidAccount();
        if (!_isActive(code)) revert ConsortiumNotMember(_accounts[code]);
        if (_officers[officer] != 0) revert ConsortiumOfficerAlreadyAppointed(officer);
        _officers[officer] = code;
        emit OfficerAppointed(officer, code);
    }

    /// @notice Ends an officer's office; its own member may do so at once.
    function dismissOfficer(address officer) external {
        uint16 code = _officers[officer];
        if (code == 0) revert ConsortiumNotOfficer(officer);
        if (msg.sender != address(this) && msg.sender != _accounts[code]) {
            revert ConsortiumNotForAccount(msg.sender);
        }
        _officers[officer] = 0;
        emit OfficerDismissed(officer, code);
    }

    /// @notice The code of the active member whose officer an account is; zero if it is none now.
    function officerOf(address account) public view returns (uint16 code) {
        code = _officers[account];
        return _isActive(code) ? code : 0;
    }

    /// @notice Whether an account has a role now; an officer has it while its member is active.
    function hasRole(bytes32 role, address account) public view override returns (bool) {
        if (role == OFFICER_ROLE) return officerOf(account) != 0;
        return super.hasRole(role, account);
    }

    /// @dev Only this contract is its admin, so a proposal grants roles; officers have their own functions.
    function _grantable(bytes32 role) private pure {
        if (role == DEFAULT_ADMIN_ROLE || role == OFFICER_ROLE) revert ConsortiumRoleNotGrantable(role);
    }

    /// @notice Grants the role of the desk or of an auditor.
    function grantRole(bytes32 role, address account) public override onlyGovernance {
        _grantable(role);
        _grantRole(role, account);
    }

    /// @notice Takes the role of the desk or of an auditor away.
    function revokeRole(bytes32 role, address account) public override onlyGovernance {
        _grantable(role);
        _revokeRole(role, account);
    }

    /// @notice Gives up the sender's own role of the desk or of an auditor.
    function renounceRole(bytes32 role, address confirmation) public override {
        _grantable(role);
        super.renounceRole(role, confirmation);
    }

    // ---------------------------------------------------------------- limits

    /// @notice What one member may do in a day.
    function limits() external view returns (Limits memory) {
        return _limits;
    }

    /// @notice Changes what one member may do in a day.
    function setLimits(Limits calldata limits_) external onlyGovernance {
        _setLimits(limits_);
    }

    function _setLimits(Limits memory limits_) private {
        _limits = limits_;
        emit LimitsSet(limits_.evaluationsPerDay, limits_.caseEntriesPerDay, limits_.caseBytesPerDay);
    }

    // ---------------------------------------------------------------- readers

    /**
     * @notice Adds a key that rows posted from now on are sealed to.
     * @param keyId SHA-256 of `hpkeKey`, checked.
     * @param epoch The month the key is for; its secret is destroyed when that month's retention ends.
     *
     * WARNING: A reader reads every row sealed to it. Sealing is the consortium's main control: approve a reader
     * only after you have compared its key.
     */
    function addReader(
        bytes32 keyId,
        bytes32 hpkeKey,
        uint32 epoch,
        string calldata label
    ) external onlyGovernance {
        if (hpkeKey == 0) revert ConsortiumInvalidKey();
        bytes32 expected = sha256(abi.encodePacked(hpkeKey));
        if (keyId != expected) revert ConsortiumReaderKeyMismatch(expected, keyId);
        if (_readers[keyId] != ReaderStatus.None) revert ConsortiumReaderAlreadyAdded(keyId);
        _readers[keyId] = ReaderStatus.Active;
        emit ReaderAdded(keyId, hpkeKey, epoch, label);
    }

    /**
     * @notice Takes a reader off the list for rows to come.
     *
     * NOTE: Rows already sealed to the key stay readable with its secret; only destroying the secret ends that.
     */
    function removeReader(bytes32 keyId) external onlyGovernance {
        if (_readers[keyId] != ReaderStatus.Active) revert ConsortiumUnknownReader(keyId);
        _readers[keyId] = ReaderStatus.Removed;
        emit ReaderRemoved(keyId);
    }

    /// @notice Whether the key identifier belongs to a current reader.
    function isReader(bytes32 keyId) external view returns (bool) {
        return _readers[keyId] == ReaderStatus.Active;
    }

    // ---------------------------------------------------------------- encoding policies

    /**
     * @notice Publishes an encoding policy and makes it the active one. The whole document stands in the event, so
     * who reads a batch in ten years can decode it.
     */
    function publishPolicy(bytes calldata document) external onlyGovernance returns (bytes32 policyHash) {
        if (document.length == 0) revert ConsortiumEmptyPolicy();
        policyHash = sha256(document);
        if (_policies[policyHash]) revert ConsortiumPolicyAlreadyPublished(policyHash);
        _policies[policyHash] = true;
        _activePolicy = policyHash;
        uint32 number = ++_policyCount;
        emit PolicyPublished(policyHash, number, document);
    }

    /// @notice The policy published last; zero before the first.
    function activePolicy() external view returns (bytes32) {
        return _activePolicy;
    }

    /// @notice Whether a policy with this hash was ever published. Rows may lag behind the active one.
    function isPolicy(bytes32 policyHash) external view returns (bool) {
        return _policies[policyHash];
    }

    // ---------------------------------------------------------------- pause

    /// @notice Stops posting, rule changes, case entries and evaluations for everyone.
    function pause() external onlyGovernance {
        _pause();
    }

    /// @notice Lifts the pause.
    function unpause() external onlyGovernance {
        _unpause();
    }

    // ---------------------------------------------------------------- what the governance asks

    function _memberCode(address account) internal view override returns (uint16) {
        Member storage member = _requireNotRevoked(account);
        if (member.status == MemberStatus.Suspended) revert ConsortiumMemberSuspended(account);
        return member.code;
    }

    function _isActive(uint16 code) internal view override returns (bool) {
        return _members[_accounts[code]].status == MemberStatus.Active;
    }

    function _activeCount() internal view override returns (uint16) {
        return _active;
    }

    function _everAdmitted() internal view override returns (uint16) {
        return _memberCount;
    }

    function _isUrgent(bytes calldata data) internal pure override returns (bool) {
        return data.length == 4 && bytes4(data) == this.pause.selector;
    }
}
