#include <zip.h>

#include <algorithm>
#include <map>

#include "base/strings.h"
#include "ingest/readers/zip_internal.h"

namespace malmoi::ingest {
namespace {

constexpr zip_int64_t kEntriesMax = 10'000;
constexpr std::uint64_t kEntryMax = 128ull << 20;
constexpr std::uint64_t kTotalMax = 256ull << 20;
// Deflate's own bound is 1,032. Real office XML reaches about 100 in large tables; small entries
// may be anything.
constexpr std::uint64_t kRatioMax = 200;
constexpr std::uint64_t kRatioFrom = 8ull << 20;

class LibZip final : public ZipArchive {
 public:
  explicit LibZip(zip_t* zip) : zip_(zip) {}
  ~LibZip() override { zip_discard(zip_); }

  Status List() {
    const zip_int64_t count = zip_get_num_entries(zip_, 0);
    if (count > kEntriesMax) {
      return Error(Code::kOutOfRange, "archive of " + std::to_string(count) +
                                          " entries is over the limit of " +
                                          std::to_string(kEntriesMax));
    }
    for (zip_int64_t i = 0; i < count; ++i) {
      const char* name = zip_get_name(zip_, static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
      if (name == nullptr) continue;
      if (index_.emplace(name, static_cast<zip_uint64_t>(i)).second) names_.emplace_back(name);
    }
    return Ok();
  }

  const std::vector<std::string>& names() const override { return names_; }
  bool Has(const std::string& name) const override { return index_.contains(name); }

  Result<std::string> Read(const std::string& name) override {
    const auto found = index_.find(name);
    if (found == index_.end()) return Error(Code::kNotFound, "archive has no '" + name + "'");
    zip_stat_t stat;
    if (zip_stat_index(zip_, found->second, 0, &stat) != 0) return Broken(name);
    if ((stat.valid & ZIP_STAT_ENCRYPTION_METHOD) && stat.encryption_method != ZIP_EM_NONE) {
      return Error(Code::kUnsupported, "encrypted archive: needs a password");
    }
    // The stated size only reserves; what comes out is counted.
    std::string out;
    if (stat.valid & ZIP_STAT_SIZE) out.reserve(std::min<std::uint64_t>(stat.size, 1 << 20));
    zip_file_t* file = zip_fopen_index(zip_, found->second, 0);
    if (file == nullptr) {
      const int code = zip_error_code_zip(zip_get_error(zip_));
      if (code == ZIP_ER_COMPNOTSUPP) {
        return Error(Code::kUnsupported, "archive entry '" + name + "': unknown compression");
      }
      return Broken(name);
    }
    const Status status = Pump(file, stat.comp_size, name, &out);
    zip_fclose(file);
    if (!status.ok()) return status.error().Clone();
    return out;
  }

 private:
  static Error Broken(const std::string& name) {
    return Error(Code::kCorruption, "archive entry '" + name + "' is damaged");
  }

  Status Pump(zip_file_t* file, std::uint64_t packed, const std::string& name, std::string* out) {
    char buffer[64 << 10];
    for (;;) {
      const zip_int64_t n = zip_fread(file, buffer, sizeof(buffer));
      if (n < 0) return Broken(name);
      if (n == 0) return Ok();
      out->append(buffer, static_cast<std::size_t>(n));
      total_ += static_cast<std::uint64_t>(n);
      const bool bomb = out->size() > kRatioFrom && out->size() / kRatioMax > packed;
      if (out->size() > kEntryMax || total_ > kTotalMax || bomb) {
        return Error(Code::kOutOfRange, "archive entry '" + name + "' expands past the limit (" +
                                            FormatBytes(kEntryMax) + ", all entries " +
                                            FormatBytes(kTotalMax) + ", " +
                                            std::to_string(kRatioMax) + " times its size)");
      }
    }
  }

  zip_t* zip_;
  std::map<std::string, zip_uint64_t> index_;
  std::vector<std::string> names_;
  std::uint64_t total_ = 0;
};

}  // namespace

Result<std::unique_ptr<ZipArchive>> ZipArchive::Open(std::string_view bytes) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  zip_t* zip = source == nullptr ? nullptr : zip_open_from_source(source, ZIP_RDONLY, &error);
  if (zip == nullptr) {
    if (source != nullptr) zip_source_free(source);
    const std::string reason = AsciiLower(zip_error_strerror(&error));
    zip_error_fini(&error);
    return Error(Code::kCorruption, "damaged archive: " + reason);
  }
  zip_error_fini(&error);
  auto archive = std::make_unique<LibZip>(zip);
  MALMOI_TRY(archive->List());
  return std::unique_ptr<ZipArchive>(std::move(archive));
}

}  // namespace malmoi::ingest
