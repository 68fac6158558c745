/* A faulty network: for each ordered pair of devices an address at which the first reaches the
 * second, and faults that are set on it while bytes pass.
 *
 *      device i ──► proxy_address(i, j) ══ faults ══► where j listens
 *
 * It is a thread of its own. What is set holds for connections that stand, and for those to come;
 * only what was swallowed stays lost: such a connection is silent for ever, as behind a router that
 * has forgotten it. */
#ifndef TESTS_CHAOS_PROXY_H
#define TESTS_CHAOS_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#define PROXY_DEVICES_MAX 32u
#define PROXY_ADDRESS 64u

enum proxy_fault {
    PROXY_CLEAN,
    PROXY_DELAY,    /* what passes comes `amount` milliseconds later */
    PROXY_THROTTLE, /* `amount` bytes pass in a millisecond */
    PROXY_STALL,    /* nothing passes, nothing is lost: it goes on when the fault is gone */
    PROXY_ONE_WAY,  /* nothing passes in one direction, nothing is lost */
    PROXY_SWALLOW,  /* all is read and lost; the connection stays open, and silent */
    PROXY_REFUSE,   /* connections are reset, new ones at once */
    PROXY_CUT,      /* once: after `amount` more bytes the connection ends */
    PROXY_CORRUPT,  /* once: after `amount` more bytes one bit of a byte is another */
    PROXY_FAULTS
};

/* Their names, for people. */
extern const char *const proxy_fault_names[PROXY_FAULTS];

struct proxy_order {
    enum proxy_fault fault;
    uint32_t amount;
    bool back; /* ONE_WAY, CUT, CORRUPT: the bytes from j to i are meant, not those from i to j */
};

struct proxy_figures {
    uint64_t bytes;      /* that passed */
    uint32_t wires;      /* connections that stand */
    uint32_t cut;        /* connections that were ended here, in the middle of what passed */
    uint32_t swallowing; /* that are silent for ever */
    uint32_t corrupted;  /* bytes changed */
    uint32_t tainted;    /* connections that stand, through which a changed byte has passed */
};

struct proxy;

/* Where device i listens, and from which address it seems to come: "address:port", "address". A
 * link from i to j is made where linked[i * width + j] says so; without `linked`, each from each to
 * each. NULL when there are no descriptors, memory or thread to be had. */
struct proxy *proxy_open(unsigned devices, const char *const *listen, const char *const *source,
                         const bool *linked, unsigned width);
/* Ends all connections. */
void proxy_close(struct proxy *proxy);
/* Where device `from` is to dial device `to`. */
void proxy_address(const struct proxy *proxy, unsigned from, unsigned to, char out[PROXY_ADDRESS]);
/* Sets what is wrong with the link from now on. */
void proxy_set(struct proxy *proxy, unsigned from, unsigned to, const struct proxy_order *order);
/* Whether an order of CUT or CORRUPT has been carried out, or none was given. */
bool proxy_is_clean(struct proxy *proxy, unsigned from, unsigned to);
/* All links are clean from now on. With `mend`, connections that swallow are ended. */
void proxy_heal(struct proxy *proxy, bool mend);
void proxy_figures(struct proxy *proxy, struct proxy_figures *out);

#endif
