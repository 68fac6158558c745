/* Memory for SQLite in a simulated world: blocks of one size are kept for the next who wants that
 * size, without locks, and nothing goes back to the system. SQLite takes and gives back a million
 * small blocks a minute there. */
#ifndef SIM_HEAP_H
#define SIM_HEAP_H

/* As SQLite's own functions of these names (sqlite3_mem_methods); never NULL. One thread. */
void *heap_new(int size);
void heap_free(void *block);
void *heap_resize(void *block, int size);
int heap_size(void *block);
int heap_round(int size);

#endif
