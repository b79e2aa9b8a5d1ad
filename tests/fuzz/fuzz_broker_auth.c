/*
 * Fuzzes the readers of the password file (first byte even) and of the ACL file (odd), then asks
 * what was read. A file that can't be read is told by name and line; a deny is never lost.
 */
#include <string.h>

#include "broker/auth/files/acl.h"
#include "broker/auth/files/passwd.h"
#include "tests/fuzz/fuzz_file.h"

enum { CHEAP = 1000 }; /* iterations of PBKDF2 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
}

static void fuzz_passwd(const uint8_t *data, size_t size)
{
    char err[256] = "";
    const char *path = fuzz_file(data, size);
    struct passwd *p = passwd_load(path, 1, err, sizeof(err));
    demand((p == NULL) == (strncmp(err, path, strlen(path)) == 0));
    if (p != NULL) {
        struct passwd_secret secret = {0};
        bool found = passwd_find(p, text("user"), &secret);
        demand(found == (passwd_stamp(p, text("user")) != 0));
        demand(!found || !passwd_secret_matches(&secret, text("")));
        /* A check costs what the file asks for. */
        bool cheap = found && passwd_secret_cost(&secret) < CHEAP;
        bool first = cheap && passwd_secret_matches(&secret, text("secret"));
        demand(!cheap || passwd_secret_matches(&secret, text("secret")) == first);
    }
    passwd_free(p);
}

static void ask(struct acl *acl, const char *user, const char *client, const char *topic)
{
    bool reads = acl_check(acl, text(user), text(client), text(topic), ACL_READ);
    demand(acl_check(acl, text(user), text(client), text(topic), ACL_READ) == reads);
    acl_check(acl, text(user), text(client), text(topic), ACL_WRITE);
    demand(acl_check(acl, text(user), text(client), text(topic), ACL_SUBSCRIBE));
}

static void fuzz_acl(const uint8_t *data, size_t size)
{
    char err[256] = "";
    const char *path = fuzz_file(data, size);
    struct acl *acl = acl_load(path, err, sizeof(err));
    demand((acl == NULL) == (strncmp(err, path, strlen(path)) == 0));
    if (acl != NULL) {
        ask(acl, "", "c", "a/b");
        ask(acl, "user", "c", "a/c/user");
        ask(acl, "us+er", "c/#", "$SYS/broker");
        ask(acl, "user", "", "/");
    }
    acl_free(acl);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if ((data[0] & 1) == 0)
        fuzz_passwd(data + 1, size - 1);
    else
        fuzz_acl(data + 1, size - 1);
    return 0;
}
