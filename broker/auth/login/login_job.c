/* Made, found, told, freed; where it goes is login.c's. */
#include "broker/auth/login/login_job.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <openssl/crypto.h>

static uint32_t proof_hash(const struct login_proof *proof)
{
    uint32_t hash;
    memcpy(&hash, proof->bytes, sizeof(hash));
    return hash;
}

struct login_job *login_job_find(const struct hash_table *jobs, const struct login_proof *proof)
{
    struct hash_link *link = hash_table_chain(jobs, proof_hash(proof));
    for (; link != NULL; link = link->next) {
        struct login_job *job = HASH_OWNER(link, struct login_job, by_proof);
        if (CRYPTO_memcmp(&job->proof, proof, sizeof(*proof)) == 0)
            return job;
    }
    return NULL;
}

struct login_job *login_job_new(struct hash_table *jobs, const struct login_request *r,
                                const struct login_proof *proof, const struct login_origin *origin)
{
    size_t size = r != NULL ? (size_t)r->username.len + r->password.len : 0;
    struct login_job *job = calloc(1, sizeof(*job) + size);
    if (job == NULL)
        return NULL;
    job->jobs = jobs;
    job->proof = *proof;
    job->origin = *origin;
    TAILQ_INIT(&job->waits);
    hash_table_add(jobs, &job->by_proof, proof_hash(proof));
    if (r == NULL)
        return job;
    uint8_t *password = job->text + r->username.len;
    if (r->username.len > 0)
        memcpy(job->text, r->username.data, r->username.len);
    memcpy(password, r->password.data, r->password.len);
    job->username = (struct mqtt_slice){.data = job->text, .len = r->username.len};
    job->password = (struct mqtt_slice){.data = password, .len = r->password.len};
    return job;
}

void login_test_release(const struct login_test *test)
{
    if (test != NULL && test->matches != NULL)
        test->release(test->secret);
}

void login_job_free(struct login_job *job)
{
    login_test_release(&job->test);
    if (event_initialized(&job->parked))
        event_del(&job->parked);
    hash_table_remove(job->jobs, &job->by_proof);
    OPENSSL_cleanse(job, sizeof(*job) + job->username.len + job->password.len);
    free(job);
}

void login_job_join(struct login_job *job, struct login_wait *wait, uint64_t source)
{
    TAILQ_INSERT_TAIL(&job->waits, wait, link);
    wait->job = job;
    wait->source = source;
}

void login_job_tell(struct login_job *job, enum login_verdict verdict)
{
    struct login_wait *wait;
    while ((wait = TAILQ_FIRST(&job->waits)) != NULL) {
        TAILQ_REMOVE(&job->waits, wait, link);
        wait->job = NULL;
        wait->stamp = job->stamp;
        wait->done(wait->arg, verdict);
    }
}
