#include <algorithm>

#include "vec/copy_file_internal.h"
#include "vec/store_internal.h"

namespace malmoi::vec {
namespace {

// A merged file stays below this: the time a merge takes, and the memory of its posting lists.
constexpr std::uint64_t kMergeBytesMax = 1ull << 30;
constexpr std::size_t kFanIn = 4;

std::uint64_t LiveBytes(const Segment& s) {
  const std::uint64_t rows = std::max<std::uint64_t>(s.rows(), 1);
  return s.info().size / rows * (s.rows() - s.deleted());
}

std::string DeletedBits(const Segment& s, std::uint64_t seq) {
  if (s.deleted() == 0) return {};
  std::string bits((s.rows() + 7) / 8, '\0');
  for (std::uint32_t r = 0; r < s.rows(); ++r) {
    if (!s.VisibleAt(r, seq)) bits[r / 8] |= static_cast<char>(1 << (r % 8));
  }
  return bits;
}

}  // namespace

// Segments to fold into the new one: those half of whose rows are gone, and, once there are
// kFanIn not more than kFanIn times as large as what was taken before, all such, tier by tier. So a
// point is rewritten once a tier, of which there are O(log n), and a tier has few segments.
std::vector<std::size_t> Store::ChooseMerge() const {
  std::vector<std::size_t> order(next_.segments.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return LiveBytes(*next_.segments[a]) < LiveBytes(*next_.segments[b]);
  });
  std::vector<std::size_t> chosen;
  std::uint64_t total = mem_->bytes();
  const auto take = [&](std::size_t i) {
    total += LiveBytes(*next_.segments[i]);
    chosen.push_back(i);
  };
  for (const std::size_t i : order) {
    const Segment& s = *next_.segments[i];
    if (s.deleted() * 2ull > s.rows() && total + LiveBytes(s) <= kMergeBytesMax) take(i);
  }
  for (std::size_t at = 0; at < order.size();) {
    std::vector<std::size_t> tier;
    std::uint64_t sum = total;
    for (; at < order.size(); ++at) {
      const std::uint64_t bytes = LiveBytes(*next_.segments[order[at]]);
      if (std::find(chosen.begin(), chosen.end(), order[at]) != chosen.end()) continue;
      if (bytes > kFanIn * total || sum + bytes > kMergeBytesMax) break;
      tier.push_back(order[at]);
      sum += bytes;
    }
    if (tier.size() < kFanIn) break;
    for (const std::size_t i : tier) take(i);
  }
  return chosen;
}

// One segment of the memtable's live rows and those of the chosen segments; null if none is live.
Result<std::shared_ptr<Segment>> Store::Seal(const std::vector<std::size_t>& merged) {
  std::vector<RowRef> rows;
  const auto take = [&](const Part& part, std::uint32_t count) {
    for (std::uint32_t r = 0; r < count; ++r) {
      if (part.VisibleAt(r, next_.seq)) rows.push_back({&part, r});
    }
  };
  for (const std::size_t i : merged) take(*next_.segments[i], next_.segments[i]->rows());
  for (std::uint32_t row = 0; row < mem_->rows(); row += kBlockRows) {
    take(mem_->block(row / kBlockRows), std::min(kBlockRows, mem_->rows() - row));
  }
  if (rows.empty()) return std::shared_ptr<Segment>();
  std::sort(rows.begin(), rows.end(),
            [](const RowRef& a, const RowRef& b) { return a.part->Id(a.row) < b.part->Id(b.row); });
  const std::uint64_t id = manifest_.next_segment++;
  MALMOI_TRY(SegmentInfo info, WriteSegment(vfs_, Path("seg", id), *next_.schema, uuid_, rows));
  // Bytes that were read damaged must not get a good checksum.
  for (const std::size_t i : merged) MALMOI_TRY(next_.segments[i]->Health());
  info.id = id;
  return Segment::Open(vfs_, Path("seg", id), next_.schema, uuid_, info);
}

// Order: new segment and new log durable, then the manifest that names them, then the old files
// go. Before WriteManifest an error changes nothing.
Status Store::DoCheckpoint() {
  if (wal_->empty()) return Ok();
  const auto merged = ChooseMerge();
  Manifest manifest = manifest_;
  MALMOI_TRY(auto sealed, Seal(merged).With("checkpoint"));
  manifest.next_segment = manifest_.next_segment;
  manifest.wal_epoch = manifest_.wal_epoch + 1;
  manifest.base_seq = next_.seq + 1;
  manifest.schema = *next_.schema;
  manifest.metadata = *next_.metadata;
  manifest.settings = *next_.settings;
  manifest.indexes = *next_.indexes;
  MALMOI_TRY(auto wal, Wal::Create(vfs_, Path("wal", manifest.wal_epoch), uuid_, manifest.base_seq)
                           .With("checkpoint"));
  std::vector<std::shared_ptr<const Segment>> segments;
  std::vector<std::string> old = {Path("wal", manifest_.wal_epoch)};
  for (std::size_t i = 0; i < next_.segments.size(); ++i) {
    if (std::find(merged.begin(), merged.end(), i) == merged.end()) {
      segments.push_back(next_.segments[i]);
    } else {
      old.push_back(Path("seg", next_.segments[i]->info().id));
    }
  }
  if (sealed != nullptr) segments.push_back(std::move(sealed));
  manifest.segments.clear();
  std::uint64_t disk = 0;
  for (const auto& s : segments) {
    manifest.segments.push_back({s->info(), DeletedBits(*s, next_.seq)});
    disk += s->info().size;
  }
  MALMOI_TRY(WriteManifest(manifest));
  manifest_ = std::move(manifest);
  wal_ = std::move(wal);
  checkpoint_at_ = kCheckpointBytes;
  next_.segments = std::move(segments);
  mem_ = std::make_shared<Memtable>();
  next_.mem = mem_;
  disk_bytes_ = disk + wal_->bytes();
  Publish();
  for (const auto& path : old) (void)vfs_.Remove(path).ok();  // Else the next start removes it.
  return Ok();
}

Status Store::WriteManifest(const Manifest& manifest) {
  // A failed sync is final: names it dropped would not be brought back by another.
  auto status = vfs_.SyncDir(folder_);
  if (status.ok()) {
    status = os::WriteAtomically(vfs_, os::JoinPath(folder_, "MANIFEST"), manifest.Encode());
  }
  if (status.ok()) return Ok();
  // The old or the new manifest may be found after a crash: no log may be appended to.
  return Broken(
      std::move(status.error())
          .With("the collection is read-only until it is reopened, since a checkpoint failed"));
}

// A checkpoint, then copies of the files that its manifest names: segments never change, and the
// new log is empty.
Status Store::Export(const std::string& directory) {
  MALMOI_TRY(DoCheckpoint());
  if (vfs_.Stat(directory).ok()) {
    return Error(Code::kAlreadyExists, "'" + directory + "' exists");
  }
  MALMOI_TRY(vfs_.MakeDirs(directory));
  std::vector<std::string> names = {NumberedName("wal", manifest_.wal_epoch)};
  for (const auto& s : manifest_.segments) names.push_back(NumberedName("seg", s.info.id));
  for (const auto& name : names) {
    MALMOI_TRY(CopyFile(vfs_, os::JoinPath(folder_, name), os::JoinPath(directory, name)));
  }
  MALMOI_TRY(os::WriteAtomically(vfs_, os::JoinPath(directory, "MANIFEST"), manifest_.Encode()));
  return vfs_.SyncDir(std::string(os::DirName(directory)));
}

}  // namespace malmoi::vec
