/* The simulated vault: the key files of one device, and the stamp of the disk that it runs on.
 *
 * Files survive the end of the process and the loss of power. What can be lost is a file whose
 * make() had not returned; it is whole or not there. While the device is down everything is
 * refused. */
#ifndef SIM_VAULT_H
#define SIM_VAULT_H

#include "tests/sim/disk.h"

struct vault;

/* An empty vault. `disk` says which of the library's files there are, whose stamps are asked for,
 * and while it is down so is the vault; borrowed, may be NULL. Vaults of other seeds have other
 * stamps. Never NULL. */
struct vault *vault_open(uint64_t seed, const struct disk *disk);
void vault_close(struct vault *vault);
/* The port for the device's engine; valid while the vault is open. */
struct vault_port vault_port(struct vault *vault);

/* The device goes down now. */
void vault_crash(struct vault *vault);
/* Power is lost within the `makes`th make() from now (1: the next), which fails, and by chance has
 * or has not made its file; 0 takes that back. */
void vault_crash_after(struct vault *vault, uint64_t makes);
bool vault_is_down(const struct vault *vault);
/* The files that survived are there again. */
void vault_restart(struct vault *vault);

/* While full, nothing can be made: WEFT_DISK_FULL. */
void vault_set_full(struct vault *vault, bool full);
/* The disk was restored or moved: every file has another stamp from now on. */
void vault_restamp(struct vault *vault);
/* The device's disk was cloned: `to` has the files of `from`, and its own stamp. */
void vault_clone(struct vault *to, const struct vault *from);
/* The same, for a library at another path. */
void vault_clone_as(struct vault *to, const char *to_path, const struct vault *from,
                    const char *from_path);
/* Its user has deleted a file; false if there was none. */
bool vault_remove(struct vault *vault, const char *path);

uint32_t vault_files(const struct vault *vault);

#endif
