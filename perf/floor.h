/* What the machine alone takes for what no device can do without: a confirmed write, and a word to
 * another process and back. */
#ifndef WEFT_PERF_FLOOR_H
#define WEFT_PERF_FLOOR_H

/* Makes a file for floor_sync(): as long as a write-ahead log between two checkpoints, so that what
 * is confirmed is what was written and not that the file has grown. Returns its descriptor. */
int floor_open(const char *path);
/* The seconds that it takes to write the next page of that file and have fdatasync() confirm it. */
double floor_sync(int file);
/* The median seconds of `count` round trips of 100 bytes over a TCP connection on the loopback
 * between two processes that sleep while they wait. */
double floor_tcp(unsigned count);

#endif
