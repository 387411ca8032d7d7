// The Hugging Face hub's download protocol and cache layout, as huggingface_hub 0.2x documents
// them. Deviations: files are checked against their checksum (sha256 of large files, git's blob
// sha1 of small ones), and one lock serves a repository rather than a blob.
#include <openssl/evp.h>
#include <unistd.h>

#include <memory>

#include "base/strings.h"
#include "embed/hub_cache_internal.h"
#include "embed/model_store.h"
#include "json/value.h"
#include "net/client.h"
#include "os/paths.h"
#include "os/vfs.h"

namespace malmoi::embed {
namespace {

constexpr std::size_t kPiece = 1 << 20;
constexpr int kRenamesMax = 3;  // Relative redirects, which the hub uses for renamed repositories.

struct RemoteFile {
  std::string commit;
  std::string checksum;  // 64 digits: sha256; 40: git's blob sha1.
  std::uint64_t size = 0;
};

std::string Endpoint() {
  std::string url = os::GetEnv("HF_ENDPOINT").value_or("https://huggingface.co");
  while (url.ends_with('/')) url.pop_back();
  return url;
}

net::Headers Authorization() {
  std::string token = os::GetEnv("HF_TOKEN").value_or("");
  if (token.empty()) {
    const auto file = os::ReadFile(os::PosixVfs(), os::JoinPath(HubHome(), "token"));
    if (file.ok()) token = file.value();
  }
  token = std::string(Trim(token));
  if (token.empty()) return {};
  return {{"Authorization", "Bearer " + token}};
}

Error StatusError(const std::string& url, int status) {
  const std::string what = url + " answered " + std::to_string(status);
  if (status == 401 || status == 403) {
    return Error(
        Code::kPermissionDenied,
        what + ": the model is gated, private or missing; accept its terms and set HF_TOKEN");
  }
  if (status == 404) return Error(Code::kNotFound, what + ": no such model, revision or file");
  return Error(Code::kUnavailable, what + "; retry later");
}

bool IsHex(std::string_view s, std::size_t digits) {
  return s.size() == digits && s.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// "W/\"abc\"" is abc.
std::string Unquote(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return AsciiLower(etag);
}

std::string FileUrl(const std::string& id, const std::string& revision, const std::string& file) {
  return Endpoint() + "/" + id + "/resolve/" + net::UrlEncode(revision) + "/" +
         ReplaceAll(net::UrlEncode(file), "%2F", "/");
}

Result<RemoteFile> Look(const std::string& first_url) {
  net::ClientRequest request;
  request.method = "HEAD";
  request.url = first_url;
  request.headers = Authorization();
  // The real size, not that of a compressed transfer.
  request.headers.emplace_back("Accept-Encoding", "identity");
  request.redirects_max = 0;
  net::ClientResponse response;
  for (int i = 0; i <= kRenamesMax; ++i) {
    MALMOI_TRY(response, net::Fetch(request));
    const std::string_view to = net::FindHeader(response.headers, "Location");
    if (response.status / 100 != 3 || !to.starts_with('/') || to.starts_with("//")) break;
    request.url = Endpoint() + std::string(to);
  }
  if (response.status >= 400) return StatusError(request.url, response.status);
  RemoteFile file;
  file.commit = net::FindHeader(response.headers, "X-Repo-Commit");
  std::string_view etag = net::FindHeader(response.headers, "X-Linked-Etag");
  if (etag.empty()) etag = net::FindHeader(response.headers, "ETag");
  std::string_view size = net::FindHeader(response.headers, "X-Linked-Size");
  if (size.empty()) size = net::FindHeader(response.headers, "Content-Length");
  file.checksum = Unquote(etag);
  const auto bytes = ParseInt(size);
  if (!IsHex(file.commit, 40) || !bytes || *bytes < 0 ||
      (!IsHex(file.checksum, 64) && !IsHex(file.checksum, 40))) {
    return Error(Code::kCorruption, request.url + ": no commit, size or checksum in the headers");
  }
  file.size = static_cast<std::uint64_t>(*bytes);
  return file;
}

// sha256 of the bytes, or sha1 of "blob SIZE\0" and the bytes, by the expected digest's length.
Result<std::string> DigestOf(const std::string& path, std::uint64_t size, bool git) {
  MALMOI_TRY(const auto file, os::PosixVfs().Open(path, os::OpenMode::kRead));
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(::EVP_MD_CTX_new(),
                                                                        ::EVP_MD_CTX_free);
  ::EVP_DigestInit_ex(context.get(), git ? ::EVP_sha1() : ::EVP_sha256(), nullptr);
  if (git) {
    const std::string head = "blob " + std::to_string(size) + std::string(1, '\0');
    ::EVP_DigestUpdate(context.get(), head.data(), head.size());
  }
  for (std::uint64_t at = 0; at < size; at += kPiece) {
    std::string bytes;
    MALMOI_TRY(file->Read(at, kPiece, &bytes));
    ::EVP_DigestUpdate(context.get(), bytes.data(), bytes.size());
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  ::EVP_DigestFinal_ex(context.get(), digest, &n);
  return ToHex({reinterpret_cast<const char*>(digest), n});
}

// One GET that appends to `path` from `have` on; the answer's status.
Result<int> Append(const std::string& url, const std::string& path, std::uint64_t have,
                   std::uint64_t size, const std::function<void(std::uint64_t)>& progress) {
  MALMOI_TRY(const auto file, os::PosixVfs().Open(path, os::OpenMode::kReadWrite));
  net::ClientRequest request;
  request.url = url;
  request.headers = Authorization();
  if (have > 0) request.headers.emplace_back("Range", "bytes=" + std::to_string(have) + "-");
  std::uint64_t at = have;
  Status written = Ok();
  const auto response = net::Fetch(request, [&](std::string_view bytes) {
    if (at + bytes.size() > size) return false;  // Longer than announced.
    written = file->Write(at, bytes);
    if (!written.ok()) return false;
    at += bytes.size();
    progress(at);
    return true;
  });
  MALMOI_TRY(std::move(written));
  MALMOI_TRY(file->Sync());
  // More bytes than announced: a server that ignores Range, or the wrong file.
  if (!response.ok() && response.error().code() == Code::kCancelled) return 416;
  if (!response.ok()) return response.error().Clone();
  return response.value().status;
}

Status Download(const std::string& url, const RemoteFile& remote, const std::string& blob,
                const std::function<void(std::uint64_t)>& progress) {
  os::Vfs& vfs = os::PosixVfs();
  const std::string part = blob + ".incomplete";
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto stat = vfs.Stat(part);
    std::uint64_t have = stat.ok() ? stat.value().size : 0;
    if (have > remote.size) {
      MALMOI_TRY(vfs.Remove(part));
      have = 0;
    }
    if (have < remote.size || remote.size == 0) {
      MALMOI_TRY(const int status, Append(url, part, have, remote.size, progress));
      // A resumed transfer must be 206; anything else starts over.
      if (have > 0 && status != 206 && attempt == 0) {
        MALMOI_TRY(vfs.Remove(part));
        continue;
      }
      if (status != 200 && status != 206 && status != 416) return StatusError(url, status);
    }
    break;
  }
  MALMOI_TRY(const auto info, vfs.Stat(part));
  MALMOI_TRY(const auto digest, DigestOf(part, info.size, remote.checksum.size() == 40));
  if (info.size != remote.size || digest != remote.checksum) {
    MALMOI_TRY(vfs.Remove(part));
    return Error(Code::kCorruption, url + ": " + std::to_string(info.size) +
                                        " bytes with checksum " + digest + ", expected " +
                                        std::to_string(remote.size) + " with " + remote.checksum +
                                        "; try again");
  }
  return vfs.Rename(part, blob);
}

Status Link(const std::string& snapshot, const std::string& file, const std::string& checksum) {
  const std::string path = os::JoinPath(snapshot, file);
  MALMOI_TRY(os::PosixVfs().MakeDirs(std::string(os::DirName(path))));
  std::string target = "../../blobs/" + checksum;
  for (std::size_t depth = Split(file, '/').size(); depth > 1; --depth) target = "../" + target;
  ::unlink(path.c_str());
  if (::symlink(target.c_str(), path.c_str()) == 0) return Ok();
  return Error(Code::kIo, "link " + path + " to " + target + ": the file system refused");
}

// What an encoder needs; onnx, openvino and other frameworks' copies stay where they are.
bool Wanted(std::string_view file) {
  const auto parts = Split(file, '/');
  const bool module =
      parts.size() == 2 && !parts[0].empty() && parts[0][0] >= '0' && parts[0][0] <= '9';
  if (parts.size() > 1 && !module) return false;
  return file.ends_with(".json") || file.ends_with(".safetensors") || file == "vocab.txt" ||
         file == "merges.txt" || file == "sentencepiece.bpe.model";
}

struct Listing {
  std::string commit;
  std::vector<std::string> files;
};

Result<Listing> List(const std::string& id, const PullOptions& options) {
  net::ClientRequest request;
  request.url = Endpoint() + "/api/models/" + id + "/revision/" + net::UrlEncode(options.revision);
  request.headers = Authorization();
  MALMOI_TRY(const auto response, net::Fetch(request));
  if (response.status != 200) return StatusError(request.url, response.status);
  MALMOI_TRY(const auto json, json::Parse(response.body).With(request.url));
  Listing listing;
  listing.commit = json.GetString("sha");
  if (!IsHex(listing.commit, 40)) {
    return Error(Code::kCorruption, request.url + ": no commit in the answer");
  }
  const json::Value* siblings = json.Find("siblings");
  if (!options.files.empty()) {
    listing.files = options.files;
  } else if (siblings != nullptr) {
    for (const json::Value& s : siblings->items()) {
      const std::string_view name = s.GetString("rfilename");
      if (Wanted(name)) listing.files.emplace_back(name);
    }
  }
  for (const std::string& file : listing.files) {
    if (!IsSafePath(file)) return Error(Code::kCorruption, "unsafe file name '" + file + "'");
  }
  return listing;
}

}  // namespace

Result<std::string> PullModel(const std::string& id, const PullOptions& options) {
  if (!IsModelId(id) || !IsSafePath(options.revision)) {
    return Error(Code::kInvalidArgument,
                 "'" + id + "' at '" + options.revision + "' is not ORG/NAME and a revision");
  }
  const std::string flag = AsciiLower(os::GetEnv("HF_HUB_OFFLINE").value_or(""));
  if (options.offline || flag == "1" || flag == "true" || flag == "yes" || flag == "on") {
    auto cached = CachedSnapshot(id, options.revision);
    if (cached.ok()) return cached;
    return Error(Code::kUnavailable, "offline (HF_HUB_OFFLINE), and " + cached.error().message());
  }
  os::Vfs& vfs = os::PosixVfs();
  const std::string folder = RepoFolder(id);
  MALMOI_TRY(const Listing listing, List(id, options));
  MALMOI_TRY(vfs.MakeDirs(os::JoinPath(folder, "blobs")));
  auto lock = os::FileLock::Acquire(os::JoinPath(folder, ".malmoi.lock"));
  if (!lock.ok()) {
    return Error(Code::kUnavailable, "model '" + id + "' is being pulled by another process");
  }
  const std::string snapshot = os::JoinPath(folder, "snapshots/" + listing.commit);
  for (const std::string& file : listing.files) {
    const std::string url = FileUrl(id, listing.commit, file);
    MALMOI_TRY(const RemoteFile remote, Look(url));
    const std::string blob = os::JoinPath(folder, "blobs/" + remote.checksum);
    const auto progress = [&](std::uint64_t done) {
      if (options.progress) options.progress(file, done, remote.size);
    };
    if (!vfs.Stat(blob).ok()) MALMOI_TRY(Download(url, remote, blob, progress));
    MALMOI_TRY(Link(snapshot, file, remote.checksum));
    progress(remote.size);
  }
  const std::string ref = os::JoinPath(folder, "refs/" + options.revision);
  MALMOI_TRY(vfs.MakeDirs(std::string(os::DirName(ref))));
  MALMOI_TRY(os::WriteAtomically(vfs, ref, listing.commit));
  return snapshot;
}

}  // namespace malmoi::embed
