/* A text as a QR code.
 *
 *      upper module   light   dark   light   dark
 *      lower module   light   light  dark    dark
 *      character      space    ▀       ▄      █        in black, on white
 *
 * Invariant: the quiet zone is drawn as well, so that the code is read on a dark terminal too.
 * A side is odd, so the last line has no lower modules; they are light. */
#include "demo/qr.h"

#include <qrencode.h>
#include <string.h>

#include "demo/must.h"

/* Beyond the code's edge everything is light. */
static unsigned module_dark(const QRcode *code, unsigned x, unsigned y) {
    unsigned width = (unsigned)code->width;
    if (x < QR_QUIET || y < QR_QUIET || x - QR_QUIET >= width || y - QR_QUIET >= width) return 0;
    return code->data[(y - QR_QUIET) * width + (x - QR_QUIET)] & 1u;
}

static size_t draw_line(const QRcode *code, unsigned side, unsigned y, char *out) {
    static const char *const blocks[] = {" ", "▀", "▄", "█"};
    size_t size = sizeof QR_COLOURS - 1;
    memcpy(out, QR_COLOURS, size);
    for (unsigned x = 0; x < side; x++) {
        const char *block = blocks[module_dark(code, x, y) | module_dark(code, x, y + 1) << 1];
        size_t bytes = strlen(block);
        memcpy(out + size, block, bytes);
        size += bytes;
    }
    memcpy(out + size, QR_PLAIN, sizeof QR_PLAIN - 1);
    return size + sizeof QR_PLAIN - 1;
}

unsigned qr_draw(const char *text, char *out, size_t cap) {
    MUST(cap >= QR_DRAWING_MAX);
    size_t size = strlen(text), drawn = 0;
    out[0] = '\0';
    if (size == 0 || size > QR_TEXT_MAX) return 0;
    /* The lowest level of correction: a screen has no scratches, and the code stays small. */
    QRcode *code = QRcode_encodeData((int)size, (const unsigned char *)text, 0, QR_ECLEVEL_L);
    if (code == NULL) return 0;
    unsigned side = (unsigned)code->width + 2 * QR_QUIET;
    MUST(side <= QR_SIDE_MAX);
    for (unsigned y = 0; y < side; y += 2)
        drawn += draw_line(code, side, y, out + drawn);
    MUST(drawn < cap);
    out[drawn] = '\0';
    QRcode_free(code);
    return side;
}
