#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/result.h"
#include "os/vfs.h"
#include "vec/point.h"

namespace malmoi::qdrant {

// Whether an unpacked snapshot is one of Qdrant's own: of a collection (config.json and folders of
// shards), of a shard (a folder "segments"), or a folder that qdrant-edge keeps.
bool IsForeignSnapshot(os::Vfs& vfs, const std::string& directory);

// Reads such a snapshot (docs/formats/qdrant-segment.md says which versions and forms) and writes
// the collection into `target`, as vec::Collection::Export would have: configuration, points with
// all their vectors and payloads, payload indexes. Where segments disagree on a point, its newest
// version holds. Vectors are bit for bit those of the snapshot but for cosine ones in float16,
// which are normalised once more. Operations that wait in the log (of a server that was busy) are
// applied.
//
// `scratch` is a folder for files in between; neither it nor `target` exists before. Segments in
// archives of their own are unpacked inside `directory`.
//
// Errors: kUnsupported with what is not known: segments in RocksDB (made by Qdrant before 1.16 and
// never optimised since), other storages; kCorruption naming the file; kIo.
// Cost: about the size of the data twice on disk; in memory 50 bytes a point beside a batch.
Status ImportForeignSnapshot(os::Vfs& vfs, const std::string& directory, const std::string& scratch,
                             const std::string& target);

}  // namespace malmoi::qdrant
