/* The shared log and the rows that follow from it, held against each other and against what was
 * answered.
 *
 *   log     per origin no gap, every record names the hash of the one before, the last is the head
 *   rows    of a file are the fold of the records in it, less those that wait for their time, at
 *           any moment, so nobody sees a part of a record
 *   record  of a transaction says what it must, given the rows that it met; so does a refusal
 *   answer  WEFT_OK: the record is never another, and in the end every member has it */
#ifndef SIM_LEDGER_H
#define SIM_LEDGER_H

#include "tests/sim/world.h"

/* Never NULL. */
struct ledger *ledger_open(struct world *world);
void ledger_close(struct ledger *ledger);

/* The device's connection of the oracle is there: reads all, and finds out which pending steps the
 * file holds that were not answered. */
bool ledger_attach(struct device *device);
void ledger_detach(struct device *device);
/* After each turn. */
bool ledger_turned(struct device *device);
/* The engine has said that its log has grown, or was cut: while it may still be read. */
void ledger_grown(struct device *device);
/* The engine has told outcomes of tickets. */
void ledger_answered(struct device *device, const Weft__Answered *told);
/* Everything that can be said of one file. */
bool ledger_check(struct device *device);
/* An older copy of the device's disk is about to take its place: what nobody else has is lost. */
void ledger_restored(struct device *device);
/* Whether the device's file says that another is away. */
bool ledger_away(struct device *device, uint32_t of, bool *away);
/* As oracle_converged(). */
bool ledger_agrees(struct world *world, bool *equal, char *why);
/* Whether the device's file shows the row, as far as it has been read. */
bool ledger_shows(const struct device *device, uint32_t row);
/* Whether the device was taking a snapshot when its file was read last. */
bool ledger_taking(const struct device *device);

#endif
