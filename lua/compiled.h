/* SPDX-License-Identifier: ISC
 * Our Lua files, and argparse's, in compiled form, for a program that starts often: to compile them is most of what a short command costs. */
#ifndef MTASTS_LUA_COMPILED_H
#define MTASTS_LUA_COMPILED_H

#include <lua.h>

/* require looks in this folder (ends in "/") first, where it was built: for what it finds by package.path it takes the compiled form, if that
 * was made of just this text. May raise. */
void compiled_open(lua_State *L, const char *folder);

#endif
