# Writes a page as a C string.
file(READ ${FILE} text HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${text}")
file(WRITE ${OUT} "/* Generated from engine/net/inspector.html. */\n#include \"engine/inspector.h\"\n\nconst char inspector_html[] = {${bytes}0};\n")
