/* SPDX-License-Identifier: ISC
 * The least a filter does: reads much at once, lets every request proceed, one write for each answer. What filter-mtasts is measured
 * against; nothing is checked here, and nothing else understood. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char input[256 * 1024];

static int answer(const char *line, size_t n) {
  char reply[256];
  if (n > 12 && memcmp(line, "config|ready", 12) == 0) {
    static const char registers[] = "register|filter|smtp-in|rcpt-to\nregister|ready\n";
    return write(STDOUT_FILENO, registers, sizeof registers - 1) < 0;
  }
  if (n < 7 || memcmp(line, "filter|", 7) != 0) return 0;
  const char *field[6] = {line}, *end = line + n; /* VERSION TIME DIRECTION PHASE SESSION TOKEN, each from its bar on */
  for (int i = 0; i < 6; i++) {
    const char *from = i ? field[i - 1] + 1 : line;
    field[i] = memchr(from, '|', (size_t)(end - from));
    if (!field[i]) return 0;
  }
  const char *session = field[4] + 1, *token = field[5] + 1;
  const char *bar = memchr(token, '|', (size_t)(end - token));
  int size = snprintf(reply, sizeof reply, "filter-result|%.*s|%.*s|proceed\n", (int)(token - 1 - session), session,
                      (int)((bar ? bar : end) - token), token);
  return write(STDOUT_FILENO, reply, (size_t)size) < 0;
}

int main(void) {
  size_t have = 0;
  for (;;) {
    ssize_t n = read(STDIN_FILENO, input + have, sizeof input - have);
    if (n <= 0) return 0;
    have += (size_t)n;
    char *line = input, *lf;
    while ((lf = memchr(line, '\n', have - (size_t)(line - input)))) {
      if (answer(line, (size_t)(lf + 1 - line))) return 1;
      line = lf + 1;
    }
    have -= (size_t)(line - input);
    memmove(input, line, have);
  }
}
