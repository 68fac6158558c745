/* A device's lives: its engine opened, run, closed or killed, and opened again on the same disk. */
#ifndef SIM_DEVICE_H
#define SIM_DEVICE_H

#include "tests/sim/world.h"

/* Gives the device a disk, a vault and its sources of chance; it is down. */
void device_make(struct world *world, uint32_t number);
void device_unmake(struct device *device);
/* Whether its application is to be the newer version, and is not. */
bool device_outdated(const struct device *device);
/* Only the engine, and nobody listens to it. */
enum weft_status device_open(struct device *device, struct weft_error *why);
/* Opens the engine. It may be down afterwards without a failure: the disk may have crashed
 * meanwhile, or be full. */
void device_start(struct device *device);
/* Begins to listen only. */
bool device_listen(struct device *device);
/* Begins to listen and to dial, as the plan says. */
void device_talk(struct device *device);
/* Ends the engine without a word; unless it is down already, the disk keeps what `survival` says.
 * `up_us` is when the device starts again. */
void device_kill(struct device *device, enum disk_survival survival, bool silent, uint64_t up_us);
/* Closes the engine well. */
void device_close(struct device *device, uint64_t up_us);
/* Backs up its disk, and lets it write no own rows that the backup would lack; what it writes of
 * everybody's comes back from others, as far as they have heard of it. */
void device_back_up(struct device *device);
/* Power is lost, and the backup takes the place of its disk. */
void device_restore(struct device *device, uint64_t up_us);
/* The engine cannot go on: its disk is down, or has failed it so that it stopped. */
bool device_dead(const struct device *device);
/* From now on what happens is the engine's work, in which its disk and its memory may fail; or that
 * of who looks on. */
void device_works(struct device *device, bool works);
/* What is asked of it may be refused: its disk is full, or that or its memory may fail. */
bool device_ails(const struct device *device);
/* The actors that may have something to do, as bits. One that had nothing to do when it was asked
 * is not among them before a mail, a watch, its time or device_stir(). */
uint32_t device_awake(struct device *device);
/* At most one turn of one actor; true if it ran. */
bool device_turn(struct device *device, uint32_t actor);
/* Something was asked of the engine, or taken from it, that no mail of it shows. */
void device_stir(struct device *device);
/* That an actor which would not be asked has indeed nothing to do. */
void device_check_idle(struct device *device, uint32_t actor);
/* When an actor of it is due, UINT64_MAX if none ever is. */
uint64_t device_due_us(const struct device *device);
/* Its clocks, of whom `self` is. */
struct instant device_instant(void *self);
/* What its wall clock says now. */
uint64_t device_wall_ms(const struct device *device);
/* Takes the host's events. */
void device_events(struct device *device);

#endif
