#include <algorithm>

#include "vec/copy_file_internal.h"
#include "vec/store_internal.h"

namespace malmoi::vec {
namespace {

// A merged file stays below this: the time a merge takes, and the memory of its posting lists.
constexpr std::uint64_t kMergeBytesMax = 1ull << 30;
constexpr std::size_t kFanIn = 4;

// Whether more than half of the rows are gone at `seq`.
bool MostlyDeleted(const Segment& s, std::uint64_t seq) {
  if (s.deleted() * 2ull <= s.rows()) return false;
  std::uint64_t gone = 0;
  for (std::uint32_t r = 0; r < s.rows(); ++r) gone += s.VisibleAt(r, seq) ? 0 : 1;
  return gone * 2 > s.rows();
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

// Segments to fold into one: those half of whose rows are gone, else, from the smallest on, the
// first kFanIn or more of which the largest is not more than kFanIn times as large as the smallest,
// with all that are smaller. So a point is rewritten once a tier, of which there are O(log n), and
// a tier has few segments.
std::vector<std::shared_ptr<const Segment>> Store::ChooseMerge() const {
  std::vector<std::shared_ptr<const Segment>> order;
  for (const auto& s : next_.segments) {
    if (!IsLarge(*s, *next_.plan)) order.push_back(s);
  }
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return LiveBytes(*a) < LiveBytes(*b); });
  std::vector<std::shared_ptr<const Segment>> chosen;
  std::uint64_t total = 0;
  for (const auto& s : order) {
    if (!MostlyDeleted(*s, manifest_.base_seq - 1)) continue;
    if (total + LiveBytes(*s) > kMergeBytesMax) break;
    total += LiveBytes(*s);
    chosen.push_back(s);
  }
  if (!chosen.empty()) return chosen;
  std::size_t tier = 0;  // Begins here.
  std::size_t taken = 0;
  for (std::size_t at = 0; at < order.size(); ++at) {
    const std::uint64_t bytes = LiveBytes(*order[at]);
    if (total + bytes > kMergeBytesMax) break;
    total += bytes;
    // What was taken counts as one more segment of the next tier.
    const std::uint64_t smallest = taken > 0 ? total - bytes : LiveBytes(*order[tier]);
    if (bytes > kFanIn * std::max<std::uint64_t>(smallest, 1)) {
      if (taken > 0) break;
      tier = at;
    }
    if (at + 1 - tier >= kFanIn) taken = at + 1;
  }
  chosen.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(taken));
  return chosen;
}

void SealJob::Erased(const PointId& point, std::uint64_t seq) {
  constexpr std::size_t kErasedMax = 1 << 20;
  if (erased.size() >= kErasedMax) erased_many = true;
  if (!erased_many) erased.emplace_back(point, seq);
}

void SealJob::MarkAllErased() const {
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    const std::uint64_t seq = rows[i].part->DeletedAt(rows[i].row);
    if (seq != kNever && segment->VisibleAt(i, kNever - 1)) segment->MarkDeleted(i, seq);
  }
}

void SealJob::MarkErased() const {
  if (segment == nullptr) return;
  if (erased_many) {
    MarkAllErased();
    return;
  }
  // In the order of time: only the first deletion of an id can be of a row of the segment.
  for (const auto& [point, seq] : erased) {
    const auto found = segment->Find(point);
    if (found && segment->VisibleAt(*found, kNever - 1)) segment->MarkDeleted(*found, seq);
  }
}

// The segment of the rows that are visible at job.at; null if there are none.
Status Store::Build(SealJob& job) {
  std::vector<std::pair<PointId, RowRef>> rows;
  const auto take = [&](const Part& part, std::uint32_t count) {
    for (std::uint32_t r = 0; r < count; ++r) {
      if (part.VisibleAt(r, job.at)) rows.push_back({part.Id(r), {&part, r}});
    }
  };
  for (const auto& segment : job.merged) take(*segment, segment->rows());
  for (std::uint32_t row = 0; row < job.frozen.rows; row += kBlockRows) {
    take(job.frozen.table->block(row / kBlockRows), std::min(kBlockRows, job.frozen.rows - row));
  }
  if (rows.empty()) return Ok();
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  job.rows.reserve(rows.size());
  for (const auto& row : rows) job.rows.push_back(row.second);
  const std::string path = Path("seg", job.id);
  MALMOI_TRY(SegmentInfo info, WriteSegment(vfs_, path, *job.schema, uuid_, job.rows,
                                            job.flush ? nullptr : &stopping_));
  // Bytes that were read damaged must not get a good checksum.
  for (const auto& segment : job.merged) MALMOI_TRY(segment->Health());
  info.id = job.id;
  MALMOI_TRY(job.segment, Segment::Open(vfs_, path, job.schema, uuid_, info));
  if (job.flush) MakeFreshGraphs(job);
  job.segment->columns().SetBudget(snapshot()->budget);
  job.segment->kept().SetBudget(snapshot()->budget);
  job.MarkAllErased();
  return Ok();
}

Status Store::Ask(WriteRequest::Kind kind, SealJob* job, const Error* failure) {
  WriteRequest request;
  request.kind = kind;
  request.job = job;
  request.failure = failure;
  return Submit(request);
}

Status Store::Sync() {
  return Ask(WriteRequest::Kind::kSync, nullptr);
}

Status Store::RunJob(SealJob& job) {
  Status status = Ask(WriteRequest::Kind::kBegin, &job);
  if (status.ok() && job.idle) return Ok();
  if (status.ok()) status = Build(job);
  if (status.ok()) status = Ask(WriteRequest::Kind::kInstall, &job);
  if (!status.ok()) {
    (void)Ask(WriteRequest::Kind::kAbandon, &job, &status.error()).ok();
    return status;
  }
  // What cannot be removed, the next start removes.
  for (const auto& path : job.old) (void)vfs_.Remove(path).ok();
  return Ok();
}

Status Store::FlushLocked(bool all) {
  for (;;) {
    SealJob job;
    job.flush = true;
    job.all = all;
    MALMOI_TRY(RunJob(job).With("checkpoint"));
    if (!all || !job.older) return Ok();
  }
}

Status Store::Flush(bool all) {
  const std::lock_guard lock(flush_mutex_);
  return FlushLocked(all);
}

Status Store::Merge() {
  const std::lock_guard lock(merge_mutex_);
  for (;;) {
    SealJob job;
    MALMOI_TRY(RunJob(job).With("merge segments"));
    if (job.idle) return Ok();
  }
}

// Closes the log with its memtable: what is written from here on goes to new ones. The new log gets
// its name only when its header is on disk, and after all of the old one is.
Status Store::Rotate() {
  MALMOI_TRY(SyncLog());
  const std::string path = Path("wal", epoch_ + 1);
  MALMOI_TRY(auto wal, Wal::Create(vfs_, path + ".tmp", uuid_, next_.seq + 1));
  auto status = vfs_.Rename(path + ".tmp", path);
  if (status.ok()) status = vfs_.SyncDir(folder_);
  if (!status.ok()) {
    // Whether the new log is there after a crash is unknown: neither may be appended to.
    return Broken(std::move(status.error())
                      .With("the collection is read-only until it is reopened, since its log could "
                            "not be changed"));
  }
  const std::uint64_t bytes = wal_->bytes();
  wal_ = std::move(wal);
  disk_bytes_ += wal_->bytes();
  Freeze(epoch_ + 1, bytes);
  Publish();
  return Ok();
}

void Store::Freeze(std::uint64_t epoch, std::uint64_t log_bytes) {
  // Not emplace(): to clang 14 a nested class with initializers is not constructible.
  frozen_ = Frozen();
  frozen_->log_bytes = log_bytes;
  Manifest& manifest = frozen_->manifest;
  manifest.collection = uuid_;
  manifest.wal_epoch = epoch;
  manifest.base_seq = next_.seq + 1;
  manifest.schema = *next_.schema;
  manifest.metadata = *next_.metadata;
  manifest.settings = *next_.settings;
  manifest.indexes = *next_.indexes;
  next_.mems = {MemView::Of(mem_), MemView()};
  mem_ = std::make_shared<Memtable>();
  epoch_ = epoch;
  checkpoint_at_ = kCheckpointBytes;
  seal_at_ = 0;
}

void Store::FreezeIfLong() {
  if (frozen_ || (wal_->bytes() < checkpoint_at_ && !mem_->Full() && !SealDue())) return;
  if (Rotate().ok()) {
    if (hooks_.full) hooks_.full();
  } else {
    // The writes are in the old log; the next write that far on tries again.
    checkpoint_at_ = wal_->bytes() + kCheckpointBytes;
    seal_at_ = mem_->rows() * 2ull;
  }
}

Status Store::Begin(SealJob& job) {
  if (job.flush) {
    flush_failed_.reset();
    job.older = frozen_.has_value();
    if (!frozen_ && (!job.all || wal_->empty())) {
      job.idle = true;
      return Ok();
    }
    if (!frozen_) MALMOI_TRY(Rotate());
    job.frozen = next_.mems.front();
    job.at = frozen_->manifest.base_seq - 1;
    job.schema = std::make_shared<const Schema>(frozen_->manifest.schema);
  } else {
    job.merged = job.large ? ChooseLargeMerge(next_, job.eager) : ChooseMerge();
    job.idle = job.merged.empty();
    job.at = manifest_.base_seq - 1;
    job.schema = std::make_shared<const Schema>(manifest_.schema);
  }
  if (job.idle) return Ok();
  job.id = next_segment_++;
  jobs_.push_back(&job);
  return Ok();
}

// The segment is durable: the manifest that names it instead of its sources makes it count. Rows
// that are deleted since the manifest's log began are not deleted in it: the log will say so.
Status Store::Install(SealJob& job) {
  job.MarkErased();
  Manifest manifest = job.flush ? frozen_->manifest : manifest_;
  manifest.next_segment = next_segment_;
  manifest.segments.clear();
  std::vector<std::shared_ptr<const Segment>> segments;
  for (const auto& s : next_.segments) {
    if (std::find(job.merged.begin(), job.merged.end(), s) == job.merged.end()) {
      segments.push_back(s);
    } else {
      job.old.push_back(Path("seg", s->info().id));
      for (std::uint32_t f = 0; f < next_.schema->fields.size(); ++f) {
        if (s->graphs().Get(f) != nullptr) job.old.push_back(GraphPath(s->info().id, f));
      }
    }
  }
  if (segments.size() + job.merged.size() != next_.segments.size()) {
    return Error(Code::kCancelled, "a segment that was to be merged is gone");
  }
  if (job.segment != nullptr) segments.push_back(job.segment);
  std::uint64_t disk = wal_->bytes();
  for (const auto& s : segments) {
    manifest.segments.push_back({s->info(), DeletedBits(*s, manifest.base_seq - 1)});
    disk += s->info().size;
  }
  MALMOI_TRY(WriteManifest(manifest));
  if (job.flush) {
    job.old.push_back(Path("wal", manifest_.wal_epoch));
    frozen_.reset();
    next_.mems.erase(next_.mems.begin());
  } else if (frozen_) {
    disk += frozen_->log_bytes;
  }
  manifest_ = std::move(manifest);
  next_.segments = std::move(segments);
  disk_bytes_ = disk;
  std::erase(jobs_, &job);
  Publish();
  Offer();
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

// A flush, then copies of the files that its manifest names, which never change, and an empty log.
// The locks keep the manifest as it is; writers go on.
Status Store::Export(const std::string& directory) {
  const std::lock_guard merge_lock(merge_mutex_);
  const std::lock_guard flush_lock(flush_mutex_);
  MALMOI_TRY(FlushLocked(true));
  if (vfs_.Stat(directory).ok()) {
    return Error(Code::kAlreadyExists, "'" + directory + "' exists");
  }
  MALMOI_TRY(vfs_.MakeDirs(directory));
  for (const auto& s : manifest_.segments) {
    const std::string name = NumberedName("seg", s.info.id);
    MALMOI_TRY(CopyFile(vfs_, os::JoinPath(folder_, name), os::JoinPath(directory, name)));
  }
  // Graphs too, where they could be saved: what is not there is built again.
  MALMOI_TRY(const auto files, vfs_.List(folder_));
  for (const auto& name : files) {
    const bool graph = name.starts_with("ann-") && !name.ends_with(".tmp");
    const bool wanted = std::any_of(manifest_.segments.begin(), manifest_.segments.end(),
                                    [&](const Manifest::Entry& s) {
                                      return name.starts_with(NumberedName("ann", s.info.id) + "-");
                                    });
    if (!graph || !wanted) continue;
    // One that is replaced meanwhile is left out.
    (void)CopyFile(vfs_, os::JoinPath(folder_, name), os::JoinPath(directory, name)).ok();
  }
  const std::string log = NumberedName("wal", manifest_.wal_epoch);
  MALMOI_TRY(Wal::Create(vfs_, os::JoinPath(directory, log), uuid_, manifest_.base_seq));
  MALMOI_TRY(os::WriteAtomically(vfs_, os::JoinPath(directory, "MANIFEST"), manifest_.Encode()));
  return vfs_.SyncDir(std::string(os::DirName(directory)));
}

}  // namespace malmoi::vec
