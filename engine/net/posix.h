/* The world as POSIX gives it: time and entropy. Both ports are stateless; copies are free. */
#ifndef WEFT_NET_POSIX_H
#define WEFT_NET_POSIX_H

#include "engine/runtime/port.h"

/* CLOCK_MONOTONIC and CLOCK_REALTIME. Thread: any. */
struct time_port posix_time(void);
/* libsodium's generator, which reads the system's; readies libsodium on first use. Thread: any. */
struct entropy_port posix_entropy(void);

#endif
