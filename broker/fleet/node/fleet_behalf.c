/* Keyed: nobody can choose an id to be taken for another. */
#include "broker/fleet/node/fleet_behalf.h"

#include "broker/fleet/node/fleet.h"
#include "common/base/hash.h"

struct fleet_behalf fleet_behalf_of(const struct fleet *f, struct mqtt_slice client_id,
                                    uint64_t epoch)
{
    return (struct fleet_behalf){
        .client = hash_bytes(f->hash_key, client_id.data, client_id.len) | 1, .epoch = epoch};
}
