/* convert_yaml - writes a conversion as YAML, keys in the order of the program's table. */
#ifndef FLOTILLA_BROKER_CONVERT_CONVERT_YAML_H
#define FLOTILLA_BROKER_CONVERT_CONVERT_YAML_H

#include <stdio.h>

struct conversion;

/* `path` is the file that it was made from. */
void convert_yaml_write(const struct conversion *c, const char *path, FILE *out);

#endif
