/* See grid.h. */
#include "cli/grid.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/text.h"

static void add(struct grid *grid, const char *text, size_t size) {
    if (grid->count == grid->room) {
        grid->room = grid->room == 0 ? 64 : grid->room * 2;
        grid->cells = cli_memory(grid->cells, grid->room * sizeof *grid->cells);
    }
    char *copy = cli_memory(NULL, size + 1);
    memcpy(copy, text, size);
    copy[size] = '\0';
    grid->cells[grid->count++] = copy;
}

void grid_open(struct grid *grid, const char *heads) {
    *grid = (struct grid){0};
    while (*heads != '\0' && grid->columns < GRID_COLUMNS) {
        const size_t size = strcspn(heads, " ");
        const bool right = heads[0] == '>';
        grid->right[grid->columns++] = right;
        add(grid, heads + right, size - right);
        for (char *at = grid->cells[grid->count - 1]; *at != '\0'; at++)
            if (*at == '_') *at = ' ';
        heads += size + (heads[size] == ' ');
    }
}

void grid_cell(struct grid *grid, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    add(grid, text, size < 0 ? 0 : (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

static void print_row(const struct grid *grid, char *const *cells, const size_t *widths) {
    for (unsigned c = 0; c < grid->columns; c++) {
        const int blanks = (int)(widths[c] - text_columns(cells[c]));
        if (c > 0) fputs("  ", stdout);
        if (grid->right[c]) printf("%*s", blanks, "");
        fputs(cells[c], stdout);
        if (!grid->right[c] && c + 1 < grid->columns) printf("%*s", blanks, "");
    }
    putchar('\n');
}

void grid_print(struct grid *grid) {
    size_t widths[GRID_COLUMNS] = {0};
    for (size_t i = 0; i < grid->count; i++) {
        const size_t width = text_columns(grid->cells[i]);
        if (width > widths[i % grid->columns]) widths[i % grid->columns] = width;
    }
    for (size_t i = 0; i + grid->columns <= grid->count && grid->count > grid->columns;
         i += grid->columns)
        print_row(grid, grid->cells + i, widths);
    for (size_t i = 0; i < grid->count; i++)
        free(grid->cells[i]);
    free(grid->cells);
    *grid = (struct grid){0};
}
