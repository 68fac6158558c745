/* Every bound of the engine, in one place. A pool's or ring's size is written as the sum of what
 * can be outstanding. Sources: docs/protocol.md for those that peers must agree on. */
#ifndef WEFT_BASE_LIMITS_H
#define WEFT_BASE_LIMITS_H

/* ---- the schema ---- */
#define LIMIT_MODELS 64u                             /* synced tables of a library */
#define LIMIT_COLUMNS 256u                           /* columns of one synced table */
#define LIMIT_KEY_COLUMNS 8u                         /* columns of one key */
#define LIMIT_NAME 128u                              /* bytes of a table or column name */
#define LIMIT_MEMBERS 64u                            /* devices of a library */
#define LIMIT_STREAMS (LIMIT_MODELS * LIMIT_MEMBERS) /* (owner, model) pairs */

/* ---- the host's door ---- */
#define LIMIT_LANES 64u              /* host threads that submit at once */
#define LIMIT_LANE_SLOTS 64u         /* transactions waiting in one lane's ring */
#define LIMIT_COMMITS 1024u          /* commits taken from hosts and not yet let go by the engine */
#define LIMIT_TICKETS 16384u         /* tickets whose outcome is kept */
#define LIMIT_TX_BYTES (32u << 20)   /* one transaction */
#define LIMIT_ROW_BYTES (960u << 10) /* all cells of one row: must fit a message, uncompressed */
#define LIMIT_SCANS 16u              /* rescans open at once */
#define LIMIT_ERROR_BYTES 512u

/* ---- rows in memory ---- */
#define LIMIT_ROWS 2048u /* rows of one Rows run and of one batch */

/* ---- the wire ---- */
#define LIMIT_MESSAGE_WIRE (1u << 20) /* a message as it travels */
#define LIMIT_MESSAGE_RAW (4u << 20)  /* ... as it is packed */
#define LIMIT_BATCH_RAW (768u << 10)  /* raw bytes at which a batch is closed */
#define LIMIT_RATIO 64u               /* raw to wire, above which a message is refused */
#define LIMIT_ZSTD_WINDOW_LOG 20
#define LIMIT_ELEMENTS 4096u           /* repeated elements of one message, pre-scanned */
#define LIMIT_UNPACKED (16u << 20)     /* arena of one unpacked message */
#define LIMIT_FRAME 65535u             /* a frame's length field, and so its size after it */
#define LIMIT_FRAME_BODY 16384u        /* body of one fragment: what an edit may have to wait for */
#define LIMIT_FRAMES_QUEUED (8u << 20) /* bytes queued in one session before batches must wait */
#define LIMIT_COMPRESS_MIN 512u        /* smaller messages travel as they are */

/* ---- flow ---- */
#define LIMIT_PEERS_DEFAULT 8u
#define LIMIT_PEERS 256u
#define LIMIT_PEER_BATCHES 4u        /* batches handed to one peer and not yet in its socket */
#define LIMIT_PEER_PACKED 8u         /* received batches of one peer inside the engine */
#define LIMIT_WINDOW (8u << 20)      /* batch bytes a sender may have unconsumed at the receiver */
#define LIMIT_TAIL_BYTES (16u << 20) /* committed rows kept in memory for peers near the head */
#define LIMIT_GROUP_ROWS 16384u      /* rows of one SQLite commit, after which it is made */
#define LIMIT_GROUP_MAILS 128u       /* transactions of one SQLite commit */
#define LIMIT_FORGET_ROWS 1000u      /* tombstones forgotten per slice */
#define LIMIT_SCAN_ROWS 1000u        /* rows deleted per slice of a rescan's end */
#define LIMIT_SCAN_RANGE (1u << 24)  /* stamps kept for the tombstones of a rescan's end */

/* ---- time ---- */
#define LIMIT_HANDSHAKE_US 5000000u
#define LIMIT_HEARTBEAT_US 15000000u
#define LIMIT_DEAD_US 45000000u
#define LIMIT_REDIAL_MIN_US 1000000u
#define LIMIT_REDIAL_MAX_US 64000000u
#define LIMIT_CLOCK_AHEAD_MS 60000u /* a stamp further ahead does not move the clock */
#define LIMIT_PRUNE_US 5000000u     /* between two surveys */
#define LIMIT_RETRY_US 1000000u     /* after a commit failed for want of space */

#endif
