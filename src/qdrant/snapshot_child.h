#pragma once

namespace malmoi::qdrant {

// Qdrant's snapshots are read in a sandboxed child of the running binary's own image (os/sandbox.h,
// docs/decisions/0015-snapshots-in-a-child.md): this must be the first thing in main. In such a
// child it serves and does not return; else it notes that this program has children, without
// which such snapshots are refused.
void MaybeRunSnapshotChild(int argc, char** argv);

}  // namespace malmoi::qdrant
