/* SPDX-License-Identifier: ISC
 * Each allocation of Lua fails in turn, and all after it for a while, with the host's own allocator beneath: while rules are loaded, a rule
 * is asked and waits, an answer is shown. Nothing crashes or leaks; what fails says "not enough memory", or the rule has no opinion. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "tools.h"

static const char rules_text[] =
    "local mtasts, osmtpd, exim = require 'mtasts', require 'mtasts.osmtpd', require 'mtasts.exim'\n"
    "mtasts.on('policy', function(answer)\n"
    "  if answer.domain == 'b.test' then return end\n"
    "  local guard <close> = setmetatable({}, { __close = function() end })\n"
    "  mtasts.lookup('b.test', { depth = 'policy' })\n"
    "  if answer.domain:find '^c' then error 'oh dear' end\n"
    "  return answer.domain:match '^a' and mtasts.treat_as('testing', 'a friend', '2100-01-31') or nil\n"
    "end)\n"
    "osmtpd.on('ehlo', function() return osmtpd.junk() end)\n"
    "exim.provide('hello', function() end)\n";

/* Returns the mode of a.test, to be compared. */
static const char work_text[] =
    "local mtasts, core = require 'mtasts', require 'mtasts.core'\n"
    "local function policy(mode) return 'version: STSv1\\nmode: ' .. mode .. '\\nmx: mx1.a.test\\nmax_age: 604800\\n' end\n"
    "local world <close> = mtasts.fake {\n"
    "  now = 1767225600,\n"
    "  dns = { ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=1;', delay_ms = 20 }, ['a.test MX'] = { '10 mx1.a.test' },\n"
    "          ['_mta-sts.b.test TXT'] = { 'v=STSv1; id=1;', delay_ms = 20 }, ['mx1.a.test A'] = { '192.0.2.1' } },\n"
    "  https = { ['mta-sts.a.test'] = policy 'enforce', ['mta-sts.b.test'] = policy 'none', ['x.test'] = { body = 'x', delay_ms = "
    "5,\n"
    "    headers = { age = '1' }, by_path = { ['/y'] = 'y' }, tls = { chain = { { names = { 'a', 'b' } } } } } },\n"
    "  smtp = { ['x.test'] = { ehlo = { 'STARTTLS' }, by_address = { ['192.0.2.1'] = 'ok' } } },\n"
    "}\n"
    "local looks = mtasts.all { function() return core.see_dns('_mta-sts.a.test', 'TXT') end,\n"
    "  function() return core.see_https { host = 'x.test', user_agent = 'z' } end, function() return core.see_smtp { host = "
    "'x.test' } end }\n"
    "local dns, https, smtp = looks[1][1], looks[2][1], looks[3][1]\n"
    "if dns and https and smtp then\n"
    "  assert(dns.records[1].strings == 1 and https.headers.age == '1' and #https.tls.chain[1].names == 2 and smtp.ehlo[1] == "
    "'STARTTLS')\n"
    "end\n"
    "local results = mtasts.all { 'a.test', 'c.test', function() return mtasts.lookup('d.test', { depth = 'policy' }) end }\n"
    "local answer, err = table.unpack(results[1], 1, 2)\n"
    "if not answer then error(err.message, 0) end\n"
    "local text = core.json_encode(answer) .. tostring(answer) .. require('mtasts.lookup').steps(answer, 80)\n"
    "return answer.mode, #text > 100\n";

struct failing {
  lua_Alloc alloc;
  void *arg;
  long until, count; /* so many work, then so many fail; until below 0: all work */
  bool failed;
};

static void *fail_in_turn(void *arg, void *p, size_t old_n, size_t n) {
  struct failing *f = arg;
  bool grows = n > 0 && (!p || n > old_n); /* Lua takes for granted that shrinking works */
  if (grows && f->until >= 0) {
    if (f->until > 0) {
      f->until--;
    } else if (f->count-- > 0) {
      f->failed = true;
      return NULL;
    }
  }
  return f->alloc(f->arg, p, old_n, n);
}

static char rules_path[] = "/tmp/mtasts-rules-XXXXXX";

static int open_and_load(lua_State *L) {
  host_open(L);
  host_take_exit(L);
  if (luaL_dostring(L, "require('mtasts.core').configure { store = 'none', log = 'none', background = false }"))
    return lua_error(L);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "mtasts.rules");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "load");
  lua_pushstring(L, rules_path);
  lua_call(L, 1, 2);
  return lua_toboolean(L, -2) ? 0 : lua_error(L);
}

static int work(lua_State *L) {
  if (luaL_loadstring(L, work_text)) return lua_error(L);
  lua_call(L, 0, 2);
  return 2;
}

static void check_error(lua_State *L, const char *what, long at, bool may_say_else) {
  const char *text = lua_tostring(L, -1);
  bool known = text && (strstr(text, "not enough memory") || strstr(text, "out of memory"));
  if (!known && !may_say_else) fail_msg("%s, allocation %ld: %s", what, at, text ? text : luaL_typename(L, -1));
  lua_pop(L, 1);
}

/* Whether the allocation was reached. */
static bool play(bool loading, long at, long count) {
  size_t used = 0;
  lua_State *L = host_state(&used);
  assert_non_null(L);
  struct failing f = {.until = -1, .count = count};
  f.alloc = lua_getallocf(L, &f.arg);
  lua_setallocf(L, fail_in_turn, &f);
  lua_gc(L, LUA_GCGEN, 0, 0);
  if (loading) f.until = at;
  lua_pushcfunction(L, open_and_load);
  bool loaded = lua_pcall(L, 0, 0, 0) == LUA_OK;
  if (!loaded) check_error(L, "loading", at, false);
  if (!loading) {
    assert_true(loaded);
    f.until = at;
    lua_pushcfunction(L, work);
    if (lua_pcall(L, 0, 2, 0) == LUA_OK) {
      const char *mode = lua_tostring(L, -2);
      /* The rule was heard, or it had no opinion. */
      if (!mode || (strcmp(mode, "testing") != 0 && strcmp(mode, "enforce") != 0))
        fail_msg("allocation %ld: mode %s", at, mode ? mode : "nil");
      if (!f.failed) assert_string_equal(mode, "testing");
      lua_pop(L, 2);
    } else {
      check_error(L, "working", at, false);
    }
    f.until = -1;
    /* Nothing of it is left behind, but a world that nobody holds any more. */
    lua_gc(L, LUA_GCCOLLECT);
    lua_gc(L, LUA_GCCOLLECT);
    lua_pushcfunction(L, work);
    if (lua_pcall(L, 0, 2, 0) != LUA_OK) fail_msg("after allocation %ld: %s", at, lua_tostring(L, -1));
    assert_string_equal(lua_tostring(L, -2), "testing");
  }
  f.until = -1;
  lua_close(L);
  assert_int_equal(used, 0);
  return f.failed;
}

/* Where all is slow fewer of them fail. */
static void all_fail_in_turn(bool loading, long step) {
  if (getenv("MTASTS_TORTURE_LIGHT")) step *= 10;
  static const long bursts[] = {2, 1000000}; /* one more than the try after a collection; for good */
  long runs = 0;
  assert_false(play(loading, -1, 0));
  for (size_t i = 0; i < COUNT(bursts); i++) {
    for (long at = (long)i; play(loading, at, bursts[i]); at += step) runs++;
  }
  print_message("%ld runs\n", runs);
  assert_true(runs > 20);
}

static void whatever_cannot_be_allocated_while_rules_are_loaded_is_told(void **s) {
  (void)s;
  all_fail_in_turn(true, 7);
}

static void whatever_cannot_be_allocated_while_a_rule_is_asked_and_waits_costs_its_opinion_at_most(void **s) {
  (void)s;
  all_fail_in_turn(false, 3);
}

int main(void) {
  int fd = mkstemp(rules_path);
  if (fd < 0 || write(fd, rules_text, sizeof rules_text - 1) != (ssize_t)sizeof rules_text - 1) return 1;
  close(fd);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whatever_cannot_be_allocated_while_rules_are_loaded_is_told),
      cmocka_unit_test(whatever_cannot_be_allocated_while_a_rule_is_asked_and_waits_costs_its_opinion_at_most),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(rules_path);
  return failed;
}
