/* A party: one device of a test, with an engine, a reader and a location of its own.
 *
 *     party_start(&a, folder, "a", NULL);
 *     party_start(&b, folder, "b", &a);            comes into the library of a, by invite
 *     party_connect(&a, &b);
 *     uint64_t ticket = party_put(&a, 1, "one", 10);
 *     party_wait(&a, ticket, WEFT_REPLICATED, 1);
 *     assert_int_equal(party_number(&b, "SELECT count(*) FROM entry"), 1);
 *
 * Rows are named by small numbers: the id of row n is made of the party's device and n. What a
 * helper cannot do fails the test. Nothing here sleeps: waiting is for tickets and events. */
#ifndef TESTS_LIB_PARTY_H
#define TESTS_LIB_PARTY_H

#include <sqlite3.h>

#include "engine/weft.h"
#include "tests/lib/scratch.h"

/* How long a condition may take to come true before the test fails. Generous: sanitizers. */
#define PARTY_PATIENCE_MS 60000

/* Columns of entry, in the order weft_put() takes them. */
enum party_column { PARTY_ID, PARTY_LOCATION, PARTY_NAME, PARTY_SIZE, PARTY_RATIO, PARTY_DATA };
#define PARTY_COLUMNS 6u

/* The tables location and entry. */
extern const char party_schema[];

struct time_port;

struct party {
    weft_engine *engine;
    sqlite3 *reader;
    struct weft_config config;    /* kept for party_return() */
    const struct time_port *time; /* for party_return(); NULL: the real one */
    char path[SCRATCH_PATH + 16];
    char address[WEFT_ADDRESS_MAX];  /* once it listens */
    bool listens;                    /* now */
    bool web;                        /* for WebSockets */
    uint8_t library[16], device[16]; /* the location's id is the device's */
    int location, entry;
};

/* Opens a new device and writes its location. It founds a library, or comes into that of `of`,
 * which listens from then on. No session stands afterwards. */
void party_start(struct party *party, const char *folder, const char *name, struct party *of);
/* The same with settings of one's own; the path is filled in, and the schema if there is none:
 * it has at least the tables of party_schema. */
void party_start_with(struct party *party, const char *folder, const char *name, struct party *of,
                      const struct weft_config *config);
/* Closes it; party_return() opens it again, and listens where it did before. */
void party_leave(struct party *party);
/* It forgets every address, and calls nobody when it is back. */
void party_forget(struct party *party);
void party_return(struct party *party);

/* Listens on a free port, or where it did before; does nothing when it listens already. */
void party_listen(struct party *party);
/* Where a party is dialled: its address, and which device is meant. */
void party_target(const struct party *party, char out[WEFT_ADDRESS_MAX]);
/* Connects to `to`, which listens, and waits until the session stands on both sides. */
void party_connect(struct party *party, struct party *to);
/* Waits until a session with the other party stands, or does not. */
void party_wait_live(struct party *party, const struct party *with, bool live);

/* Makes an invite; `options` may be NULL. */
void party_invite(struct party *party, const struct weft_invite *options, char link[WEFT_LINK_MAX]);
/* Comes in with a link and stays open, with the session that it came in by. `party` is new. */
void party_join(struct party *party, const char *folder, const char *name, const char *link);
/* Waits until it knows so many members, itself included. */
void party_wait_members(struct party *party, unsigned count);

/* The id of row `number` of this party. */
void party_id(const struct party *party, uint32_t number, uint8_t id[16]);
/* A row's values; `id` and `name` must outlive them. */
void party_values(const struct party *party, const uint8_t id[16], const char *name, int64_t size,
                  struct weft_value values[PARTY_COLUMNS]);

/* One transaction each, committed; return the ticket. */
uint64_t party_put(struct party *party, uint32_t number, const char *name, int64_t size);
uint64_t party_set(struct party *party, uint32_t number, enum party_column column,
                   struct weft_value value);
uint64_t party_delete(struct party *party, uint32_t number);

/* Waits for a ticket, which must reach the level. */
void party_wait(struct party *party, uint64_t ticket, enum weft_level level, unsigned devices);
/* Waits for a ticket, which must fail with `status`; `why` (may be NULL) says why. */
void party_wait_failure(struct party *party, uint64_t ticket, enum weft_status status,
                        struct weft_error *why);

/* The first value of the first row as a number; -1 when there is none. */
int64_t party_number(struct party *party, const char *sql);
/* Waits until party_number() is `number`. */
void party_wait_number(struct party *party, const char *sql, int64_t number);
/* Waits for an event of this kind; those before it are let go. */
void party_wait_event(struct party *party, enum weft_event_kind kind, struct weft_event *out);
/* Waits until an event of each of these kinds has come, in whatever order: those of different
 * actors may overtake one another. `out` has room for `count`. */
void party_wait_events(struct party *party, const enum weft_event_kind *kinds, unsigned count,
                       struct weft_event *out);
/* For so long no event comes, of those kept neither. */
void party_stays_quiet(struct party *party, int ms);
/* Compares all rows of the databases of `count` parties, which have left. */
void party_assert_equal(const struct party *const *parties, unsigned count);

#endif
