/* SPDX-License-Identifier: ISC
 * The C module mtasts.edit: a line typed at a terminal, by libedit. Only "mtasts repl" loads it. */
#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <lauxlib.h>
#include <limits.h>
#include <locale.h>
#include <lua.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EDITOR_NAME "mtasts.editor"
#define HISTORY_MOST 1000
#define REDISPLAY L'\36' /* the key Ctrl-^, to which a new size of the terminal amounts */

struct editor {
  EditLine *el;
  History *history;
  lua_State *L; /* of the read that is under way */
  bool stopped; /* by Ctrl-C */
  char prompt[64];
};

static volatile sig_atomic_t resized;

static void resize(int number) {
  (void)number;
  resized = 1;
}

static struct editor *editor_of(EditLine *el) {
  void *editor = NULL;
  el_get(el, EL_CLIENTDATA, &editor);
  return editor;
}

/* ---- keys ---- */

static char *prompt(EditLine *el) { return editor_of(el)->prompt; }

/* One character, however many bytes it has. Signals do not end the line. */
static int get_char(EditLine *el, wchar_t *to) {
  mbstate_t state = {0};
  for (;;) {
    if (resized) {
      resized = 0;
      el_resize(el);
      *to = REDISPLAY;
      return 1;
    }
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&input, 1, -1) < 0 && errno == EINTR) continue;
    char byte;
    ssize_t count = read(STDIN_FILENO, &byte, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return (int)count;
    size_t used = mbrtowc(to, &byte, 1, &state);
    if (used == (size_t)-1) memset(&state, 0, sizeof state); /* no character at all: dropped */
    if (used == 0 || used == 1) return 1;
  }
}

/* The terminal hands Ctrl-C and Ctrl-Z over as keys while a line is edited. */
static unsigned char stop_line(EditLine *el, int key) {
  (void)key;
  fputs("^C\n", stdout);
  editor_of(el)->stopped = true;
  return CC_EOF;
}

static unsigned char redisplay(EditLine *el, int key) {
  (void)el;
  (void)key;
  return CC_REDISPLAY;
}

static unsigned char suspend(EditLine *el, int key) {
  (void)key;
  el_set(el, EL_PREP_TERM, 0);
  kill(getpid(), SIGTSTP);
  el_set(el, EL_PREP_TERM, 1);
  return CC_REDISPLAY;
}

/* Calls the function that read was given with what stands before the cursor: what to insert, and what to show. */
static unsigned char complete(EditLine *el, int key) {
  (void)key;
  lua_State *L = editor_of(el)->L;
  const LineInfo *line = el_line(el);
  if (!lua_checkstack(L, 8)) return CC_ERROR;
  int top = lua_gettop(L);
  unsigned char result = CC_ERROR;
  lua_pushvalue(L, 3);
  lua_pushlstring(L, line->buffer, (size_t)(line->cursor - line->buffer));
  if (lua_pcall(L, 1, 2, 0) == LUA_OK) {
    const char *insert = lua_tostring(L, -2), *show = lua_tostring(L, -1);
    if (insert && *insert && el_insertstr(el, insert) == 0) result = CC_REFRESH;
    if (show && *show) {
      fprintf(stdout, "\n%s\n", show);
      result = CC_REDISPLAY;
    }
  }
  lua_settop(L, top);
  return result;
}

/* ---- the editor ---- */

static int editor_gc(lua_State *L) {
  struct editor *editor = luaL_checkudata(L, 1, EDITOR_NAME);
  /* The library may be unloaded after this. */
  struct sigaction action = {.sa_handler = SIG_DFL};
  if (editor->el) sigaction(SIGWINCH, &action, NULL);
  if (editor->el) el_end(editor->el);
  if (editor->history) history_end(editor->history);
  editor->el = NULL;
  editor->history = NULL;
  return 0;
}

/* Letters of every language, where the environment does not say otherwise. */
static void set_locale(void) {
  setlocale(LC_CTYPE, "");
  if (MB_CUR_MAX == 1) setlocale(LC_CTYPE, "C.UTF-8");
}

static void set_keys(EditLine *el) {
  static const struct {
    const wchar_t *name, *help, *key;
    unsigned char (*function)(EditLine *, int);
  } keys[] = {{L"mtasts-stop", L"leaves this line", L"^C", stop_line},
              {L"mtasts-suspend", L"suspends the program", L"^Z", suspend},
              {L"mtasts-redisplay", L"shows the line anew", L"^^", redisplay},
              {L"mtasts-complete", L"completes a word", L"^I", complete}};
  el_set(el, EL_EDITOR, "emacs");
  el_set(el, EL_BIND, "^R", "em-inc-search-prev", NULL);
  el_source(el, NULL); /* ~/.editrc */
  el_set(el, EL_SETTY, "-d", "-isig", NULL);
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    el_wset(el, EL_ADDFN, keys[i].name, keys[i].help, keys[i].function);
    el_wset(el, EL_BIND, keys[i].key, keys[i].name, NULL);
  }
}

/* open() -> editor | nil, why */
static int l_open(lua_State *L) {
  set_locale();
  struct editor *editor = lua_newuserdatauv(L, sizeof *editor, 0);
  memset(editor, 0, sizeof *editor);
  luaL_setmetatable(L, EDITOR_NAME);
  HistEvent event;
  editor->history = history_init();
  editor->el = editor->history ? el_init("mtasts", stdin, stdout, stderr) : NULL;
  if (!editor->el) {
    lua_pushnil(L);
    lua_pushliteral(L, "libedit cannot use this terminal");
    return 2;
  }
  history(editor->history, &event, H_SETSIZE, HISTORY_MOST);
  history(editor->history, &event, H_SETUNIQUE, 1);
  el_set(editor->el, EL_CLIENTDATA, editor);
  el_set(editor->el, EL_PROMPT, prompt);
  el_set(editor->el, EL_HIST, history, editor->history);
  el_wset(editor->el, EL_GETCFN, get_char);
  set_keys(editor->el);
  struct sigaction action = {.sa_handler = resize, .sa_flags = SA_RESTART};
  sigaction(SIGWINCH, &action, NULL);
  return 1;
}

static struct editor *check_editor(lua_State *L) {
  struct editor *editor = luaL_checkudata(L, 1, EDITOR_NAME);
  if (!editor->el) luaL_error(L, "this editor is closed");
  return editor;
}

/* editor:read(prompt, complete) -> line | nil, "stopped" or "end" */
static int l_read(lua_State *L) {
  struct editor *editor = check_editor(L);
  const char *text = luaL_checkstring(L, 2);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  memset(editor->prompt, 0, sizeof editor->prompt);
  memcpy(editor->prompt, text, strnlen(text, sizeof editor->prompt - 1));
  editor->L = L;
  editor->stopped = false;
  int count = 0;
  el_set(editor->el, EL_PREP_TERM, 1); /* before the prompt: who sees it may type at once */
  const char *line = el_gets(editor->el, &count);
  editor->L = NULL;
  if (line && count > 0) {
    lua_pushlstring(L, line, (size_t)count - (line[count - 1] == '\n'));
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, editor->stopped ? "stopped" : "end");
  return 2;
}

/* editor:remember(text): the newest of its history */
static int l_remember(lua_State *L) {
  const struct editor *editor = check_editor(L);
  HistEvent event;
  history(editor->history, &event, H_ENTER, luaL_checkstring(L, 2));
  return 0;
}

/* ---- files of the user's own ---- */

/* The folders on the way to a file. */
static bool make_folders(const char *path) {
  char folder[PATH_MAX];
  size_t length = strnlen(path, sizeof folder);
  if (length == sizeof folder) return false;
  for (size_t i = 1; i < length; i++) {
    if (path[i] != '/') continue;
    memcpy(folder, path, i);
    folder[i] = 0;
    if (mkdir(folder, 0700) && errno != EEXIST) return false;
  }
  return true;
}

static int close_file(lua_State *L) {
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/* private_file(path, "a" | "w") -> file, which nobody else can read | nil, why */
static int l_private_file(lua_State *L) {
  const char *path = luaL_checkstring(L, 1), *mode = luaL_checkstring(L, 2);
  luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
  stream->f = NULL;
  stream->closef = NULL; /* closed, as far as Lua sees */
  luaL_setmetatable(L, LUA_FILEHANDLE);
  int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (*mode == 'a' ? O_APPEND : O_TRUNC);
  int fd = make_folders(path) ? open(path, flags, 0600) : -1;
  struct stat status;
  if (fd >= 0 && (fstat(fd, &status) || !S_ISREG(status.st_mode) || fchmod(fd, 0600) || !(stream->f = fdopen(fd, mode)))) {
    close(fd);
    fd = -1;
  }
  if (fd < 0) return luaL_fileresult(L, 0, path);
  stream->closef = close_file;
  return 1;
}

__attribute__((visibility("default"))) int luaopen_mtasts_edit(lua_State *L);

int luaopen_mtasts_edit(lua_State *L) {
  static const luaL_Reg functions[] = {{"open", l_open}, {"private_file", l_private_file}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"read", l_read}, {"remember", l_remember}, {"close", editor_gc}, {"__gc", editor_gc}, {NULL, NULL}};
  luaL_checkversion(L);
  luaL_newmetatable(L, EDITOR_NAME);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
