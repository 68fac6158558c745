/* Digests as tests look at them: those that a store keeps must be those that its rows make. */
#ifndef TESTS_LIB_DIGESTS_H
#define TESTS_LIB_DIGESTS_H

#include "engine/store/writer_private.h"

/* Fails the test if a digest that is kept is not the one that the rows make, or is missing while
 * `missing` is false. What the open transaction has summed up is written first, if one is open. */
void digests_hold(struct writer *writer, bool missing);
/* Each that is kept, in words: `table=hash` of shared tables that have rows, by name. */
const char *digests_shared_text(struct writer *writer, char *out, size_t size);

#endif
