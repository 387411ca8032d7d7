#include "rag/indexer.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>
#include <unordered_set>
#include <utility>

#include "base/clock.h"
#include "os/vfs.h"
#include "rag/chunk_point.h"
#include "rag/file_queue.h"

namespace malmoi::rag {
namespace {

// Prepared files that wait for the commit, in memory.
constexpr std::uint64_t kQueueBytes = 64ull << 20;
// A commit costs a few syncs whatever its size; larger batches only delay what is searchable.
constexpr std::size_t kBatchFiles = 64;
constexpr std::uint64_t kBatchBytes = 16ull << 20;
constexpr double kBatchSeconds = 0.5;

// The first batch of a new collection decides the average length that values are written with, so
// it is taken from all over the folder.
void SpreadFirstBatch(std::vector<FileTask>* tasks) {
  const std::size_t n = tasks->size();
  if (n <= 2 * kBatchFiles) return;
  std::vector<FileTask> first;
  std::vector<FileTask> rest;
  std::size_t taken = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const bool take = taken < kBatchFiles && i >= taken * n / kBatchFiles;
    if (take) ++taken;
    (take ? first : rest).push_back(std::move((*tasks)[i]));
  }
  first.insert(first.end(), std::make_move_iterator(rest.begin()),
               std::make_move_iterator(rest.end()));
  *tasks = std::move(first);
}

}  // namespace

IndexRun::IndexRun(const IndexContext& context, std::string root, std::string only_file)
    : context_(context), only_file_(std::move(only_file)) {
  report_.collection = context_.collection.store()->name();
  report_.root = std::move(root);
  fingerprint_ = VersionFingerprint(*context_.analyzer, chunking_, bm25_);
}

void IndexRun::Progress(const char* phase) {
  state_.phase = phase;
  if (context_.progress) context_.progress(state_);
}

Result<IndexReport> IndexRun::Run() {
  const std::int64_t start = MonotonicNs();
  // A run of this process that ended with an error left the flag on.
  if (context_.collection.settings().indexing) {
    MALMOI_TRY(context_.collection.Sweep(context_.catalog));
  }
  MALMOI_TRY(MatchModel());
  MALMOI_TRY(Plan());
  MALMOI_TRY(Read());
  MALMOI_TRY(RemoveVanished());
  MALMOI_TRY(MarkIndexing(false));
  if (Cancelled()) return Error(Code::kCancelled, "indexing was cancelled; run it again to go on");
  MALMOI_TRY(CorrectAverage());
  MALMOI_TRY(MakeVectors());
  MALMOI_TRY(Finish());
  report_.seconds = SecondsSince(start);
  return std::move(report_);
}

Status IndexRun::Plan() {
  const std::string target =
      only_file_.empty() ? report_.root : os::JoinPath(report_.root, only_file_);
  MALMOI_TRY(auto files, ingest::WalkFolder(target, &skipped_));
  if (!only_file_.empty()) {
    if (files.size() != 1) {
      return Error(Code::kUnsupported, "'" + target + "' is not a file that can be indexed");
    }
    files[0].path = only_file_;
  }
  MALMOI_TRY(auto rows, context_.catalog.List(name(), report_.root));
  std::map<std::string, catalog::DocumentRow> known;
  for (auto& row : rows) known.emplace(row.path, std::move(row));
  report_.files = files.size();
  state_.files_total = files.size();
  for (auto& file : files) {
    const auto at = known.find(file.path);
    FileTask task{std::move(file), std::nullopt};
    if (at != known.end()) {
      task.old = std::move(at->second);
      known.erase(at);
      const catalog::DocumentRow& old = *task.old;
      if (old.mtime_ns != 0 && old.mtime_ns == task.file.mtime_ns && old.size == task.file.size &&
          old.fingerprint == fingerprint_ && !WorthRetrying(old)) {
        ++report_.unchanged;
        ++state_.files_done;
        continue;
      }
    }
    tasks_.push_back(std::move(task));
  }
  if (only_file_.empty()) {
    for (auto& [path, row] : known) {
      if (Vanished(row)) vanished_.push_back(std::move(row));
    }
  }
  if (context_.collection.settings().average_bucket == 0) SpreadFirstBatch(&tasks_);
  Progress("read");
  return Ok();
}

// A file below a folder that could not be listed is not known to be gone.
bool IndexRun::Vanished(const catalog::DocumentRow& row) const {
  for (const std::string& skipped : skipped_) {
    const std::string_view folder = std::string_view(skipped).substr(0, skipped.rfind(": "));
    if (row.path == folder) return false;
    if (row.path.starts_with(folder) && row.path[folder.size()] == '/') return false;
  }
  return true;
}

Status IndexRun::Read() {
  if (tasks_.empty()) return Ok();
  MALMOI_TRY(const auto readers, context_.readers());
  const FilePreparer preparer({.collection = name(),
                               .root = report_.root,
                               .fingerprint = fingerprint_,
                               .chunking = chunking_,
                               .bm25 = bm25_},
                              *context_.analyzer, *readers);
  const std::size_t jobs = std::clamp<std::size_t>(context_.jobs, 1, tasks_.size());
  FileQueue queue(jobs, kQueueBytes);
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> threads;
  threads.reserve(jobs);
  for (std::size_t t = 0; t < jobs; ++t) {
    threads.emplace_back([&] {
      while (!Cancelled()) {
        const std::size_t i = next.fetch_add(1);
        if (i >= tasks_.size() || !queue.Push(preparer.Prepare(tasks_[i]))) break;
      }
      queue.ProducerDone();
    });
  }
  Status status = CommitAll(&queue);
  queue.Stop();
  for (auto& thread : threads) thread.join();
  return status;
}

Status IndexRun::CommitAll(FileQueue* queue) {
  std::vector<PreparedFile> batch;
  std::uint64_t bytes = 0;
  std::int64_t since = MonotonicNs();
  // The first batch of a collection is waited for: it stands for all.
  bool first = context_.collection.settings().average_bucket == 0;
  while (auto file = queue->Pop()) {
    ++state_.files_done;
    state_.chunks_done += file->chunks.size();
    if (batch.empty()) since = MonotonicNs();
    bytes += file->bytes;
    batch.push_back(std::move(*file));
    const bool waited = !first && SecondsSince(since) >= kBatchSeconds;
    if (batch.size() >= kBatchFiles || bytes >= kBatchBytes || waited) {
      MALMOI_TRY(Commit(&batch));
      batch.clear();
      bytes = 0;
      first = false;
    }
    Progress("read");
  }
  return Commit(&batch);
}

Status IndexRun::Commit(std::vector<PreparedFile>* batch) {
  using Kind = PreparedFile::Kind;
  std::vector<std::string> contents;
  std::vector<catalog::DocumentRow> rows;
  std::vector<std::string> now;
  std::vector<std::string> old;
  std::vector<vec::PointId> old_ids;
  for (PreparedFile& file : *batch) {
    if (file.kind == Kind::kUnchanged || file.kind == Kind::kTouched) ++report_.unchanged;
    if (file.kind == Kind::kRead) {
      ++(file.old ? report_.changed : report_.added);
      contents.push_back(std::move(file.content));
    }
  }
  const bool writes = std::any_of(batch->begin(), batch->end(), [](const PreparedFile& file) {
    return file.kind == Kind::kRead || file.kind == Kind::kFailed;
  });
  if (writes) MALMOI_TRY(MarkIndexing(true));
  MALMOI_TRY(const auto keys, context_.content.PutAll(contents));
  MALMOI_TRY(ChooseBucket(*batch));
  MALMOI_TRY(UpsertChunks(batch));
  std::size_t key = 0;
  for (PreparedFile& file : *batch) {
    if (file.kind == Kind::kUnchanged) continue;
    if (file.kind == Kind::kRead) file.row.content = keys[key++];
    now.push_back(file.row.version);
    if (file.old && file.old->version != file.row.version) {
      old.push_back(file.old->version);
      const auto ids = ChunkIds(*file.old);
      old_ids.insert(old_ids.end(), ids.begin(), ids.end());
      replaced_ = true;
    }
    rows.push_back(std::move(file.row));
  }
  if (rows.empty()) return Ok();
  MALMOI_TRY(context_.catalog.Put(rows));
  context_.collection.Publish(now, old);
  if (!old_ids.empty()) MALMOI_TRY(context_.collection.store()->Delete(old_ids));
  return Ok();
}

Status IndexRun::RemoveVanished() {
  if (vanished_.empty() || Cancelled()) return Ok();
  MALMOI_TRY(MarkIndexing(true));
  std::vector<catalog::Catalog::Key> keys;
  std::vector<std::string> old;
  std::vector<vec::PointId> ids;
  for (const auto& row : vanished_) {
    keys.push_back({row.collection, row.root, row.path});
    old.push_back(row.version);
    const auto of_row = ChunkIds(row);
    ids.insert(ids.end(), of_row.begin(), of_row.end());
  }
  MALMOI_TRY(context_.catalog.Remove(keys));
  context_.collection.Publish({}, old);
  if (!ids.empty()) MALMOI_TRY(context_.collection.store()->Delete(ids));
  report_.removed = vanished_.size();
  replaced_ = true;
  return Ok();
}

Status IndexRun::MarkIndexing(bool indexing) {
  CollectionSettings settings = context_.collection.settings();
  if (settings.indexing == indexing) return Ok();
  settings.indexing = indexing;
  return context_.collection.SetSettings(settings);
}

Status IndexRun::Finish() {
  MALMOI_TRY(const auto rows, context_.catalog.List(name(), report_.root));
  for (const auto& row : rows) {
    if (row.error_code.empty()) continue;
    ++report_.failed;
    report_.failures.push_back({row.path, row.error_code, row.error});
  }
  for (const std::string& skipped : skipped_) {
    const std::size_t at = skipped.rfind(": ");
    const bool has_reason = at != std::string::npos;
    report_.failures.push_back({skipped.substr(0, at), std::string(CodeName(Code::kIo)),
                                has_reason ? skipped.substr(at + 2) : "could not be listed"});
  }
  MALMOI_TRY(const auto totals, context_.collection.Totals(context_.catalog));
  report_.chunks = totals.chunks;
  report_.vectors_complete = totals.chunks == totals.chunks_with_vectors;
  if (!replaced_) return Ok();
  std::unordered_set<std::string> keep;
  MALMOI_TRY(const auto collections, context_.catalog.Collections());
  for (const std::string& collection : collections) {
    MALMOI_TRY(const auto all, context_.catalog.List(collection, ""));
    for (const auto& row : all) keep.insert(row.content);
  }
  MALMOI_TRY(context_.content.Sweep([&](const std::string& key) { return keep.count(key) != 0; }));
  return Ok();
}

}  // namespace malmoi::rag
