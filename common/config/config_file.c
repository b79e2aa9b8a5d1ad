#include "common/config/config_file.h"

#include <pthread.h>
#include <string.h>

enum { FILES_MAX = 1024 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char *names[FILES_MAX]; /* of number 1 and on */
static unsigned count;

static unsigned find_or_add(const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i + 1;
    if (count == FILES_MAX || (names[count] = strdup(name)) == NULL)
        return 0;
    return ++count;
}

unsigned config_file_number(const char *name)
{
    pthread_mutex_lock(&mutex);
    unsigned number = find_or_add(name);
    pthread_mutex_unlock(&mutex);
    return number;
}

const char *config_file_name(unsigned number)
{
    pthread_mutex_lock(&mutex);
    const char *name = number > 0 && number <= count ? names[number - 1] : NULL;
    pthread_mutex_unlock(&mutex);
    return name;
}
