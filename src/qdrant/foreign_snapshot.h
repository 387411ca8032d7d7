#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "os/vfs.h"

namespace malmoi::qdrant {

// Whether an archive is a snapshot of Qdrant's own, by the names in it: of a collection
// (config.json and folders of shards), or of a shard (a folder "segments"). Errors: BadRequest for
// what is no archive; kIo.
Result<bool> IsForeignArchive(os::Vfs& vfs, const std::string& path);
// The same of an unpacked one, or of the folder that qdrant-edge keeps.
bool IsForeignSnapshot(os::Vfs& vfs, const std::string& directory);

// Reads such an archive (docs/formats/qdrant-segment.md says which versions and forms) and writes
// the collection into `target`, as vec::Collection::Export would have: configuration, points with
// all their vectors and payloads, payload indexes. Where segments disagree on a point, its newest
// version holds. Vectors are bit for bit those of the snapshot but for cosine ones in float16,
// which are normalised once more. Operations that wait in the log (of a server that was busy) are
// applied.
//
// The file is read by a sandboxed child (snapshot_child.h), from the file system of the machine:
// nothing of it but points, requests and a configuration, each checked as a client's are, comes
// into this process.
//
// `scratch` is a folder for files in between; neither it nor `target` exists before. `progress`,
// where given, hears of points that are done, of how many, every batch.
//
// Errors: kUnsupported with what is not known: segments in RocksDB (made by Qdrant before 1.16 and
// never optimised since), other storages, a program that has no children; kCorruption naming the
// file, or how its reader ended; kOutOfRange; kIo.
// Cost: about the size of the data twice on disk; in memory a batch, and in the child 100 bytes a
// point.
using PointsDone = std::function<void(std::uint64_t done, std::uint64_t total)>;
Status ImportForeignArchive(os::Vfs& vfs, const std::string& path, const std::string& scratch,
                            const std::string& target, const PointsDone& progress);

}  // namespace malmoi::qdrant
