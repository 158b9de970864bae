/* SPDX-License-Identifier: ISC
 * The C module mtasts.mail: the parts of a mail that may be TLS reports (RFC 8460 5.3), by GMime. Only who reads a mail loads it. */
#include <gmime/gmime.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define HOLDER_NAME "mtasts.mail"
#define BYTES_MAX (64u << 20)
#define PARTS_MAX 1000        /* of one mail */
#define DEPTH_MAX 50          /* of parts and mails within another */
#define DELIMITERS_MAX 100000 /* lines that may begin a part, in the whole file */
#define FIELDS_MAX 500000     /* lines that may be fields of a header */
#define FIELD_BYTES_MAX 65536 /* of one of them, with the lines it goes on in */
#define LOOK_BYTES 4096       /* of a part without a telling label */

/* Owns what GMime made while Lua, which may raise, is worked with. */
struct holder {
  GMimeParser *parser;
  GMimeMessage *message;
  GByteArray *bytes;
};

/* Where the tables stand on the stack, and what the walk has seen. */
struct walk {
  lua_State *L;
  struct holder *holder;
  int parts, messages;
  size_t seen; /* parts of this mail */
  bool too_many;
};

static void let_go(struct holder *holder) {
  if (holder->bytes) g_byte_array_free(holder->bytes, TRUE);
  if (holder->message) g_object_unref(holder->message);
  holder->bytes = NULL;
  holder->message = NULL;
}

static int holder_gc(lua_State *L) {
  struct holder *holder = luaL_checkudata(L, 1, HOLDER_NAME);
  let_go(holder);
  if (holder->parser) g_object_unref(holder->parser);
  holder->parser = NULL;
  return 0;
}

static void set_text(lua_State *L, const char *key, const char *text) {
  if (!text || !*text) return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, key);
}

static void set_flag(lua_State *L, const char *key, bool flag) {
  lua_pushboolean(L, flag);
  lua_setfield(L, -2, key);
}

static bool ends_in(const char *text, const char *end) {
  if (!text) return false;
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcasecmp(text + n - m, end) == 0;
}

/* ---- parts ---- */

/* The content without its transfer encoding, in holder->bytes. */
static bool decode(struct holder *holder, GMimePart *part) {
  GMimeDataWrapper *content = g_mime_part_get_content(part);
  if (holder->bytes) g_byte_array_free(holder->bytes, TRUE);
  holder->bytes = g_byte_array_new();
  if (!content) return true;
  GMimeStream *stream = g_mime_stream_mem_new_with_byte_array(holder->bytes);
  g_mime_stream_mem_set_owner(GMIME_STREAM_MEM(stream), FALSE);
  ssize_t written = g_mime_data_wrapper_write_to_stream(content, stream);
  g_object_unref(stream);
  return written >= 0;
}

static bool holds(const GByteArray *bytes, const char *word) {
  size_t n = bytes->len < LOOK_BYTES ? bytes->len : LOOK_BYTES;
  return n > 0 && memmem(bytes->data, n, word, strlen(word)) != NULL;
}

/* Does a content without a telling label look like a report? */
static bool looks_like_report(const GByteArray *bytes) {
  size_t i = 0;
  if (bytes->len >= 2 && bytes->data[0] == 0x1f && bytes->data[1] == 0x8b) return true;
  if (bytes->len >= 3 && memcmp(bytes->data, "\xef\xbb\xbf", 3) == 0) i = 3;
  while (i < bytes->len && strchr(" \t\r\n", bytes->data[i]) && bytes->data[i]) i++;
  if (i == bytes->len || (bytes->data[i] != '{' && bytes->data[i] != '[')) return false;
  return holds(bytes, "\"organization-name\"") || holds(bytes, "\"policies\"") || holds(bytes, "\"date-range\"");
}

/* Why a part is taken for a report; NULL: it is none. The content is decoded then. */
static const char *how_found(struct holder *holder, GMimePart *part, const char *filename) {
  GMimeContentType *type = g_mime_object_get_content_type(GMIME_OBJECT(part));
  const char *subtype = g_mime_content_type_get_media_subtype(type);
  bool decoded = decode(holder, part);
  if (g_mime_content_type_is_type(type, "application", "*") && subtype && strncasecmp(subtype, "tlsrpt", 6) == 0) return "type";
  if (ends_in(filename, ".json") || ends_in(filename, ".json.gz")) return "name";
  return decoded && looks_like_report(holder->bytes) ? "content" : NULL;
}

static void take_part(struct walk *w, GMimePart *part) {
  lua_State *L = w->L;
  const char *filename = g_mime_part_get_filename(part);
  const char *found = how_found(w->holder, part, filename);
  if (!found) return;
  char *type = g_mime_content_type_get_mime_type(g_mime_object_get_content_type(GMIME_OBJECT(part)));
  char own[128] = "";
  if (type) g_strlcpy(own, type, sizeof own);
  g_free(type);
  lua_createtable(L, 0, 6);
  lua_pushlstring(L, w->holder->bytes->len ? (const char *)w->holder->bytes->data : "", w->holder->bytes->len);
  lua_setfield(L, -2, "bytes");
  set_text(L, "found", found);
  set_text(L, "type", own);
  set_text(L, "filename", filename);
  lua_rawgeti(L, w->messages, (lua_Integer)lua_rawlen(L, w->messages));
  lua_setfield(L, -2, "message");
  lua_rawseti(L, w->parts, (lua_Integer)lua_rawlen(L, w->parts) + 1);
}

/* ---- mails ---- */

static void set_header(lua_State *L, const char *key, GMimeMessage *message, const char *field) {
  set_text(L, key, g_mime_object_get_header(GMIME_OBJECT(message), field));
}

static void walk_object(struct walk *w, GMimeObject *object, int depth);

static void walk_message(struct walk *w, GMimeMessage *message, int depth) {
  lua_State *L = w->L;
  GMimeObject *content = g_mime_message_get_mime_part(message);
  if (!content) return;
  GMimeContentType *type = g_mime_object_get_content_type(content);
  const char *report_type = g_mime_content_type_get_parameter(type, "report-type");
  lua_createtable(L, 0, 8);
  set_header(L, "domain", message, "TLS-Report-Domain");
  set_header(L, "submitter", message, "TLS-Report-Submitter");
  set_header(L, "from", message, "From");
  set_text(L, "subject", g_mime_message_get_subject(message));
  set_flag(L, "signed", g_mime_object_get_header(GMIME_OBJECT(message), "DKIM-Signature") != NULL);
  set_flag(L, "is_report",
           g_mime_content_type_is_type(type, "multipart", "report") && report_type && strcasecmp(report_type, "tlsrpt") == 0);
  lua_rawseti(L, w->messages, (lua_Integer)lua_rawlen(L, w->messages) + 1);
  walk_object(w, content, depth + 1);
}

static void walk_object(struct walk *w, GMimeObject *object, int depth) {
  if (++w->seen > PARTS_MAX || depth > DEPTH_MAX || !lua_checkstack(w->L, 10)) w->too_many = true;
  if (w->too_many || !object) return;
  if (GMIME_IS_MESSAGE_PART(object)) {
    GMimeMessage *inner = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
    if (inner) walk_message(w, inner, depth + 1);
  } else if (GMIME_IS_MULTIPART(object)) {
    int count = g_mime_multipart_get_count(GMIME_MULTIPART(object));
    for (int i = 0; i < count && !w->too_many; i++)
      walk_object(w, g_mime_multipart_get_part(GMIME_MULTIPART(object), i), depth + 1);
  } else if (GMIME_IS_PART(object)) {
    take_part(w, GMIME_PART(object));
  }
}

/* How much of a line is the name of a field; 0: it has none. */
static size_t field_name(const char *line, size_t length) {
  size_t name = 0;
  while (name < length && name < 80 && line[name] > 32 && line[name] < 127 && line[name] != ':') name++;
  return name < length && line[name] == ':' ? name : 0;
}

/* Objects are made of every part and field, and of what is in a field, before they can be counted: so lines are, first. */
static bool within_limits(const char *bytes, size_t n) {
  size_t delimiters = 0, fields = 0, field = 0; /* field: bytes of the one that the line before belongs to */
  if (n > BYTES_MAX) return false;
  for (const char *line = bytes, *end = bytes + n; line < end;) {
    const char *next = memchr(line, '\n', (size_t)(end - line));
    size_t length = (size_t)((next ? next : end) - line);
    if ((length >= 2 && memcmp(line, "--", 2) == 0) || (length >= 5 && memcmp(line, "From ", 5) == 0)) delimiters++;
    bool begins = field_name(line, length) > 0, goes_on = field > 0 && length > 0 && (*line == ' ' || *line == '\t');
    if (begins) fields++;
    field = begins ? length : goes_on ? field + length : 0;
    if (delimiters > DELIMITERS_MAX || fields > FIELDS_MAX || field > FIELD_BYTES_MAX) return false;
    line = next ? next + 1 : end;
  }
  return true;
}

static void open_parser(struct holder *holder, const char *bytes, size_t n) {
  GMimeStream *stream = g_mime_stream_mem_new_with_buffer(bytes, n);
  holder->parser = g_mime_parser_new_with_stream(stream);
  g_object_unref(stream);
  if (n >= 5 && memcmp(bytes, "From ", 5) == 0) g_mime_parser_set_format(holder->parser, GMIME_FORMAT_MBOX);
}

/* parts(bytes) -> {{bytes, found = "type" | "name" | "content", type, filename, message = {...}}, ...} | nil, "limit" | "none": a mail, or
 * several in the form mbox, the fields of message: domain, submitter, from, subject, signed, is_report */
static int l_parts(lua_State *L) {
  size_t n;
  const char *bytes = luaL_checklstring(L, 1, &n);
  lua_settop(L, 1);
  lua_newtable(L);
  lua_newtable(L);
  struct holder *holder = lua_newuserdatauv(L, sizeof *holder, 0);
  memset(holder, 0, sizeof *holder);
  luaL_setmetatable(L, HOLDER_NAME);
  bool fits = within_limits(bytes, n);
  struct walk walk = {.L = L, .holder = holder, .parts = 2, .messages = 3, .too_many = !fits};
  if (fits) open_parser(holder, bytes, n);
  while (!walk.too_many && !g_mime_parser_eos(holder->parser)) {
    holder->message = g_mime_parser_construct_message(holder->parser, NULL);
    if (!holder->message) break;
    walk.seen = 0;
    walk_message(&walk, holder->message, 0);
    let_go(holder);
  }
  if (walk.too_many || lua_rawlen(L, 3) == 0) {
    lua_pushnil(L);
    lua_pushstring(L, walk.too_many ? "limit" : "none");
    return 2;
  }
  lua_pushvalue(L, 2);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_mtasts_mail(lua_State *L);

int luaopen_mtasts_mail(lua_State *L) {
  static const luaL_Reg functions[] = {{"parts", l_parts}, {NULL, NULL}};
  luaL_checkversion(L);
  g_mime_init();
  luaL_newmetatable(L, HOLDER_NAME);
  lua_pushcfunction(L, holder_gc);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, functions);
  return 1;
}
