#include "base/strings.h"
#include "net/client.h"
#include "os/paths.h"
#include "serve/qdrant/store_front_internal.h"

namespace malmoi::serve {
namespace {

using json::Value;
using json::Writer;

Result<bool> Wait(Call& call) {
  MALMOI_TRY(const bool wait, BoolParameter(call.request, "wait", true));
  call.accepted = !wait;
  return wait;
}

Reply SnapshotReply(const qdrant::SnapshotDescription& snapshot) {
  Writer writer;
  qdrant::PrintSnapshot(snapshot, &writer);
  return ReplyOf(std::move(writer));
}

Reply ListReply(const std::vector<qdrant::SnapshotDescription>& list) {
  Writer writer;
  writer.BeginArray();
  for (const auto& snapshot : list) qdrant::PrintSnapshot(snapshot, &writer);
  writer.EndArray();
  return ReplyOf(std::move(writer));
}

Reply FileReply(const std::string& path) {
  return Reply{.content_type = "application/x-tar", .file = path};
}

Result<Reply> Create(Front& front, Call& call) {
  MALMOI_TRY(Wait(call));
  MALMOI_TRY(const auto snapshot, front.snapshots.Create(call.collection()));
  return SnapshotReply(snapshot);
}
Result<Reply> List(Front& front, Call& call) {
  MALMOI_TRY(const auto list, front.snapshots.List(call.collection()));
  return ListReply(list);
}
Result<Reply> Delete(Front& front, Call& call) {
  MALMOI_TRY(Wait(call));
  MALMOI_TRY(front.snapshots.Delete(call.collection(), call.args.back()));
  return ReplyOf(true);
}
Result<Reply> SendSnapshot(Front& front, Call& call) {
  MALMOI_TRY(const auto path, front.snapshots.PathOf(call.collection(), call.args.back()));
  return FileReply(path);
}

Result<Reply> CreateFull(Front& front, Call& call) {
  MALMOI_TRY(Wait(call));
  MALMOI_TRY(const auto snapshot, front.snapshots.CreateFull());
  return SnapshotReply(snapshot);
}
Result<Reply> ListFull(Front& front, Call&) {
  MALMOI_TRY(const auto list, front.snapshots.ListFull());
  return ListReply(list);
}
Result<Reply> DeleteFull(Front& front, Call& call) {
  MALMOI_TRY(Wait(call));
  MALMOI_TRY(front.snapshots.DeleteFull(call.args[0]));
  return ReplyOf(true);
}
Result<Reply> DownloadFull(Front& front, Call& call) {
  MALMOI_TRY(const auto path, front.snapshots.FullPathOf(call.args[0]));
  return FileReply(path);
}

std::string_view Scheme(std::string_view location) {
  const std::size_t colon = location.find("://");
  return colon == std::string_view::npos ? std::string_view() : location.substr(0, colon);
}

// file:// paths stay inside the snapshots folder, as Qdrant demands since 1.16: links and ".." are
// resolved before the comparison.
Result<std::string> LocalPath(const Front& front, std::string_view location) {
  const std::string_view behind = location.substr(7);
  if (!behind.starts_with('/') && !behind.starts_with("localhost/")) {
    return qdrant::BadRequest("Invalid snapshot URI, file path must be absolute or on localhost");
  }
  const std::string path = os::AbsolutePath(net::PathDecode(behind.substr(behind.find('/'))));
  const std::string root = os::AbsolutePath(front.snapshots.directory()) + "/";
  if (!path.starts_with(root)) {
    return qdrant::BadRequest("Snapshot file \"" + path +
                              "\" must be inside the snapshots directory");
  }
  return path;
}

// Downloads over http or https, certificates checked, and restores what came.
Status Download(Front& front, const std::string& collection, const std::string& location,
                const std::optional<std::string>& checksum, const std::optional<std::string>& key) {
  return front.snapshots.RecoverStream(
      collection, checksum, [&](const qdrant::Snapshots::Sink& sink) -> Status {
        net::ClientRequest request;
        request.url = location;
        if (key) request.headers.emplace_back("api-key", *key);
        const auto answer = net::Fetch(request, sink);
        const std::string failed = "Failed to download snapshot from " + location + ": ";
        if (!answer.ok()) return qdrant::BadInput(failed + answer.error().message());
        const int status = answer.value().status;
        if (status >= 200 && status < 300) return Ok();
        return qdrant::BadInput(failed + "status - " + std::to_string(status));
      });
}

struct RecoverRequest {
  std::string location;
  std::optional<std::string> checksum, key;
};

Result<Reply> RecoverFrom(Front& front, Call& call, const RecoverRequest& request) {
  const std::string_view scheme = Scheme(request.location);
  if (scheme == "file") {
    MALMOI_TRY(const auto path, LocalPath(front, request.location));
    MALMOI_TRY(front.snapshots.Recover(call.collection(), path, request.checksum));
    return ReplyOf(true);
  }
  if (scheme != "http" && scheme != "https") {
    return qdrant::BadRequest("URL " + request.location + " with schema " + std::string(scheme) +
                              " is not supported");
  }
  MALMOI_TRY(Download(front, call.collection(), request.location, request.checksum, request.key));
  return ReplyOf(true);
}

// Which copy wins is a question between replicas; a single node only reads the word.
bool IsPriority(const Value& value, qdrant::Why* why) {
  std::size_t ignored = 0;
  return value.is_null() ||
         qdrant::ReadName(value, {"no_sync", "snapshot", "replica"}, &ignored, why);
}

void CheckSha256(const std::optional<std::string>& checksum, qdrant::Checks* checks) {
  if (checksum && (checksum->size() != 64 || !ParseHex(*checksum))) {
    checks->Add("checksum", "invalid sha256 hash");
  }
}

// `names`: the location may also be the name of a snapshot that is here.
Result<RecoverRequest> ReadRecover(const Call& call, bool names) {
  MALMOI_TRY(const Value body, StoreBody(call.request));
  RecoverRequest request;
  qdrant::Why why;
  qdrant::Fields fields(body, "struct SnapshotRecover", &why);
  fields.Required("location", &request.location);
  fields.Optional("checksum", &request.checksum);
  fields.Optional("api_key", &request.key);
  const Value* priority = fields.Member("priority");
  if (priority != nullptr && !IsPriority(*priority, &why)) return qdrant::FormatError(why);
  if (fields.ok() && !names && Scheme(request.location).empty()) {
    fields.Fail("location: relative URL without a base");
  }
  if (!fields.ok()) return qdrant::FormatError(why);
  qdrant::Checks checks;
  CheckSha256(request.checksum, &checks);
  MALMOI_TRY(checks.Finish("JSON body"));
  return request;
}

Result<Reply> Recover(Front& front, Call& call) {
  MALMOI_TRY(Wait(call));
  MALMOI_TRY(const auto request, ReadRecover(call, /*names=*/false));
  return RecoverFrom(front, call, request);
}

Status CheckShard(Front& front, const Call& call);

// Shard routes take the shard's own snapshot by name too.
Result<Reply> RecoverShard(Front& front, Call& call) {
  MALMOI_TRY(Wait(call));
  MALMOI_TRY(const auto request, ReadRecover(call, /*names=*/true));
  MALMOI_TRY(CheckShard(front, call));
  if (!Scheme(request.location).empty()) return RecoverFrom(front, call, request);
  MALMOI_TRY(const auto path, front.snapshots.PathOf(call.collection(), request.location));
  MALMOI_TRY(front.snapshots.Recover(call.collection(), path, request.checksum));
  return ReplyOf(true);
}

// The contents of the part "snapshot" of a multipart/form-data body.
Result<std::string_view> SnapshotPart(const net::Request& request) {
  const auto wrong = [] {
    return qdrant::BadRequest("Multipart error: a form with one file, 'snapshot', is expected");
  };
  const std::string_view type = net::FindHeader(request.headers, "content-type");
  const std::size_t at = type.find("boundary=");
  if (!type.starts_with("multipart/form-data") || at == std::string_view::npos) return wrong();
  std::string_view boundary = type.substr(at + 9);
  boundary = boundary.substr(0, boundary.find(';'));
  if (boundary.size() > 1 && boundary.front() == '"') {
    boundary = boundary.substr(1, boundary.size() - 2);
  }
  const std::string mark = "--" + std::string(boundary);
  const std::string_view body = request.body;
  std::size_t from = body.find(mark);
  while (from != std::string_view::npos) {
    const std::size_t head = from + mark.size();
    const std::size_t blank = body.find("\r\n\r\n", head);
    if (blank == std::string_view::npos) return wrong();
    const std::size_t end = body.find("\r\n" + mark, blank);
    if (end == std::string_view::npos) return wrong();
    const std::string_view headers = body.substr(head, blank - head);
    if (headers.find("name=\"snapshot\"") != std::string_view::npos) {
      return body.substr(blank + 4, end - blank - 4);
    }
    from = end + 2;
    if (body.substr(from + mark.size(), 2) == "--") break;
  }
  return wrong();
}

Result<Reply> Upload(Front& front, Call& call) {
  MALMOI_TRY(Wait(call));
  const auto checksum = call.request.Parameter("checksum");
  const auto priority = call.request.Parameter("priority");
  qdrant::Why why;
  if (priority && !IsPriority(Value::String(*priority), &why)) {
    return Error(Code::kInvalidArgument, "Deserialize error in query parameters: " + why);
  }
  qdrant::Checks checks;
  CheckSha256(checksum, &checks);
  qdrant::ValidateCollectionName(call.collection(), "collection_name", &checks);
  MALMOI_TRY(checks.Finish("query parameters"));
  MALMOI_TRY(const auto bytes, SnapshotPart(call.request));
  MALMOI_TRY(front.snapshots.RecoverBytes(call.collection(), bytes, checksum));
  return ReplyOf(true);
}

// One shard, 0, is the collection.
Status CheckShard(Front& front, const Call& call) {
  MALMOI_TRY(front.service.Find(call.collection()));
  const auto shard = ParseInt(call.args[1]);
  if (!shard || *shard < 0) {
    return Error(Code::kInvalidArgument, "Deserialize error in path parameters: can not parse \"" +
                                             call.args[1] + "\" to a u32");
  }
  if (*shard != 0) return qdrant::NotFound("shard " + call.args[1] + " not found");
  return Ok();
}

template <StoreRoute route>
Result<Reply> OfShard(Front& front, Call& call) {
  if (route != static_cast<StoreRoute>(Upload)) MALMOI_TRY(CheckShard(front, call));
  return route(front, call);
}

// A snapshot that exists for this download alone would have to be kept until it is sent; it is
// made and kept in the list instead.
Result<Reply> StreamShard(Front& front, Call& call) {
  MALMOI_TRY(const auto snapshot, front.snapshots.Create(call.collection()));
  MALMOI_TRY(const auto path, front.snapshots.PathOf(call.collection(), snapshot.name));
  return FileReply(path);
}

}  // namespace

std::vector<RouteEntry> SnapshotRoutes() {
  constexpr auto kManage = Access::kManage;
  constexpr auto kRead = Access::kRead;
  constexpr auto kWrite = Access::kWrite;
  constexpr auto kGlobal = Access::kGlobal;
  return {
      {"GET", "/collections/{}/snapshots", kRead, List, "list_snapshots"},
      {"POST", "/collections/{}/snapshots", kWrite, Create, "create_snapshot"},
      {"POST", "/collections/{}/snapshots/upload", kManage, Upload,
       "recover_from_uploaded_snapshot"},
      {"PUT", "/collections/{}/snapshots/recover", kManage, Recover, "recover_from_snapshot"},
      {"GET", "/collections/{}/snapshots/{}", kRead, SendSnapshot, "get_snapshot"},
      {"DELETE", "/collections/{}/snapshots/{}", kWrite, Delete, "delete_snapshot"},
      {"GET", "/snapshots", kGlobal, ListFull, "list_full_snapshots"},
      {"POST", "/snapshots", kManage, CreateFull, "create_full_snapshot"},
      {"GET", "/snapshots/{}", kGlobal, DownloadFull, "get_full_snapshot"},
      {"DELETE", "/snapshots/{}", kManage, DeleteFull, "delete_full_snapshot"},
      {"GET", "/collections/{}/shards/{}/snapshots", kRead, OfShard<List>, "list_shard_snapshots"},
      {"POST", "/collections/{}/shards/{}/snapshots", kWrite, OfShard<Create>,
       "create_shard_snapshot"},
      {"POST", "/collections/{}/shards/{}/snapshots/upload", kManage, OfShard<Upload>,
       "recover_shard_from_uploaded_snapshot"},
      {"PUT", "/collections/{}/shards/{}/snapshots/recover", kManage, RecoverShard,
       "recover_shard_from_snapshot"},
      {"GET", "/collections/{}/shards/{}/snapshots/{}", kRead, OfShard<SendSnapshot>,
       "get_shard_snapshot"},
      {"DELETE", "/collections/{}/shards/{}/snapshots/{}", kWrite, OfShard<Delete>,
       "delete_shard_snapshot"},
      {"GET", "/collections/{}/shards/{}/snapshot", kRead, OfShard<StreamShard>,
       "stream_shard_snapshot"},
  };
}

}  // namespace malmoi::serve
