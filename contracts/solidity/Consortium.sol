// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {TypedData} from "./TypedData.sol";

/**
 * @title Consortium
 * @notice Who belongs to the consortium and by what it encodes: members with their keys, the readers rows are
 * sealed to, the epochs of the pseudonym key, the encoding policies, the roles, and the pause.
 *
 * @dev Nothing here can be rewritten: codes, agents, reader keys, epochs and policies are never reused, and every
 * change is an event. The other contracts ask this one for roles, membership and the pause.
 *
 * WARNING: The operator admits and suspends. It cannot post for a member, alter what a member posted, or activate
 * a rule set, unless the admin grants it those roles: watch `RoleGranted`.
 *
 * NOTE: The admin is the operator's address at first. Hand `DEFAULT_ADMIN_ROLE` to an account that several banks
 * must sign for (a multi-signature wallet) before real rows are posted.
 */
contract Consortium is AccessControl, Pausable {
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

    /// @notice Admits members, manages readers, epochs and policies, pauses.
    bytes32 public constant OPERATOR_ROLE = keccak256("OPERATOR_ROLE");
    /// @notice Approves rule sets, records decisions and requests.
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
            "KeyChange(address account,address newAccount,bytes32 x25519Key,bytes32 hpkeKey,bytes32 witnessKey)"
        );

    /// @notice Hash of the chain's first block, the salt of every signature that is made for this consortium.
    bytes32 public immutable genesisHash;

    mapping(address account => Member) private _members;
    mapping(uint16 code => address) private _accounts;
    mapping(bytes32 agentHash => bool) private _agents;
    /// @dev The changes that were made, so that a signature works once.
    mapping(bytes32 structHash => bool) private _keyChanges;
    uint16 private _memberCount;

    mapping(bytes32 keyId => ReaderStatus) private _readers;

    mapping(uint32 epoch => bool) private _epochs;
    bool private _epochOpened;
    uint32 private _currentEpoch;
    uint64 private _currentEpochStart;

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
        bytes signature,
        bytes newSignature
    );
    event MemberSuspended(address indexed account, uint16 indexed code);
    event MemberReinstated(address indexed account, uint16 indexed code);
    event MemberRevoked(address indexed account, uint16 indexed code);
    event ReaderAdded(bytes32 indexed keyId, bytes32 hpkeKey, uint32 indexed epoch, string label);
    event ReaderRemoved(bytes32 indexed keyId);
    event EpochOpened(uint32 indexed epoch, uint64 startsAt, bytes32 publicKey, bytes32[] shareCommitments);
    event PolicyPublished(bytes32 indexed policyHash, uint32 indexed number, bytes document);

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
    /// @notice The bank made this very change before.
    error ConsortiumKeyChangeRepeated(address account);
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
    /// @notice The key identifier is not the SHA-256 of the reader's key.
    error ConsortiumReaderKeyMismatch(bytes32 expected, bytes32 got);
    /// @notice The reader was added before; a removed key does not come back.
    error ConsortiumReaderAlreadyAdded(bytes32 keyId);
    /// @notice No active reader has this key identifier.
    error ConsortiumUnknownReader(bytes32 keyId);
    /// @notice Epochs only move forward.
    error ConsortiumEpochNotLater(uint32 current, uint32 got);
    /// @notice An epoch cannot start before the one it follows.
    error ConsortiumEpochStartNotLater(uint64 current, uint64 got);
    /// @notice The policy document is empty.
    error ConsortiumEmptyPolicy();
    /// @notice The same document was published before.
    error ConsortiumPolicyAlreadyPublished(bytes32 policyHash);

    /// @dev The operator starts as admin too; see the NOTE on the contract.
    constructor(address operator, bytes32 genesisHash_) {
        if (operator == address(0)) revert ConsortiumInvalidAccount();
        genesisHash = genesisHash_;
        _grantRole(DEFAULT_ADMIN_ROLE, operator);
        _grantRole(OPERATOR_ROLE, operator);
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
    ) external onlyRole(OPERATOR_ROLE) returns (uint16 code) {
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
        _agents[agentHash] = true;
        _accounts[code] = account;
        _members[account] = Member(code, MemberStatus.Active, agent, x25519Key, hpkeKey, witnessKey);
        emit MemberAdmitted(account, code, agent, x25519Key, hpkeKey, witnessKey, signature);
    }

    /**
     * @notice Replaces a member's account, its keys, or both; code, agent and posted batches stay.
     * @param account The account in force, which signs.
     * @param newAccount The account from now on, which signs too; it may be the same, and was never a member
     * otherwise.
     * @param signature Signature over all of this (EIP-712, `KEY_CHANGE_TYPE`) by `account`.
     * @param newSignature The same signature by `newAccount`.
     *
     * NOTE: Anybody may send it, since both signatures are the bank's. A suspended member stays suspended. A
     * change is made once, or a stranger could send an old one again and bring back keys that were given up.
     *
     * WARNING: Whoever has the old key can do this. A bank whose key was stolen asks for its suspension first.
     */
    function changeKeys(
        address account,
        address newAccount,
        bytes32 x25519Key,
        bytes32 hpkeKey,
        bytes32 witnessKey,
        bytes calldata signature,
        bytes calldata newSignature
    ) external {
        Member storage member = _requireNotRevoked(account);
        if (newAccount == address(0)) revert ConsortiumInvalidAccount();
        _requireKeys(x25519Key, hpkeKey, witnessKey);
        bytes32 structHash = keccak256(
            abi.encode(KEY_CHANGE_TYPE, account, newAccount, x25519Key, hpkeKey, witnessKey)
        );
        _requireSignedBy(account, structHash, signature);
        _requireSignedBy(newAccount, structHash, newSignature);
        if (_keyChanges[structHash]) revert ConsortiumKeyChangeRepeated(account);
        _keyChanges[structHash] = true;
        uint16 code = member.code;
        if (newAccount != account) {
            if (_members[newAccount].status != MemberStatus.None) {
                revert ConsortiumAccountAlreadyAdmitted(newAccount);
            }
            _members[newAccount] = member;
            member.status = MemberStatus.Replaced;
            _accounts[code] = newAccount;
        }
        Member storage changed = _members[newAccount];
        changed.x25519Key = x25519Key;
        changed.hpkeKey = hpkeKey;
        changed.witnessKey = witnessKey;
        _emitKeysChanged(code, account, newAccount, signature, newSignature);
    }

    /// @notice Stops a member from posting until it is reinstated.
    function suspendMember(address account) external onlyRole(OPERATOR_ROLE) {
        uint16 code = requireActive(account);
        _members[account].status = MemberStatus.Suspended;
        emit MemberSuspended(account, code);
    }

    /// @notice Lets a suspended member post again.
    function reinstateMember(address account) external onlyRole(OPERATOR_ROLE) {
        Member storage member = _requireNotRevoked(account);
        if (member.status != MemberStatus.Suspended) revert ConsortiumMemberNotSuspended(account);
        member.status = MemberStatus.Active;
        emit MemberReinstated(account, member.code);
    }

    /**
     * @notice Ends a membership.
     *
     * WARNING: Final. The account, the code and the agent never come back; what the member posted stays.
     */
    function revokeMember(address account) external onlyRole(OPERATOR_ROLE) {
        Member storage member = _requireNotRevoked(account);
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

    /// @notice The member's code; reverts with the reason if the account may not act as a member now.
    function requireActive(address account) public view returns (uint16 code) {
        Member storage member = _requireNotRevoked(account);
        if (member.status == MemberStatus.Suspended) revert ConsortiumMemberSuspended(account);
        return member.code;
    }

    function _requireNotRevoked(address account) private view returns (Member storage member) {
        member = _members[account];
        if (member.status == MemberStatus.None) revert ConsortiumNotMember(account);
        if (member.status == MemberStatus.Revoked) revert ConsortiumMemberRevoked(account);
        if (member.status == MemberStatus.Replaced) revert ConsortiumAccountReplaced(account);
    }

    function _requireKeys(bytes32 x25519Key, bytes32 hpkeKey, bytes32 witnessKey) private pure {
        if (x25519Key == 0 || hpkeKey == 0 || witnessKey == 0) revert ConsortiumInvalidKey();
    }

    function _requireSignedBy(address account, bytes32 structHash, bytes calldata signature) private view {
        bytes32 separator = TypedData.domainSeparator(address(this), genesisHash);
        if (TypedData.signer(separator, structHash, signature) != account) revert ConsortiumNotSignedBy(account);
    }

    /// @dev A function of its own: the EVM reaches only so deep into its stack.
    function _emitKeysChanged(
        uint16 code,
        address account,
        address newAccount,
        bytes calldata signature,
        bytes calldata newSignature
    ) private {
        Member storage changed = _members[newAccount];
        emit MemberKeysChanged(
            code,
            account,
            newAccount,
            changed.x25519Key,
            changed.hpkeKey,
            changed.witnessKey,
            signature,
            newSignature
        );
    }

    // ---------------------------------------------------------------- readers

    /**
     * @notice Adds a key that rows posted from now on are sealed to.
     * @param keyId SHA-256 of `hpkeKey`, checked.
     * @param epoch The month the key is for; its secret is destroyed when that month's retention ends.
     *
     * WARNING: A reader reads every row sealed to it. Sealing is the consortium's main control, so members should
     * watch `ReaderAdded` and refuse a reader that they did not agree to.
     */
    function addReader(
        bytes32 keyId,
        bytes32 hpkeKey,
        uint32 epoch,
        string calldata label
    ) external onlyRole(OPERATOR_ROLE) {
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
    function removeReader(bytes32 keyId) external onlyRole(OPERATOR_ROLE) {
        if (_readers[keyId] != ReaderStatus.Active) revert ConsortiumUnknownReader(keyId);
        _readers[keyId] = ReaderStatus.Removed;
        emit ReaderRemoved(keyId);
    }

    /// @notice Whether the key identifier belongs to a current reader.
    function isReader(bytes32 keyId) external view returns (bool) {
        return _readers[keyId] == ReaderStatus.Active;
    }

    // ---------------------------------------------------------------- epochs of the pseudonym key

    /**
     * @notice Opens the next epoch of the pseudonym key.
     * @param startsAt Unix time in seconds from which transactions belong to the epoch.
     * @param publicKey The threshold public key (ristretto255).
     * @param shareCommitments The holders' commitments to their shares, in the order of their indices; empty for a
     * single holder.
     *
     * NOTE: The contract cannot check the curve points; key holders publish their proofs beside it.
     */
    function openEpoch(
        uint32 epoch,
        uint64 startsAt,
        bytes32 publicKey,
        bytes32[] calldata shareCommitments
    ) external onlyRole(OPERATOR_ROLE) {
        if (publicKey == 0) revert ConsortiumInvalidKey();
        if (_epochOpened && epoch <= _currentEpoch) revert ConsortiumEpochNotLater(_currentEpoch, epoch);
        if (startsAt < _currentEpochStart) revert ConsortiumEpochStartNotLater(_currentEpochStart, startsAt);
        _epochs[epoch] = true;
        _epochOpened = true;
        _currentEpoch = epoch;
        _currentEpochStart = startsAt;
        emit EpochOpened(epoch, startsAt, publicKey, shareCommitments);
    }

    /// @notice The epoch opened last; 0 also before the first, which `isEpoch` tells apart.
    function currentEpoch() external view returns (uint32) {
        return _currentEpoch;
    }

    /// @notice Whether the epoch was opened.
    function isEpoch(uint32 epoch) external view returns (bool) {
        return _epochs[epoch];
    }

    // ---------------------------------------------------------------- encoding policies

    /**
     * @notice Publishes an encoding policy and makes it the active one. The whole document stands in the event, so
     * who reads a batch in ten years can decode it.
     */
    function publishPolicy(bytes calldata document) external onlyRole(OPERATOR_ROLE) returns (bytes32 policyHash) {
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

    /// @notice Stops posting, rule changes and case entries for everyone.
    function pause() external onlyRole(OPERATOR_ROLE) {
        _pause();
    }

    /// @notice Lifts the pause.
    function unpause() external onlyRole(OPERATOR_ROLE) {
        _unpause();
    }
}
