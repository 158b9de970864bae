/* SPDX-License-Identifier: ISC
 * Runs a fuzz target over the files given as arguments, where there is no libFuzzer. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    FILE *f = fopen(argv[i], "rb");
    uint8_t *data = malloc(INPUT_MAX);
    if (!f || !data) {
      fprintf(stderr, "%s cannot be read\n", argv[i]);
      return 1;
    }
    size_t n = fread(data, 1, INPUT_MAX, f);
    fclose(f);
    uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees a read past the end */
    if (!exact) return 1;
    for (size_t k = 0; k < n; k++) exact[k] = data[k];
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    free(data);
  }
  if (argc < 2) fprintf(stderr, "usage: %s FILE...\n", argv[0]);
  return argc < 2;
}
