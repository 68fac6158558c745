#include <weft.h>

int main(int argc, char **argv) {
    const char *schema = "CREATE TABLE IF NOT EXISTS note ( -- @owned(owner: device)\n"
                         "  id BLOB PRIMARY KEY, device BLOB NOT NULL, body TEXT)";
    struct weft_config config = {.path = argc > 1 ? argv[1] : "notes.weft", .schema = schema};
    weft_engine *engine = NULL;
    weft_tx *tx = NULL;
    uint8_t id[WEFT_ID_SIZE], device[WEFT_ID_SIZE];
    uint64_t ticket = 0;
    enum weft_status status = argc > 2 ? weft_join(&config, argv[2], 30000, &engine, NULL)
                                       : weft_open(&config, &engine, NULL);
    if (status != WEFT_OK) return 1;
    weft_id(engine, id);
    weft_device(engine, device);
    struct weft_value row[] = {weft_blob(id, 16), weft_blob(device, 16), weft_text("hello", 5)};
    status = weft_begin_wait(engine, -1, &tx);
    if (status == WEFT_OK) status = weft_put(tx, weft_model(engine, "note"), row, 3);
    if (status == WEFT_OK) status = weft_commit_wait(tx, -1, &ticket);
    enum weft_level level = argc > 2 ? WEFT_REPLICATED : WEFT_DURABLE;
    if (status == WEFT_OK) status = weft_wait(engine, ticket, level, 1, 30000, NULL);
    weft_close(engine);
    return status == WEFT_OK ? 0 : 1;
}
