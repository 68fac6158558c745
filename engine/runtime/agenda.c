/* See agenda.h. The times are a binary heap: heap[1] is the earliest, and no entry is earlier than
 * the one at half its place. */
#include "engine/runtime/agenda.h"

#include <stdlib.h>

#include "engine/base/check.h"

#define WORD 64u

/* ---- marks ---- */

bool marks_open(struct marks *marks, uint32_t count) {
    CHECK(marks != NULL && marks->bits == NULL);
    marks->words = count / WORD + 1;
    marks->bits = calloc(marks->words, sizeof *marks->bits);
    return marks->bits != NULL;
}

void marks_close(struct marks *marks) {
    CHECK(marks != NULL);
    free((void *)marks->bits);
    *marks = (struct marks){0};
}

void marks_set(struct marks *marks, uint32_t place) {
    CHECK(place / WORD < marks->words);
    atomic_fetch_or(&marks->bits[place / WORD], (uint64_t)1 << place % WORD);
}

void marks_add(struct marks *marks, uint32_t place) {
    CHECK(place / WORD < marks->words);
    if ((atomic_load(&marks->bits[place / WORD]) >> place % WORD & 1) == 0) marks_set(marks, place);
}

void marks_clear(struct marks *marks, uint32_t place) {
    CHECK(place / WORD < marks->words);
    atomic_fetch_and(&marks->bits[place / WORD], ~((uint64_t)1 << place % WORD));
}

void marks_fill(struct marks *marks, uint32_t count) {
    CHECK(count / WORD < marks->words);
    for (uint32_t w = 0; w < count / WORD; w++)
        atomic_store(&marks->bits[w], UINT64_MAX);
    if (count % WORD != 0)
        atomic_fetch_or(&marks->bits[count / WORD], UINT64_MAX >> (WORD - count % WORD));
}

bool marks_next(const struct marks *marks, uint32_t from, uint32_t *place) {
    for (uint32_t w = from / WORD; w < marks->words; w++) {
        uint64_t word = atomic_load(&marks->bits[w]);
        if (w == from / WORD) word &= UINT64_MAX << from % WORD;
        if (word == 0) continue;
        *place = w * WORD + (uint32_t)__builtin_ctzll(word);
        return true;
    }
    return false;
}

/* ---- times ---- */

bool agenda_open(struct agenda *agenda, uint32_t count) {
    CHECK(agenda != NULL && agenda->due == NULL);
    agenda->count = count;
    agenda->due = malloc(((size_t)count + 1) * sizeof *agenda->due);
    agenda->heap = calloc((size_t)count + 1, sizeof *agenda->heap);
    agenda->at = calloc((size_t)count + 1, sizeof *agenda->at);
    if (!marks_open(&agenda->marks, count) || agenda->due == NULL || agenda->heap == NULL ||
        agenda->at == NULL) {
        agenda_close(agenda);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        agenda->due[i] = UINT64_MAX;
        marks_set(&agenda->marks, i);
    }
    return true;
}

void agenda_close(struct agenda *agenda) {
    CHECK(agenda != NULL);
    marks_close(&agenda->marks);
    free(agenda->due);
    free(agenda->heap);
    free(agenda->at);
    *agenda = (struct agenda){0};
}

static void put(struct agenda *agenda, uint32_t at, uint32_t place) {
    agenda->heap[at] = place;
    agenda->at[place] = at;
}

/* Moves what stands at `at` to where it belongs. */
static void settle(struct agenda *agenda, uint32_t at) {
    const uint32_t place = agenda->heap[at];
    const uint64_t due = agenda->due[place];
    while (at > 1 && agenda->due[agenda->heap[at / 2]] > due) {
        put(agenda, at, agenda->heap[at / 2]);
        at /= 2;
    }
    for (uint32_t below = 2 * at; below <= agenda->heap_count; below = 2 * at) {
        const uint32_t *heap = agenda->heap;
        if (below < agenda->heap_count && agenda->due[heap[below + 1]] < agenda->due[heap[below]])
            below++;
        if (agenda->due[heap[below]] >= due) break;
        put(agenda, at, heap[below]);
        at = below;
    }
    put(agenda, at, place);
}

static void take_out(struct agenda *agenda, uint32_t place) {
    const uint32_t at = agenda->at[place];
    const uint32_t last = agenda->heap[agenda->heap_count--];
    agenda->at[place] = 0;
    if (last == place) return;
    put(agenda, at, last);
    settle(agenda, at);
}

void agenda_set_due(struct agenda *agenda, uint32_t place, uint64_t due) {
    CHECK(place < agenda->count);
    if (agenda->due[place] == due) return;
    agenda->due[place] = due;
    if (due == UINT64_MAX) {
        if (agenda->at[place] != 0) take_out(agenda, place);
        return;
    }
    if (agenda->at[place] == 0) put(agenda, ++agenda->heap_count, place);
    CHECK(agenda->heap_count <= agenda->count);
    settle(agenda, agenda->at[place]);
}

uint64_t agenda_first(const struct agenda *agenda) {
    return agenda->heap_count == 0 ? UINT64_MAX : agenda->due[agenda->heap[1]];
}

void agenda_ring(struct agenda *agenda, uint64_t now) {
    while (agenda_first(agenda) <= now && agenda->heap_count != 0) {
        const uint32_t place = agenda->heap[1];
        agenda_set_due(agenda, place, UINT64_MAX);
        marks_set(&agenda->marks, place);
    }
}
