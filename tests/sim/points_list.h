/* The table of points: name, text and meaning of each. See points.h. */
#ifndef SIM_POINTS_LIST_H
#define SIM_POINTS_LIST_H

/* clang-format off */
#define POINT_LIST(X) \
    /* Shared rows, as the ledger sees them. */ \
    X(RECORD, "record", "a transaction with a record") \
    X(SILENT, "silent", "a transaction that changed nothing") \
    X(NOT_FOUND, "not-found", "one refused: no such row") \
    X(CONSTRAINT, "constraint", "one refused: a constraint of the table") \
    X(DENIED, "denied", "one refused: not a member") \
    X(UNANSWERED, "unanswered", "one found on a disk after a crash") \
    X(BEATEN, "beaten", "something said that changed nothing") \
    X(QUARANTINED, "quarantined", "a record that had to wait") \
    X(RELEASED, "released", "a record whose time came") \
    X(BEHIND, "behind", "a row that an older rival keeps out") \
    X(REFUSED, "refused", "a row that a CHECK keeps out") \
    X(LOST, "lost", "a record that went with its disk") \
    X(EXTRA, "extra", "a row of which a column is missing") \
    X(UPGRADED, "upgraded", "a file that the newer version takes") \
    X(FORGOTTEN, "forgotten", "a horizon that rose") \
    X(SNAPSHOT, "snapshot", "a horizon that rose by a snapshot") \
    X(AWAY, "away", "a horizon that rose past a member that is away") \
    /* The shared log. */ \
    X(BELOW, "below", "records asked for that are forgotten") \
    X(KEPT, "kept", "records about members, out of their order") \
    X(RECORDS_LATE, "records-late", "records refused as they came") \
    X(FORK, "fork", "two records of one number by one device") \
    X(STATEMENT, "statement", "a signed statement of what is held came") \
    X(STATEMENT_PASSED, "statement-passed", "... and is passed on by another than its writer") \
    X(DELETIONS, "deletions", "deletions of shared rows forgotten") \
    X(CALLED_AWAY, "called-away", "a silent member is said to be away") \
    X(BACK, "back", "... and has a session again") \
    /* Snapshots. */ \
    X(CHUNK, "chunk", "a chunk of a snapshot sent") \
    X(CHUNK_BUSY, "chunk-busy", "one refused for now: another is served") \
    X(CHUNK_LOST, "chunk-lost", "one that cannot be had any more") \
    X(CHUNK_UNITED, "chunk-united", "one whose rows are added to those here") \
    X(TAKING_CRASHED, "taking-crashed", "a crash while a snapshot was taken") \
    X(TAKING_RESUMED, "taking-resumed", "... that went on where it was in the next life") \
    X(TAKING_SERVES, "taking-serves", "who takes a snapshot is asked for one") \
    X(TAKING_GIVEN_UP, "taking-given-up", "... and waits for others who do: given up") \
    /* Members. */ \
    X(JOINED, "joined", "the guest is in") \
    X(JOINED_APART, "joined-apart", "... while some devices did not reach each other") \
    X(JOIN_BROKEN, "join-broken", "the guest went down with an invite in its hand") \
    X(REMOVAL, "removal", "a member is removed") \
    X(REMOVED_WRITING, "removed-writing", "... while it writes") \
    X(REMOVED_DOWN, "removed-down", "... while it is down") \
    X(REMOVED_TWICE, "removed-twice", "... by two who had not heard of each other") \
    X(TOLD_REMOVED, "told-removed", "a device hears that it is no member any more") \
    X(TURNED_AWAY, "turned-away", "a connection of one who is no member is refused") \
    X(KEYS_CHANGED, "keys-changed", "a library has had more than one key") \
    X(RESTORED, "restored", "a device notices that its disk is an older copy") \
    X(RESTORED_TWICE, "restored-twice", "... for the second time") \
    /* Sessions. */ \
    X(TWO_SESSIONS, "two-sessions", "two connections between two devices at once") \
    X(REPLACED, "replaced", "a session ended for a newer one") \
    X(PROVE, "prove", "a session asked whether it is alive, as another came") \
    X(SPARE, "spare", "a connection given up for the one that stands") \
    X(NO_SESSION, "no-session", "a connection that came to nothing") \
    X(VERSIONS_MEET, "versions-meet", "a session between two versions of the schema") \
    X(HALF_OPEN, "half-open", "a session that ended while one of its directions was blocked") \
    X(DEAD_PEER, "dead-peer", "a peer given up") \
    X(PROTOCOL, "protocol", "a peer that broke the protocol") \
    /* Own rows. */ \
    X(GROUP, "group", "several transactions in one commit of the file") \
    X(OWN_AND_SHARED, "own-and-shared", "own and shared rows in one transaction") \
    X(SPLIT, "split", "a transaction larger than a batch") \
    X(BACKFILL, "backfill", "a batch with more behind it") \
    X(BACKFILL_ENDED, "backfill-ended", "who was being sent them went down") \
    X(SOURCE_ENDED, "source-ended", "who was sending them went down") \
    X(RELAYED, "relayed", "a batch of another's rows") \
    X(COMPRESSED, "compressed", "a batch that is compressed") \
    X(DUPLICATE, "duplicate", "a batch of what is held already") \
    X(GAP, "gap", "a batch that does not follow what is held") \
    X(SWEEP, "sweep", "a batch that is all there is in its range") \
    X(SWEEP_CRASHED, "sweep-crashed", "a crash within a sweep") \
    X(SWEEP_SAME, "sweep-same", "a part of a sweep passed over as it is the same") \
    X(TOMBSTONES, "tombstones", "tombstones forgotten") \
    X(CLEARING, "clearing", "rows that are left out are being removed") \
    X(LEFT_OUT, "left-out", "... and are gone") \
    X(RANGES, "ranges", "digests of ranges asked for") \
    X(REPAIR, "repair", "a stream taken anew as it differs") \
    X(SCAN_CRASHED, "scan-crashed", "a crash within a rescan") \
    X(PARKED, "parked", "received rows that cannot be applied yet") \
    X(CREDIT_OUT, "credit-out", "a peer takes no more batches for now") \
    X(FROM_DISK, "from-disk", "batches read from the file") \
    X(FROM_MEMORY, "from-memory", "batches served from memory") \
    X(SHARED_BATCH, "shared-batch", "one batch for several peers") \
    /* The host. */ \
    X(DOOR_FULL, "door-full", "a transaction has to wait outside") \
    X(REPLICATED, "replicated", "a ticket said to be on another device") \
    X(EVERYWHERE, "everywhere", "a ticket said to be on every member") \
    X(HOOK_LATE, "hook-late", "a hook too slow to be told of each row") \
    X(EVENTS_LOST, "events-lost", "events that nobody took in time") \
    X(DIGEST_EQUAL, "digest-equal", "digests compared with a member who holds as much") \
    X(DIGEST_DIFFERS, "digest-differs", "... that differ") \
    X(DIGEST_REPAIRED, "digest-repaired", "... and are equal after a repair") \
    /* Disks, processes and clocks. */ \
    X(CRASH_PENDING, "crash-pending", "a crash with transactions unanswered") \
    X(CRASH_WAITING, "crash-waiting", "a crash with records in quarantine") \
    X(CRASH_FULL, "crash-full", "a crash while the disk is full") \
    X(CRASH_UNSYNCED, "crash-unsynced", "a crash after a sync has failed") \
    X(CRASH_OPENING, "crash-opening", "a crash within an opening") \
    X(FULL_OPENING, "full-opening", "an opening refused as the disk is full") \
    X(FULL_COMMIT, "full-commit", "a transaction refused as the disk is full") \
    X(FULL_BATCH, "full-batch", "a received batch refused as the disk is full") \
    X(FULL_RECORDS, "full-records", "received records refused as the disk is full") \
    X(AMBUSH, "ambush", "a fault that waited for its moment") \
    X(IO_ERROR, "io-error", "a read or write that failed") \
    X(STARVED, "starved", "an allocation that failed") \
    X(ROT_OPENED, "rot-opened", "a changed file that was opened") \
    X(ROT_REFUSED, "rot-refused", "a changed file that was refused") \
    X(DAMAGED, "damaged", "a device whose rows were changed behind it") \
    X(REPAIRED, "repaired", "a world in which such rows were put right") \
    X(TORN, "torn", "sectors lost or torn in a crash") \
    X(ALL_DOWN, "all-down", "no device is up") \
    X(CLOCK_BACK, "clock-back", "a wall clock set back by more than a second") \
    X(CLOCK_FAR, "clock-far", "a wall clock so far ahead that others do not believe it")
/* clang-format on */

#endif
