/* Puts passwd.c, acl.c and jwt_keys.c together. */
#include "broker/auth/auth_files.h"

#include "broker/auth/files/acl.h"
#include "broker/auth/files/passwd.h"
#include "broker/auth/jwt/jwt_keys.h"
#include "broker/base/broker_config.h"

bool auth_files_load(const struct auth_config *config, uint64_t hash_key, struct auth_files *out,
                     char *err, size_t errlen)
{
    *out = (struct auth_files){.anonymous = config->anonymous, .certificate = config->certificate};
    if (config->password_file != NULL) {
        out->passwd = passwd_load(config->password_file, hash_key, err, errlen);
        if (out->passwd == NULL)
            goto fail;
    }
    if (config->acl_file != NULL) {
        out->acl = acl_load(config->acl_file, err, errlen);
        if (out->acl == NULL)
            goto fail;
    }
    if (config->jwt.keys.count > 0) {
        out->jwt = jwt_keys_load(&config->jwt, err, errlen);
        if (out->jwt == NULL)
            goto fail;
    }
    return true;
fail:
    auth_files_free(out);
    return false;
}

void auth_files_free(struct auth_files *f)
{
    passwd_free(f->passwd);
    acl_free(f->acl);
    jwt_keys_free(f->jwt);
    *f = (struct auth_files){0};
}
