/* SPDX-License-Identifier: ISC
 * Probes of mail hosts. */
#include <string.h>

#include "env.h"

void push_tls(lua_State *L, const struct mts_tls *tls) {
  lua_createtable(L, 0, 14);
  set_flag(L, "ok", tls->err == MTS_OK);
  if (tls->err) {
    push_error(L, tls->err, NULL, tls->detail);
    read_only(L, "mtasts.error");
    lua_setfield(L, -2, "error");
  }
  set_text(L, "address", tls->address);
  set_text(L, "protocol", tls->protocol);
  set_text(L, "cipher", tls->cipher);
  set_text(L, "subject", tls->subject);
  set_text(L, "issuer", tls->issuer);
  set_text(L, "names", tls->names);
  set_time(L, "not_before", tls->not_before);
  set_time(L, "not_after", tls->not_after);
  set_text(L, "fingerprint", tls->fingerprint);
  set_text(L, "banner", tls->banner);
  set_number(L, "ms", tls->ms);
  read_only(L, "mtasts.tls");
}

static void probed(void *arg, enum mts_err err, const struct mts_tls *tls) {
  struct op *op = arg;
  op->err = err;
  op->has_tls = tls != NULL;
  if (tls) op->tls = *tls;
  op_done(op);
}

static int probe_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct op *op = (struct op *)context; /* the waitable is its first member */
  if (!op->wait.done) return wait_for(L, op->env, &op->wait, probe_k);
  if (op->err || !op->has_tls) return fail(L, op->err ? op->err : MTS_ERR_INTERNAL, op->subject, NULL);
  push_tls(L, &op->tls);
  return 1;
}

/* probe(host[, {port, timeout}]) */
static int l_probe(lua_State *L) {
  static const char *const known[] = {"port", "timeout"};
  struct env *env = env_get(L);
  size_t length;
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *host = lua_tolstring(L, 1, &length);
  struct mts_probe_opts opts = {0};
  if (check_options(L, 2, known, 2)) {
    if (lua_getfield(L, 2, "port") != LUA_TNIL) {
      int is_number;
      lua_Integer port = lua_tointegerx(L, -1, &is_number);
      luaL_argcheck(L, is_number && port > 0 && port < 65536, 2, "'port' is a number from 1 to 65535");
      opts.port = (uint16_t)port;
    }
    if (lua_getfield(L, 2, "timeout") != LUA_TNIL) {
      lua_Number seconds = lua_tonumber(L, -1);
      luaL_argcheck(L, seconds > 0 && seconds <= 3600, 2, "'timeout' is a number of seconds, more than 0 and at most 3600");
      opts.deadline_ms = (uint32_t)(seconds * 1000) + 1;
    }
  }
  lua_settop(L, 1);
  if (strlen(host) != length) return fail(L, MTS_ERR_NAME_SYNTAX, NULL, "a zero byte has no place in a name");
  env_outside(L, env);
  struct mts *m = env_context(L, env);
  struct op *op;
  op_new(L, env, OP_PROBE, host, &op);
  struct mts_probe *probe = NULL;
  env->in_core++;
  enum mts_err err = mts_probe_start(m, host, &opts, probed, op, &probe);
  env->in_core--;
  if (err) {
    op_end(op);
    return fail(L, err, host, NULL);
  }
  if (!op->wait.done) op->probe = probe;
  return wait_for(L, env, &op->wait, probe_k);
}

const luaL_Reg probe_functions[] = {{"probe", l_probe}, {NULL, NULL}};
