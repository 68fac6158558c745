# Writes the demo's schema as one C string.
file(READ ${FILE} sql HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${sql}")
file(WRITE ${OUT} "/* Generated from schema/demo.sql. */\n#include \"demo/entry.h\"\n\nconst char demo_schema[] = {${bytes}0};\n")
