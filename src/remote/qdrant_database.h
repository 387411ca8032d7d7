#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "os/vfs.h"
#include "remote/qdrant_client.h"
#include "vec/collection.h"

namespace malmoi::remote {

// The collections of one data directory kept in a Qdrant node or cluster (version 1.16 or later,
// for collection metadata). Each is a collection "malmoi-OWNER-N" behind an alias with its name, so
// that Rename is one step there too; OWNER is drawn once and kept in `owner_file`, and what other
// owners made is neither listed nor touched. Payloads and vectors are those of the embedded store:
// other tools read them there.
//
// What differs from the embedded store: an upsert larger than a request is several, so an error in
// the middle leaves the first ones (writing again completes them); several reads may see several
// states; View() is the newest state; ranks may be approximate where the query does not ask for
// exact ones; Sample has no seed; CountTerms is worked out from the server's IDF. Export and the
// making of vector names are kUnsupported; owner_state is kept in the process only.
//
// Errors of Open: kUnavailable where no server answers, kPermissionDenied, those of the file.
// Thread-safe. Cost: a request a call, a second one a while for Info.
Result<std::unique_ptr<vec::Database>> OpenQdrant(const StoreAddress& address, os::Vfs& vfs,
                                                  const std::string& owner_file);

}  // namespace malmoi::remote
