/* A text as a QR code (ISO/IEC 18004), drawn with half blocks of UTF-8: what a telephone's camera
 * reads off a terminal. The only file that knows libqrencode is qr.c; the library does not. */
#ifndef DEMO_QR_H
#define DEMO_QR_H

#include <stddef.h>

/* Light modules around the code (ISO/IEC 18004, section 9.1). */
#define QR_QUIET 4u
/* The largest text that is drawn: more would not fit a screen. */
#define QR_TEXT_MAX 1024u
/* Modules along an edge of the largest code for such a text (version 23), quiet zone included. */
#define QR_SIDE_MAX (109u + 2 * QR_QUIET)
/* Bytes of the largest drawing: lines of half blocks of three bytes, colours, terminator. */
#define QR_DRAWING_MAX ((QR_SIDE_MAX + 1) / 2 * (QR_SIDE_MAX * 3 + 64) + 1)

/* What stands before and behind each line: black on white, whatever the terminal's colours are. */
#define QR_COLOURS "\x1b[38;5;16;48;5;231m"
#define QR_PLAIN "\x1b[0m\n"

/* Draws `text` into `out`, terminated: (side + 1) / 2 lines of `side` characters, each holding two
 * modules, the upper and the lower. Returns the side, quiet zone included; 0 when the text is empty
 * or too long, or memory is short. `cap` must be QR_DRAWING_MAX at least. */
unsigned qr_draw(const char *text, char *out, size_t cap);

#endif
