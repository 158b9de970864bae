/* SPDX-License-Identifier: ISC
 * Runs a fuzz target once over every file it is given, or that lies in a folder it is given: the corpus as a test, without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX ((size_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t inputs;

static int one_file(const char *path) {
  FILE *file = fopen(path, "rb");
  uint8_t *bytes = malloc(INPUT_MAX);
  if (!file || !bytes) {
    perror(path);
    free(bytes);
    if (file) fclose(file);
    return 1;
  }
  size_t n = fread(bytes, 1, INPUT_MAX, file);
  fclose(file);
  uint8_t *exact = malloc(n ? n : 1); /* of just this size, so that a checker of memory sees a read beyond it */
  if (!exact) abort();
  memcpy(exact, bytes, n);
  free(bytes);
  fprintf(stderr, "%s\n", path); /* the last line names what crashed */
  LLVMFuzzerTestOneInput(exact, n);
  free(exact);
  inputs++;
  return 0;
}

static int folder(const char *path) {
  DIR *dir = opendir(path);
  if (!dir) {
    perror(path);
    return 1;
  }
  int bad = 0;
  for (const struct dirent *entry; (entry = readdir(dir));) {
    char name[4096];
    if (entry->d_name[0] == '.') continue;
    int n = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    bad |= n < 0 || (size_t)n >= sizeof name ? 1 : one_file(name);
  }
  closedir(dir);
  return bad;
}

int main(int argc, char **argv) {
  int bad = 0;
  for (int i = 1; i < argc; i++) {
    struct stat info;
    if (stat(argv[i], &info) != 0) {
      perror(argv[i]);
      bad = 1;
    } else {
      bad |= S_ISDIR(info.st_mode) ? folder(argv[i]) : one_file(argv[i]);
    }
  }
  printf("%zu inputs replayed\n", inputs);
  return bad || !inputs;
}
