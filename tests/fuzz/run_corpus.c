/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The main function of a fuzzer without libFuzzer: feeds it the files that are
 * named, and each of them cut short at every power of two and near its end, so
 * that the ordinary tests run the same code. It fails by crashing.
 */
#include "base/cleanup.h"

#include <stdint.h>

#define FILE_MAX_BYTES (8u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From a block of its own size, so that reading past its end is noticed. */
static int feed(const uint8_t *data, size_t size)
{
	CLEANUP_FREE uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		return -1;
	for (size_t i = 0; i < size; i++)
		copy[i] = data[i];
	LLVMFuzzerTestOneInput(copy, size);
	return 0;
}

static int run_file(const char *path)
{
	CLEANUP_FCLOSE FILE *file = fopen(path, "rb");
	CLEANUP_FREE uint8_t *data = malloc(FILE_MAX_BYTES);
	size_t size;

	if (!file || !data)
		return -1;
	size = fread(data, 1, FILE_MAX_BYTES, file);
	if (ferror(file) || feed(data, size))
		return -1;
	for (size_t n = 1; n < size; n *= 2)
		if (feed(data, n))
			return -1;
	for (size_t n = 1; n < 32 && n < size; n++)
		if (feed(data, size - n))
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		if (run_file(argv[i])) {
			perror(argv[i]);
			return 1;
		}
	}
	printf("%d files\n", argc - 1);
	return 0;
}
