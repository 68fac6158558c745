/* Published test vectors: the text files they are kept in, and Noise patterns made from their names
 * so that every pattern can be driven, not only the one that weft speaks. */
#ifndef TESTS_LIB_NOISE_VECTORS_H
#define TESTS_LIB_NOISE_VECTORS_H

#include "engine/wire/noise.h"

/* ---- files of vectors: lines of "key value"; an empty line ends a vector --------------------- */

#define VECTORS_LINES_MAX 32u

struct vectors {
    char *text; /* the whole file */
    char *at;
    unsigned count; /* lines of this vector */
    const char *keys[VECTORS_LINES_MAX];
    const char *values[VECTORS_LINES_MAX];
    uint8_t *bytes[VECTORS_LINES_MAX]; /* decoded when asked for */
};

/* Opens tests/vectors/`name`; fails the test if it is not there. */
void vectors_open(struct vectors *vectors, const char *name);
void vectors_close(struct vectors *vectors);

/* Goes to the next vector; false after the last. What was borrowed of the one before is gone. */
bool vectors_next(struct vectors *vectors);
/* How many lines have this key. */
unsigned vectors_count(const struct vectors *vectors, const char *key);
/* The value of the only line with this key; fails the test unless there is exactly one. */
const char *vectors_text(const struct vectors *vectors, const char *key);
/* The hex of the line `number` among those with this key, as bytes that end where their allocation
 * ends, so that reading past them is seen. Without such a line `data` is NULL. */
struct bytes vectors_bytes(struct vectors *vectors, const char *key, unsigned number);
/* As bytes of exactly `size`; fails the test for any other. NULL without such a line. */
const uint8_t *vectors_sized(struct vectors *vectors, const char *key, unsigned number,
                             size_t size);

/* ---- patterns -------------------------------------------------------------------------------- */

/* Makes the pattern of a name such as "Noise_XXpsk0+psk2_25519_ChaChaPoly_BLAKE2b": one-way,
 * fundamental and deferred ones with any psk modifiers. `name` must outlive the pattern.
 * False when the suite is another or the pattern unknown. Noise sections 7.3 to 7.5, 8, 9, 18.1. */
bool noise_vectors_pattern(const char *name, struct noise_pattern *pattern);
/* Section 7.4: only the initiator sends. */
bool noise_vectors_one_way(const struct noise_pattern *pattern);

/* Runs the current vector from both sides: each handshake message to the byte, its payload back,
 * the handshake hash, and every transport message, sealed in place and opened in place. Fails the
 * test at the first difference. */
void noise_vectors_run(struct vectors *vectors);

#endif
