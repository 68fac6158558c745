/* The vault as POSIX gives it: files that only their owner may read. */
#ifndef WEFT_NET_VAULT_H
#define WEFT_NET_VAULT_H

#include "engine/runtime/port.h"

/* The vault port over files. Stateless; copies are free. Blocks on the disk. Thread: any. */
struct vault_port vault_posix(void);

#endif
