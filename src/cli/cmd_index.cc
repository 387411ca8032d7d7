// malmoi index: bring a collection in step with files or folders.
#include <algorithm>
#include <memory>

#include "base/clock.h"
#include "base/strings.h"
#include "cli/backend.h"
#include "cli/commands.h"
#include "embed/model_store.h"
#include "ingest/walk.h"
#include "json/value.h"
#include "obs/progress.h"
#include "remote/embedding_server.h"

namespace malmoi::cli {
namespace {

constexpr std::size_t kFailuresShown = 10;

// Two bars one after the other: files while reading, chunks while vectors are made.
class IndexBars {
 public:
  explicit IndexBars(bool quiet) : quiet_(quiet), start_ns_(MonotonicNs()) {}

  void Update(const rag::IndexProgress& p) {
    const bool vectors = std::string_view(p.phase) == "vectors";
    if (vectors != vectors_ || bar_ == nullptr) {
      vectors_ = vectors;
      done_ = 0;
      bar_ = std::make_unique<obs::Progress>(vectors ? "vectors" : "reading",
                                             vectors ? "chunks" : "files",
                                             vectors ? p.chunks_total : p.files_total, quiet_);
    }
    bar_->SetTotal(vectors ? p.chunks_total : p.files_total);
    const std::uint64_t done = vectors ? p.chunks_done : p.files_done;
    if (!vectors) {
      const double seconds = std::max(SecondsSince(start_ns_), 1e-3);
      bar_->SetNote(FormatFixed(static_cast<double>(p.chunks_done) / seconds, 0) + " chunks/s");
    } else {
      bar_->SetNote("lexical search is ready");
    }
    if (done > done_) bar_->Add(done - done_);
    done_ = std::max(done_, done);
  }

 private:
  bool quiet_;
  bool vectors_ = false;
  std::uint64_t done_ = 0;
  std::int64_t start_ns_;
  std::unique_ptr<obs::Progress> bar_;
};

void Print(const json::Value& report, std::FILE* out) {
  const auto n = [&](const char* key) { return static_cast<long long>(report.GetInt(key)); };
  std::fprintf(
      out, "%s: %lld files: %lld added, %lld changed, %lld unchanged, %lld removed, %lld failed\n",
      std::string(report.GetString("root")).c_str(), n("files"), n("added"), n("changed"),
      n("unchanged"), n("removed"), n("failed"));
  const bool complete = report.GetBool("vectors_complete");
  std::fprintf(out, "collection %s: %lld chunks, %lld vectors made now, vectors %s, %s s\n",
               std::string(report.GetString("collection")).c_str(), n("chunks"), n("vectors_added"),
               complete ? "complete" : "NOT complete: search is lexical for the rest",
               FormatFixed(report.GetDouble("seconds"), 1).c_str());
  if (const auto note = report.GetString("note"); !note.empty()) {
    std::fprintf(out, "note: %s\n", std::string(note).c_str());
  }
  const json::Value* failures = report.Find("failures");
  if (failures == nullptr) return;
  std::size_t shown = 0;
  for (const json::Value& f : failures->items()) {
    if (++shown > kFailuresShown) break;
    std::fprintf(out, "  not read: %s: %s (%s)\n", std::string(f.GetString("path")).c_str(),
                 std::string(f.GetString("reason")).c_str(),
                 std::string(f.GetString("code")).c_str());
  }
  if (failures->items().size() > kFailuresShown) {
    std::fprintf(out, "  and %zu more; see them all with --json\n",
                 failures->items().size() - kFailuresShown);
  }
}

Status IndexOnce(const Context& context, Backend& backend, const std::string& path) {
  Result<std::string> report = [&] {
    IndexBars bars(context.arguments.quiet || context.arguments.json);
    return backend.Index(
        path, context.settings.Get("collection"),
        [&](const rag::IndexProgress& p) { bars.Update(p); }, context.cancel);
  }();
  if (!report.ok()) return std::move(report.error()).With("index '" + path + "'");
  if (context.arguments.json) {
    std::fprintf(context.out, "%s\n", report.value().c_str());
  } else {
    MALMOI_TRY(const json::Value parsed, json::Parse(report.value()));
    Print(parsed, context.out);
  }
  std::fflush(context.out);
  return Ok();
}

Status Watch(const Context& context, Backend& backend) {
  struct Watched {
    std::string path;
    std::unique_ptr<ingest::FolderWatch> watch;
  };
  std::vector<Watched> all;
  for (const std::string& path : context.arguments.positional) {
    MALMOI_TRY(auto watch, ingest::FolderWatch::Start(path));
    std::fprintf(context.err, "watching %s%s; stop with Ctrl-C\n", path.c_str(),
                 watch->polling() ? " (by polling: the system's watch limit is reached)" : "");
    all.push_back({path, std::move(watch)});
  }
  while (!context.cancel->IsSet()) {
    for (Watched& watched : all) {
      if (watched.watch->Wait(all.size() == 1 ? 500 : 100)) {
        MALMOI_TRY(IndexOnce(context, backend, watched.path));
      }
    }
  }
  return Ok();
}

// A model that was asked for by name must be there; the default one may be missing (then search is
// lexical, and the report says so).
Status CheckModel(const Context& context) {
  const auto flag = context.arguments.flags.find("model");
  if (flag == context.arguments.flags.end() || flag->second == "none") return Ok();
  if (remote::IsEmbeddingServer(flag->second)) return Ok();  // Opened by the library, or its error.
  MALMOI_TRY(embed::FindModel(flag->second).With("index --model " + flag->second));
  return Ok();
}

}  // namespace

Result<int> CmdIndex(const Context& context) {
  MALMOI_TRY(CheckModel(context));
  MALMOI_TRY(const auto backend, Backend::Open(context.settings, false));
  for (const std::string& path : context.arguments.positional) {
    MALMOI_TRY(IndexOnce(context, *backend, path));
  }
  if (context.arguments.watch) MALMOI_TRY(Watch(context, *backend));
  return kFound;
}

}  // namespace malmoi::cli
