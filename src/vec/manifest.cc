#include "base/bytes.h"
#include "vec/manifest_internal.h"
#include "vec/schema_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kManifestMagic = "MALMMAN1";
constexpr std::string_view kCatalogueMagic = "MALMCAT1";

// The bytes between magic and checksum.
Result<std::string_view> Body(std::string_view bytes, std::string_view magic) {
  if (bytes.size() < magic.size() + 8 || !bytes.starts_with(magic)) {
    return Error(Code::kCorruption, "not a file of this kind, or cut");
  }
  const std::string_view body = bytes.substr(0, bytes.size() - 4);
  if (Crc32c(body) != Load<std::uint32_t>(bytes.data() + body.size())) {
    return Error(Code::kCorruption, "checksum differs");
  }
  const auto version = Load<std::uint32_t>(bytes.data() + magic.size());
  if (version != kVersion) {
    return Error(Code::kUnsupported,
                 "format " + std::to_string(version) + ", this program reads format 1");
  }
  return body.substr(magic.size() + 4);
}

std::string Begin(std::string_view magic) {
  std::string out(magic);
  Put(&out, kVersion);
  return out;
}

void GetConfig(ByteReader& in, CollectionConfig* config) {
  config->metadata = in.GetString();
  const auto dense = in.Get<std::uint16_t>();
  for (std::uint16_t i = 0; in.ok() && i < dense; ++i) {
    DenseParams& p = config->dense[std::string(in.GetString())];
    p.dim = in.Get<std::uint32_t>();
    p.distance = static_cast<Distance>(in.Get<std::uint8_t>());
  }
  const auto sparse = in.Get<std::uint16_t>();
  for (std::uint16_t i = 0; in.ok() && i < sparse; ++i) {
    SparseParams& p = config->sparse[std::string(in.GetString())];
    p.idf = in.Get<std::uint8_t>() != 0;
  }
}

void PutConfig(std::string* out, const CollectionConfig& config) {
  PutString(out, config.metadata);
  Put(out, static_cast<std::uint16_t>(config.dense.size()));
  for (const auto& [name, p] : config.dense) {
    PutString(out, name);
    Put(out, p.dim);
    Put(out, static_cast<std::uint8_t>(p.distance));
  }
  Put(out, static_cast<std::uint16_t>(config.sparse.size()));
  for (const auto& [name, p] : config.sparse) {
    PutString(out, name);
    Put(out, static_cast<std::uint8_t>(p.idf));
  }
}

}  // namespace

std::string NumberedName(std::string_view prefix, std::uint64_t number) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out(prefix);
  out += '-';
  for (int shift = 60; shift >= 0; shift -= 4) out += kHex[number >> shift & 15];
  return out;
}

std::string Manifest::Encode() const {
  std::string out = Begin(kManifestMagic);
  Put(&out, collection);
  Put(&out, wal_epoch);
  Put(&out, base_seq);
  Put(&out, next_segment);
  PutConfig(&out, config);
  Put(&out, static_cast<std::uint32_t>(segments.size()));
  for (const Entry& s : segments) {
    Put(&out, s.info.id);
    Put(&out, s.info.size);
    Put(&out, s.info.rows);
    Put(&out, s.info.footer_crc);
    PutString(&out, s.deleted);
  }
  Put(&out, Crc32c(out));
  return out;
}

Result<Manifest> Manifest::Decode(std::string_view bytes) {
  MALMOI_TRY(const auto body, Body(bytes, kManifestMagic));
  ByteReader in(body);
  Manifest m;
  m.collection = in.Get<Uuid>();
  m.wal_epoch = in.Get<std::uint64_t>();
  m.base_seq = in.Get<std::uint64_t>();
  m.next_segment = in.Get<std::uint64_t>();
  GetConfig(in, &m.config);
  const auto count = in.Get<std::uint32_t>();
  bool ok = true;
  for (std::uint32_t i = 0; ok && i < count; ++i) {
    Entry& s = m.segments.emplace_back();
    s.info.id = in.Get<std::uint64_t>();
    s.info.size = in.Get<std::uint64_t>();
    s.info.rows = in.Get<std::uint32_t>();
    s.info.footer_crc = in.Get<std::uint32_t>();
    s.deleted = in.GetString();
    ok = in.ok() && (s.deleted.empty() || s.deleted.size() == (s.info.rows + 7ull) / 8);
  }
  for (const auto& [name, p] : m.config.dense) ok = ok && p.distance <= Distance::kEuclid;
  if (!ok || !in.ok() || in.left() > 0 || !CheckConfig(m.config).ok()) {
    return Error(Code::kCorruption, "ill-formed");
  }
  return m;
}

std::string Catalogue::Encode() const {
  std::string out = Begin(kCatalogueMagic);
  Put(&out, next_folder);
  Put(&out, static_cast<std::uint32_t>(collections.size()));
  for (const Entry& c : collections) {
    PutString(&out, c.name);
    Put(&out, c.folder);
  }
  Put(&out, Crc32c(out));
  return out;
}

Result<Catalogue> Catalogue::Decode(std::string_view bytes) {
  MALMOI_TRY(const auto body, Body(bytes, kCatalogueMagic));
  ByteReader in(body);
  Catalogue c;
  c.next_folder = in.Get<std::uint64_t>();
  const auto count = in.Get<std::uint32_t>();
  for (std::uint32_t i = 0; in.ok() && i < count; ++i) {
    Entry& e = c.collections.emplace_back();
    e.name = in.GetString();
    e.folder = in.Get<std::uint64_t>();
  }
  if (!in.ok() || in.left() > 0) return Error(Code::kCorruption, "ill-formed");
  return c;
}

}  // namespace malmoi::vec
