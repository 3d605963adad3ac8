/* Greets the world, or whoever is named: the whole content of an image. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--help") == 0)) {
		fprintf(stderr, "usage: %s [NAME]\n", argv[0]);
		return 2;
	}
	printf("hello, %s\n", argc == 2 ? argv[1] : "world");
	return 0;
}
