/* Every bound of the engine, in one place. A pool's or ring's size is written as the sum of what
 * can be outstanding. Sources: docs/protocol.md for those that peers must agree on. */
#ifndef WEFT_BASE_LIMITS_H
#define WEFT_BASE_LIMITS_H

/* ---- the schema ---- */
#define LIMIT_MODELS 64u          /* synced tables of a library */
#define LIMIT_COLUMNS 256u        /* columns of one synced table */
#define LIMIT_FIELDS 256u         /* ... that one shared table ever had, dropped ones too */
#define LIMIT_FIELDS_FOREIGN 128u /* ... after which names without a column get no number */
#define LIMIT_KEY_COLUMNS 8u      /* columns of one key */
#define LIMIT_NAME 128u           /* bytes of a table or column name */
#define LIMIT_MEMBERS 128u        /* devices of a library */
#define LIMIT_ROSTER 128u         /* devices ever added to a library */
#define LIMIT_STREAMS (LIMIT_MODELS * LIMIT_MEMBERS) /* (owner, model) pairs */
#define LIMIT_SUBSCRIPTIONS 256u                     /* rules about what this device takes */
#define LIMIT_STREAMS_UNKNOWN \
    256u /* of owners not in the roster (yet), as one peer speaks of them */

/* ---- the host's door ---- */
#define LIMIT_LANES 64u              /* host threads that submit at once */
#define LIMIT_LANE_SLOTS 64u         /* transactions waiting in one lane's ring */
#define LIMIT_COMMITS 1024u          /* commits taken from hosts and not yet let go by the engine */
#define LIMIT_TICKETS 16384u         /* tickets whose outcome is kept */
#define LIMIT_TX_BYTES (32u << 20)   /* one transaction */
#define LIMIT_ROW_BYTES (960u << 10) /* all cells of one row: must fit a message, uncompressed */
#define LIMIT_SCANS 16u              /* rescans open at once */
#define LIMIT_ERROR_BYTES 512u

/* ---- the host's hooks ---- */
#define LIMIT_HOOKS 8u
#define LIMIT_HOOK_MAILS 512u /* two for each SQLite commit: what it changes, what it became */
#define LIMIT_HOOK_BYTES (16u << 20) /* of all that waits for the hooks */
#define LIMIT_HOOK_COMMIT (2u << 20) /* keys of one SQLite commit; beyond, models are named */
#define LIMIT_HOOK_ENTRIES 8192u     /* transactions, batches and records of one SQLite commit */

/* ---- rows in memory ---- */
#define LIMIT_ROWS 2048u       /* rows of one Rows run */
#define LIMIT_BATCH_ROWS 1024u /* ... and of a batch: an edit may have to wait for one */

/* ---- the wire ---- */
#define LIMIT_MESSAGE_WIRE (1u << 20) /* a message as it travels */
#define LIMIT_MESSAGE_RAW (2u << 20)  /* ... as it is packed: a batch, and one row more */
#define LIMIT_BATCH_RAW (768u << 10)  /* raw bytes at which a batch is closed */
#define LIMIT_RATIO 64u               /* raw to wire, above which a message is refused */
#define LIMIT_ZSTD_WINDOW_LOG 20
#define LIMIT_ELEMENTS 4096u           /* repeated elements of one message, pre-scanned */
#define LIMIT_PLACES 1024u             /* places of one request or acknowledgement */
#define LIMIT_UNPACKED (16u << 20)     /* arena of one unpacked message */
#define LIMIT_FRAME 65535u             /* a frame's length field, and so its size after it */
#define LIMIT_FRAME_BODY 16384u        /* body of one fragment: what an edit may have to wait for */
#define LIMIT_FRAMES_QUEUED (8u << 20) /* bytes queued in one session before batches must wait */
#define LIMIT_COMPRESS_MIN 512u        /* smaller messages travel as they are */
#define LIMIT_REKEY_RECORDS (1u << 20) /* sealed records under one key */
#define LIMIT_REKEY_BYTES (1u << 30)   /* ... and their bytes */
#define LIMIT_RANGES 256u              /* of a stream, whose digests one message compares */
#define LIMIT_RECORD (256u << 10)      /* one record of the shared log, as it is signed */
#define LIMIT_ATTEST (128u << 10)      /* a statement of what a device holds, as it is signed */
/* Rows of one table in a chunk of a snapshot. A key and a value came in one record; with them go
 * the names and stamps of all fields of the row. */
#define LIMIT_SNAPSHOT (512u << 10)
#define LIMIT_SNAPSHOT_ORIGINS 512u /* whose stamps are in it: those of one row, twice */
#define LIMIT_CHUNK (256u << 10)    /* bytes of rows after which a chunk is closed */
#define LIMIT_CURSOR (300u << 10)   /* where a snapshot stands: the key of a row, and a little */
#define LIMIT_MOVED 65536u          /* rows known to have left the shadow: schema/003_rows.sql */

/* ---- flow ---- */
#define LIMIT_PEERS_DEFAULT 8u
#define LIMIT_PEERS 16384u     /* ... at most; what is not used costs a few KiB each */
#define LIMIT_PEERS_SHOWN 256u /* slots that pages by HTTP show */
#define LIMIT_PEER_THREADS 16u /* that peers share, where each actor has a thread */
#define LIMIT_PEER_BATCHES 4u  /* batches handed to one peer and not yet in its socket */
#define LIMIT_PEER_PACKED 512u /* received batches of one peer inside the engine, */
#define LIMIT_PEER_PACKED_BYTES LIMIT_WINDOW /* ... and their bytes, as they travelled */
#define LIMIT_PEER_INCOMING 8u               /* ... those of them that are decoded */
#define LIMIT_PEER_SHIPMENTS 2u        /* shipments of records handed to one peer, not yet sent */
#define LIMIT_PEER_RECORDS 4u          /* received mails of records of one peer inside the engine */
#define LIMIT_SHARED_WINDOW (1u << 20) /* bytes of records a sender may have unconsumed */
#define LIMIT_SHIPMENT (64u << 10)     /* bytes of records after which a shipment is closed */
#define LIMIT_SHIPMENT_RECORDS 256u
#define LIMIT_INCARNATIONS 16u  /* of one device */
#define LIMIT_QUARANTINE 10000u /* records of one origin whose time has not come */
#define LIMIT_ORIGINS (LIMIT_ROSTER * LIMIT_INCARNATIONS)
#define LIMIT_WINDOW (8u << 20)      /* batch bytes a sender may have unconsumed at the receiver */
#define LIMIT_TAIL_BYTES (16u << 20) /* committed rows kept in memory for peers near the head */
#define LIMIT_GROUP_ROWS 16384u      /* rows of one SQLite commit, after which it is made */
#define LIMIT_GROUP_INCOMING 4096u   /* ... of other devices: an edit may have to wait for them */
#define LIMIT_GROUP_MAILS 128u       /* transactions of one SQLite commit */
#define LIMIT_SNAPSHOT_ROWS 2000u    /* rows looked at per slice of a snapshot's end */
#define LIMIT_PAGE_BYTES 8192u       /* of a new file: store_open.c */
#define LIMIT_CHECKPOINT_PAGES 4096u /* of the write-ahead log, before it is copied */
#define LIMIT_CHECKPOINT_TIMES 4u    /* ... and so many times that, before commits wait for it */
#define LIMIT_LOG_RECORDS 256u       /* of the shared log, that stay for who comes back soon */
#define LIMIT_FORGET_ROWS 1000u      /* tombstones forgotten per slice */
#define LIMIT_CLEAR_ROWS 1000u       /* rows of others removed per slice, when they are left out */
#define LIMIT_DIGEST_ROWS 4096u      /* hashed per slice of a comparison of ranges */
#define LIMIT_SCAN_ROWS 1000u        /* rows deleted per slice of a rescan's end */
#define LIMIT_SCAN_RANGE (1u << 24)  /* stamps kept for the tombstones of a rescan's end */

/* ---- the door to the network ---- */
#define LIMIT_CALLERS 64u        /* connections whose M1 is not whole yet */
#define LIMIT_CALLERS_ADDRESS 4u /* ... of one address */
#define LIMIT_CALLS_PER_S 20u    /* handshakes of one address that are worth decrypting */
#define LIMIT_CALLS_BURST 5u
#define LIMIT_INVITES 16u        /* open at once */
#define LIMIT_INVITE_FAILURES 3u /* of one invite, after which it is burnt */

/* ---- pages by HTTP ---- */
#define LIMIT_HTTP_LINKS 64u     /* connections at once */
#define LIMIT_HTTP_ADDRESS 32u   /* ... of one address */
#define LIMIT_HTTP_REQUEST 8192u /* bytes of a request, and of an answer's head */
#define LIMIT_HTTP_IDLE_S 5u     /* seconds that a connection may be silent */
#define LIMIT_HTTP_TOKEN 256u    /* bytes of a token */

/* ---- WebSockets ---- */
/* Who calls, who has a session, and those that are closing. */
#define LIMIT_SPANS (LIMIT_CALLERS + 256u + 128u)
#define LIMIT_SPAN_PAIR (128u << 10)  /* bytes on the way between engine and WebSocket, each way */
#define LIMIT_SPAN_CHUNK 16384u       /* ... of one message, sent or received at once */
#define LIMIT_SPAN_HEADERS 4096u      /* of a request for a WebSocket */
#define LIMIT_SPAN_LEAVE_S 30         /* for the last bytes of a session that has ended */
#define LIMIT_SPAN_LINGER_US 1000000u /* for the last bytes of an engine that closes */

/* ---- other devices, as they are remembered ---- */
#define LIMIT_CONTACTS (LIMIT_ROSTER + 32u) /* devices, and addresses that nobody answered at yet */
#define LIMIT_ADDRESSES 8u                  /* of one device */
#define LIMIT_HISTORY 256u                  /* sessions of one device that are remembered */
#define LIMIT_HISTORY_MS 7776000000u        /* ... for 90 days */
#define LIMIT_HISTORY_UNSAVED 64u           /* sessions that wait for a commit to be written with */

/* ---- time ---- */
#define LIMIT_HANDSHAKE_US 5000000u
#define LIMIT_REKEY_US 900000000u     /* 15 minutes under one key */
#define LIMIT_SESSION_US 86400000000u /* 24 hours, then a new handshake */
#define LIMIT_RECORD_US 30000000u     /* a record that has begun is whole by then */
#define LIMIT_RECORD_RATE 1024u       /* ... and comes at so many bytes a second */
#define LIMIT_CONFIRM_US 120000000u   /* for a person to say yes to a newcomer */
#define LIMIT_HEARTBEAT_US 15000000u
#define LIMIT_REST_US 1000000u /* of quiet, after which a session gives its memory back */
#define LIMIT_DEAD_US 45000000u
#define LIMIT_RATE_MIN 8192u /* bytes per second: a bound below it would look like a cut */
#define LIMIT_BOUNDS 64u     /* devices with rates of their own */
#define LIMIT_REDIAL_MIN_US 1000000u
#define LIMIT_REDIAL_NEAR_US 2000000u /* a peer is tried so often for a while after it was lost */
#define LIMIT_REDIAL_MAX_US 64000000u
#define LIMIT_REDIAL_PART 512u /* ... and then with pauses of this part of its absence */
#define LIMIT_REDIAL_CROWD_US \
    250000u                         /* for each that is out of reach: four dials a second in all */
#define LIMIT_CLOCK_AHEAD_MS 60000u /* a stamp further ahead does not move the clock */
#define LIMIT_SOURCE_US 30000000u   /* a snapshot waits that long for who began to give it */
#define LIMIT_PATIENCE_MS 2592000000u /* 30 days, after which a silent member is away */
#define LIMIT_PRUNE_US 5000000u       /* between two surveys */
#define LIMIT_RANGES_US 5000000u      /* for an answer about ranges, and 10 us for each row */
#define LIMIT_NARROW_US 30000000u     /* a narrow sweep that does not move goes on as a whole one */
#define LIMIT_RETRY_US 1000000u       /* after a commit failed for want of space */
#define LIMIT_CONTACTS_US 60000000u /* what is known of other devices waits so long for a commit */
#define LIMIT_CONTACT_SAVE_US 600000000u /* between two tries that are written */

#endif
