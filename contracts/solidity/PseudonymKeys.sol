// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Consortium} from "./Consortium.sol";

/**
 * @title PseudonymKeys
 * @notice The pseudonym key: its epochs, who holds its shares, and the ceremonies in which holders make a key or
 * share it anew.
 *
 * @dev This contract is the broadcast channel of a ceremony. It keeps the order of the rounds: each dealer commits,
 * then each deals what it committed to, then each holder confirms the same result or complains. It cannot compute
 * on ristretto255; the transcript stands in the events, and anybody can compute it again (docs/formats.md).
 *
 * A ceremony for an epoch without a key makes one; all its holders deal. A ceremony for an epoch with a key shares
 * it anew: some of the present holders deal their shares to the new ones, and the key stays the same.
 *
 * WARNING: t holders that act together can compute the key. Old shares count too until their holders have erased
 * them.
 */
contract PseudonymKeys {
    enum Status {
        None,
        Running,
        Completed,
        Failed,
        Replaced
    }

    /// @notice An account that holds a share, and the ristretto255 key its shares are encrypted to in one ceremony.
    struct Holder {
        address account;
        bytes32 encryptionKey;
    }

    struct Ceremony {
        uint32 epoch;
        uint32 generation;
        uint8 threshold;
        Status status;
        uint16 committed;
        uint16 dealt;
        uint16 confirmed;
        bytes32 resultHash;
        bytes32 publicKey;
    }

    struct Epoch {
        bool opened;
        bytes32 publicKey;
        uint32 generation;
        uint64 ceremony;
        uint64 running;
    }

    /// @notice Most holders of a key.
    uint256 public constant MAX_HOLDERS = 32;
    /// @notice Longest contribution: commitments of 32 coefficients and shares for 32 holders fit.
    uint256 public constant MAX_CONTRIBUTION = 8192;
    /// @notice Longest evidence of a complaint.
    uint256 public constant MAX_EVIDENCE = 1024;

    Consortium private immutable _consortium;
    uint64 private _ceremonyCount;
    mapping(uint64 number => Ceremony) private _ceremonies;
    /// @dev A key that opens the shares of two ceremonies would make sharing anew useless.
    mapping(bytes32 encryptionKey => bool) private _usedKeys;
    mapping(uint64 number => Holder[]) private _holders;
    /// @dev Dealers by their index in the generation before, or in this one where there is none before.
    mapping(uint64 number => uint8[]) private _dealers;
    mapping(uint64 number => mapping(uint8 dealer => bytes32)) private _commitments;
    mapping(uint64 number => mapping(uint8 dealer => bool)) private _dealt;
    mapping(uint64 number => mapping(uint8 holder => bool)) private _confirmed;

    mapping(uint32 epoch => Epoch) private _epochs;
    bool private _epochOpened;
    uint32 private _currentEpoch;
    uint64 private _currentEpochStart;

    event CeremonyStarted(
        uint64 indexed number,
        uint32 indexed epoch,
        uint32 generation,
        uint8 threshold,
        Holder[] holders,
        uint8[] dealers
    );
    event CeremonyCommitted(uint64 indexed number, uint8 indexed dealer, bytes32 commitment);
    event CeremonyDealt(uint64 indexed number, uint8 indexed dealer, bytes contribution);
    event CeremonyConfirmed(uint64 indexed number, uint8 indexed holder, bytes32 resultHash);
    event CeremonyFailed(uint64 indexed number, uint8 indexed holder, uint8 indexed dealer, bytes evidence);
    event CeremonyCompleted(
        uint64 indexed number,
        uint32 indexed epoch,
        uint32 generation,
        bytes32 publicKey,
        bytes32[] shareCommitments
    );
    event EpochOpened(uint32 indexed epoch, uint64 startsAt, uint64 indexed ceremony, bytes32 publicKey);

    /// @notice Only an approved proposal of the consortium can do this.
    error PseudonymKeysNotApproved(address account);
    /// @notice No holders, too many, a threshold out of range, or dealers that are not holders.
    error PseudonymKeysInvalidCeremony();
    /// @notice An account is zero or named twice, or an encryption key is zero or was used before.
    error PseudonymKeysInvalidHolder(address account);
    /// @notice The ceremony does not run: unknown, completed, failed or replaced.
    error PseudonymKeysNotRunning(uint64 number);
    /// @notice The account has no part in this round of the ceremony.
    error PseudonymKeysNoPart(address account);
    /// @notice The account did this before.
    error PseudonymKeysRepeated(address account);
    /// @notice The round before is not finished.
    error PseudonymKeysTooEarly(uint64 number);
    /// @notice The contribution is not the one that was committed to.
    error PseudonymKeysOtherContribution(bytes32 expected, bytes32 got);
    /// @notice The contribution or the evidence is too long.
    error PseudonymKeysTooLong(uint256 size, uint256 limit);
    /// @notice The holder has another result than the holders before it.
    error PseudonymKeysOtherResult(bytes32 expected, bytes32 got);
    /// @notice A key that is shared anew stays the same.
    error PseudonymKeysKeyChanged(bytes32 expected, bytes32 got);
    /// @notice The epoch has no key yet.
    error PseudonymKeysNoKey(uint32 epoch);
    /// @notice Epochs only move forward.
    error PseudonymKeysEpochNotLater(uint32 current, uint32 got);
    /// @notice An epoch cannot start before the one it follows.
    error PseudonymKeysEpochStartNotLater(uint64 current, uint64 got);

    modifier onlyConsortium() {
        if (msg.sender != address(_consortium)) revert PseudonymKeysNotApproved(msg.sender);
        _;
    }

    constructor(Consortium consortium_) {
        _consortium = consortium_;
    }

    // ---------------------------------------------------------------- ceremonies

    /**
     * @notice Starts a ceremony; one that runs for the same epoch is replaced.
     * @param threshold How many holders must answer for an evaluation.
     * @param holders The holders of the new shares, in the order of their indices from 1.
     * @param dealers Where the epoch has a key: the indices of the present holders that deal, ascending, as many
     * as their threshold or more. Otherwise empty: all new holders deal.
     */
    function startCeremony(
        uint32 epoch,
        uint8 threshold,
        Holder[] calldata holders,
        uint8[] calldata dealers
    ) external onlyConsortium returns (uint64 number) {
        uint256 count = holders.length;
        if (count == 0 || count > MAX_HOLDERS || threshold == 0 || threshold > count) {
            revert PseudonymKeysInvalidCeremony();
        }
        Epoch storage known = _epochs[epoch];
        number = ++_ceremonyCount;
        for (uint256 i = 0; i < count; ++i) {
            _requireNew(number, holders[i]);
            _usedKeys[holders[i].encryptionKey] = true;
            _holders[number].push(holders[i]);
        }
        bool reshares = known.publicKey != 0;
        if (reshares) {
            _requireDealers(known.ceremony, dealers);
            _dealers[number] = dealers;
        } else {
            if (dealers.length != 0) revert PseudonymKeysInvalidCeremony();
            for (uint8 i = 1; i <= count; ++i) _dealers[number].push(i);
        }
        if (known.running != 0) _ceremonies[known.running].status = Status.Replaced;
        known.running = number;
        Ceremony storage ceremony = _ceremonies[number];
        ceremony.epoch = epoch;
        ceremony.generation = reshares ? known.generation + 1 : 0;
        ceremony.threshold = threshold;
        ceremony.status = Status.Running;
        emit CeremonyStarted(number, epoch, ceremony.generation, threshold, holders, _dealers[number]);
    }

    /// @notice Round one: a dealer commits to its contribution before it sees any other.
    function commit(uint64 number, bytes32 commitment) external {
        Ceremony storage ceremony = _running(number);
        uint8 dealer = _dealerIndex(number, msg.sender);
        if (commitment == 0) revert PseudonymKeysInvalidCeremony();
        if (_commitments[number][dealer] != 0) revert PseudonymKeysRepeated(msg.sender);
        _commitments[number][dealer] = commitment;
        ++ceremony.committed;
        emit CeremonyCommitted(number, dealer, commitment);
    }

    /// @notice Round two: a dealer publishes its contribution, whose SHA-256 is its commitment.
    function deal(uint64 number, bytes calldata contribution) external {
        Ceremony storage ceremony = _running(number);
        uint8 dealer = _dealerIndex(number, msg.sender);
        if (contribution.length > MAX_CONTRIBUTION) {
            revert PseudonymKeysTooLong(contribution.length, MAX_CONTRIBUTION);
        }
        if (ceremony.committed != _dealers[number].length) revert PseudonymKeysTooEarly(number);
        if (_dealt[number][dealer]) revert PseudonymKeysRepeated(msg.sender);
        bytes32 got = sha256(contribution);
        if (got != _commitments[number][dealer]) {
            revert PseudonymKeysOtherContribution(_commitments[number][dealer], got);
        }
        _dealt[number][dealer] = true;
        ++ceremony.dealt;
        emit CeremonyDealt(number, dealer, contribution);
    }

    /**
     * @notice Round three: a holder has checked every contribution and has its share.
     *
     * NOTE: With the last confirmation the ceremony is completed. A key that was shared anew is in force from then
     * on; a new key when its epoch is opened.
     */
    function confirm(uint64 number, bytes32 publicKey, bytes32[] calldata shareCommitments) external {
        Ceremony storage ceremony = _running(number);
        uint8 holder = _holderIndex(number, msg.sender);
        if (ceremony.dealt != _dealers[number].length) revert PseudonymKeysTooEarly(number);
        if (_confirmed[number][holder]) revert PseudonymKeysRepeated(msg.sender);
        if (publicKey == 0 || shareCommitments.length != _holders[number].length) {
            revert PseudonymKeysInvalidCeremony();
        }
        bytes32 result = keccak256(abi.encode(publicKey, shareCommitments));
        if (ceremony.confirmed == 0) {
            bytes32 key = _epochs[ceremony.epoch].publicKey;
            if (key != 0 && key != publicKey) revert PseudonymKeysKeyChanged(key, publicKey);
            ceremony.resultHash = result;
            ceremony.publicKey = publicKey;
        } else if (ceremony.resultHash != result) {
            revert PseudonymKeysOtherResult(ceremony.resultHash, result);
        }
        _confirmed[number][holder] = true;
        ++ceremony.confirmed;
        emit CeremonyConfirmed(number, holder, result);
        if (ceremony.confirmed == _holders[number].length) {
            _complete(number, ceremony, publicKey, shareCommitments);
        }
    }

    /**
     * @notice Round three, otherwise: a holder shows that a dealer's contribution is bad. The ceremony has failed;
     * the evidence tells everybody whether the dealer or the holder is at fault.
     */
    function complain(uint64 number, uint8 dealer, bytes calldata evidence) external {
        Ceremony storage ceremony = _running(number);
        uint8 holder = _holderIndex(number, msg.sender);
        if (evidence.length > MAX_EVIDENCE) revert PseudonymKeysTooLong(evidence.length, MAX_EVIDENCE);
        if (ceremony.dealt != _dealers[number].length) revert PseudonymKeysTooEarly(number);
        ceremony.status = Status.Failed;
        _epochs[ceremony.epoch].running = 0;
        emit CeremonyFailed(number, holder, dealer, evidence);
    }

    /// @notice Where a ceremony stands.
    function ceremonyAt(uint64 number) external view returns (Ceremony memory) {
        return _ceremonies[number];
    }

    /// @notice How many ceremonies there were; their numbers are 1 to this number.
    function ceremonyCount() external view returns (uint64) {
        return _ceremonyCount;
    }

    // ---------------------------------------------------------------- epochs

    /**
     * @notice Opens the next epoch, with the key that its holders have made.
     * @param startsAt Unix time in seconds from which transactions belong to the epoch.
     *
     * NOTE: Approve it only after you have audited the ceremony.
     */
    function openEpoch(uint32 epoch, uint64 startsAt) external onlyConsortium {
        Epoch storage known = _epochs[epoch];
        if (known.publicKey == 0) revert PseudonymKeysNoKey(epoch);
        if (_epochOpened && epoch <= _currentEpoch) revert PseudonymKeysEpochNotLater(_currentEpoch, epoch);
        if (startsAt < _currentEpochStart) {
            revert PseudonymKeysEpochStartNotLater(_currentEpochStart, startsAt);
        }
        known.opened = true;
        _epochOpened = true;
        _currentEpoch = epoch;
        _currentEpochStart = startsAt;
        emit EpochOpened(epoch, startsAt, known.ceremony, known.publicKey);
    }

    /// @notice The epoch opened last; 0 also before the first, which `isEpoch` tells apart.
    function currentEpoch() external view returns (uint32) {
        return _currentEpoch;
    }

    /// @notice Whether the epoch was opened.
    function isEpoch(uint32 epoch) external view returns (bool) {
        return _epochs[epoch].opened;
    }

    /// @notice The key of an epoch, its generation, and the ceremony that made the shares in force; zeros if none.
    function keyOf(
        uint32 epoch
    ) external view returns (bytes32 publicKey, uint32 generation, uint64 ceremony) {
        Epoch storage known = _epochs[epoch];
        return (known.publicKey, known.generation, known.ceremony);
    }

    /// @notice Whether an account holds a share in force of an epoch's key.
    function isHolder(uint32 epoch, address account) external view returns (bool) {
        uint64 ceremony = _epochs[epoch].ceremony;
        return ceremony != 0 && _indexOf(ceremony, account) != 0;
    }

    /// @notice The consortium that decides on ceremonies and epochs.
    function consortium() external view returns (Consortium) {
        return _consortium;
    }

    // ---------------------------------------------------------------- parts

    function _complete(
        uint64 number,
        Ceremony storage ceremony,
        bytes32 publicKey,
        bytes32[] calldata shareCommitments
    ) private {
        ceremony.status = Status.Completed;
        Epoch storage known = _epochs[ceremony.epoch];
        known.publicKey = publicKey;
        known.generation = ceremony.generation;
        known.ceremony = number;
        known.running = 0;
        emit CeremonyCompleted(number, ceremony.epoch, ceremony.generation, publicKey, shareCommitments);
    }

    function _running(uint64 number) private view returns (Ceremony storage ceremony) {
        ceremony = _ceremonies[number];
        if (ceremony.status != Status.Running) revert PseudonymKeysNotRunning(number);
    }

    /// @dev A key that is not yet opened is made by all holders; afterwards those of the generation before deal.
    function _dealerIndex(uint64 number, address account) private view returns (uint8 dealer) {
        Epoch storage known = _epochs[_ceremonies[number].epoch];
        dealer = _indexOf(known.publicKey == 0 ? number : known.ceremony, account);
        uint8[] storage dealers = _dealers[number];
        for (uint256 i = 0; dealer != 0 && i < dealers.length; ++i) {
            if (dealers[i] == dealer) return dealer;
        }
        revert PseudonymKeysNoPart(account);
    }

    function _holderIndex(uint64 number, address account) private view returns (uint8 holder) {
        holder = _indexOf(number, account);
        if (holder == 0) revert PseudonymKeysNoPart(account);
    }

    function _indexOf(uint64 number, address account) private view returns (uint8) {
        Holder[] storage holders = _holders[number];
        for (uint256 i = 0; i < holders.length; ++i) {
            if (holders[i].account == account) return uint8(i + 1);
        }
        return 0;
    }

    function _requireNew(uint64 number, Holder calldata holder) private view {
        bool bad = holder.account == address(0) || holder.encryptionKey == 0 || _usedKeys[holder.encryptionKey];
        if (bad || _indexOf(number, holder.account) != 0) revert PseudonymKeysInvalidHolder(holder.account);
    }

    function _requireDealers(uint64 present, uint8[] calldata dealers) private view {
        if (dealers.length < _ceremonies[present].threshold) revert PseudonymKeysInvalidCeremony();
        uint8 last = 0;
        for (uint256 i = 0; i < dealers.length; ++i) {
            if (dealers[i] <= last || dealers[i] > _holders[present].length) {
                revert PseudonymKeysInvalidCeremony();
            }
            last = dealers[i];
        }
    }
}
