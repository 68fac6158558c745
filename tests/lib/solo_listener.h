/* The listener actor alone, at a net port on which callers wait: the test is the net, the log, the
 * clock, the host and the peers, of which there are two.
 *
 *     solo_listener_roster(stage, SOLO_ALL);            who is a member
 *     uint32_t caller = solo_listener_member(stage, SOLO_HIGHER, "192.0.2.7");
 *     assert_true(solo_listener_let_in(stage, 0, NULL));
 *
 * Devices are numbered in the order of their ids. Every key is the same in every run. */
#ifndef TESTS_LIB_SOLO_LISTENER_H
#define TESTS_LIB_SOLO_LISTENER_H

#include "engine/wire/handshake.h"
#include "tests/lib/solo.h"

#define SOLO_LISTENER_CALLERS 128u
#define SOLO_LISTENER_DEVICES 5u
#define SOLO_LISTENER_KEYS 3u
#define SOLO_LISTENER_DECISIONS 16u

/* Two have lower ids than this device, two higher ones. */
enum { SOLO_LOWEST, SOLO_LOWER, SOLO_SELF, SOLO_HIGHER, SOLO_HIGHEST };
/* Sets of members. */
#define SOLO_ONLY(device) (1u << (device))
#define SOLO_ALL 0x1fu

/* A connection that came in. */
struct solo_caller {
    char origin[64];
    uint8_t bytes[HANDSHAKE_M1 + 16];
    size_t size, taken;
    bool accepted, released, closed, hung_up;
};

struct solo_listener {
    struct solo solo;
    struct id library;
    struct identity devices[SOLO_LISTENER_DEVICES];
    uint8_t keys[SOLO_LISTENER_KEYS][LIBRARY_KEY]; /* library keys by epoch, from 1 */
    uint8_t invite[LIBRARY_KEY];                   /* the pre-shared key of an invite */
    uint32_t key_count;                            /* of the next roster; 1 */
    struct solo_caller callers[SOLO_LISTENER_CALLERS];
    uint32_t caller_count, discarded, listening, closed_listening;
    uint64_t version; /* of the last roster */
    uint32_t ever;    /* who was a member in one of them */
    uint8_t ephemerals;
    struct mail *contacts[LIMIT_CONTACTS + 1]; /* what the log was told last, by number */
    struct mail *decisions[SOLO_LISTENER_DECISIONS];
    uint32_t decision_count, sessions;
};

/* For cmocka; *state becomes the stage, which listens and has asked for a roster. The teardown
 * fails when a mail has leaked. */
int solo_listener_setup(void **state);
int solo_listener_teardown(void **state);
#define listener_test(f) \
    cmocka_unit_test_setup_teardown(f, solo_listener_setup, solo_listener_teardown)

/* The log answers the request for a roster, which must have been made: these are members, others
 * that were are removed. */
void solo_listener_roster(struct solo_listener *stage, uint32_t members);

/* ---- who calls ---- */

/* The first message of device `from` to this one, of which `psk` is the pre-shared key. */
void solo_listener_m1(struct solo_listener *stage, uint32_t from, enum handshake_mode mode,
                      const uint8_t psk[LIBRARY_KEY], uint8_t m1[HANDSHAKE_M1]);
/* Somebody connects, and has sent this; returns the caller's number. */
uint32_t solo_listener_call(struct solo_listener *stage, const char *origin, const void *bytes,
                            size_t size);
/* The same, of a device that shows the newest library key, or the invite. */
uint32_t solo_listener_member(struct solo_listener *stage, uint32_t from, const char *origin);
uint32_t solo_listener_guest(struct solo_listener *stage, uint32_t from, const char *origin);
/* More bytes of a caller have come. */
void solo_listener_more(struct solo_listener *stage, uint32_t caller, const void *bytes,
                        size_t size);
/* Whether slot `peer` was given a connection; its handshake, if asked for. */
bool solo_listener_let_in(struct solo_listener *stage, uint32_t peer, struct handshake *out);
/* Whether the caller was hung up on without a byte. */
bool solo_listener_turned_away(const struct solo_listener *stage, uint32_t caller);
/* Nobody waits any more: both slots were given a connection of LOWER and HIGHER. */
void solo_listener_fill(struct solo_listener *stage);

/* ---- sessions ---- */

/* Session 1 of slot `peer` has proved to be with this device. */
void solo_listener_claim(struct solo_listener *stage, uint32_t peer, uint32_t device, bool dialled);
void solo_listener_claim_invite(struct solo_listener *stage, uint32_t peer, uint32_t device,
                                bool dialled);
/* 's' stands, 'e' not granted, 'r' replaced by another, 'p' prove, 'g' not granted: no member,
 * 'x' ended: no member any more, '-' nothing. */
char solo_listener_ruling(struct solo_listener *stage, uint32_t peer);
/* The connection of a slot has ended; or has come to nothing: nobody answered (WEFT_NET), somebody
 * hung up (WEFT_CLOSED), or said what it should not. */
void solo_listener_vacate(struct solo_listener *stage, uint32_t peer, enum weft_status status);
void solo_listener_miss(struct solo_listener *stage, uint32_t peer, enum weft_status status);

/* ---- the host ---- */

void solo_listener_connect(struct solo_listener *stage, const char *address, int device);
void solo_listener_invite(struct solo_listener *stage, uint32_t seconds, bool confirm);
void solo_listener_admit(struct solo_listener *stage, uint32_t device, bool yes);
/* The next mail of this kind, others on the same edge dropped; NULL. The caller drops it. */
struct mail *solo_listener_told(struct solo_listener *stage, uint32_t to,
                                Weft__Mail__BodyCase kind);
/* What the log was told last of a device (-1: of an address at which nobody has answered); NULL:
 * nothing, or that it is forgotten. Valid until the next call. */
const Weft__Contact *solo_listener_saved(struct solo_listener *stage, int device);
/* Time passes, and the listener is turned. */
void solo_listener_wait(struct solo_listener *stage, uint64_t us);

/* What slot `peer` is told to dial. */
struct solo_dial {
    bool some, quiet, invite, secret;
    char address[64];
    int device; /* -1: nobody */
    int key;    /* epoch; 0: the invite's; -1: none */
};
struct solo_dial solo_listener_dial(struct solo_listener *stage, uint32_t peer);

#endif
