#include "base/bytes.h"
#include "vec/manifest_internal.h"
#include "vec/ops_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::uint32_t kVersion = 2;
constexpr std::string_view kManifestMagic = "MALMMAN1";
constexpr std::string_view kCatalogueMagic = "MALMCAT1";

struct Body {
  std::uint32_t version = 0;
  std::string_view bytes;  // Between version and checksum.
};

Result<Body> ReadBody(std::string_view bytes, std::string_view magic) {
  if (bytes.size() < magic.size() + 8 || !bytes.starts_with(magic)) {
    return Error(Code::kCorruption, "not a file of this kind, or cut");
  }
  const std::string_view body = bytes.substr(0, bytes.size() - 4);
  if (Crc32c(body) != Load<std::uint32_t>(bytes.data() + body.size())) {
    return Error(Code::kCorruption, "checksum differs");
  }
  const auto version = Load<std::uint32_t>(bytes.data() + magic.size());
  if (version < 1 || version > kVersion) {
    return Error(Code::kUnsupported, "format " + std::to_string(version) +
                                         ", this program reads formats 1 to " +
                                         std::to_string(kVersion));
  }
  return Body{version, body.substr(magic.size() + 4)};
}

std::string Begin(std::string_view magic) {
  std::string out(magic);
  Put(&out, kVersion);
  return out;
}

// Format 1: dense vectors by name, then sparse ones.
void GetConfig1(ByteReader& in, Manifest* m) {
  CollectionConfig config;
  m->metadata = in.GetString();
  const auto dense = in.Get<std::uint16_t>();
  for (std::uint16_t i = 0; in.ok() && i < dense; ++i) {
    DenseParams& p = config.dense[std::string(in.GetString())];
    p.dim = in.Get<std::uint32_t>();
    p.distance = static_cast<Distance>(in.Get<std::uint8_t>());
  }
  const auto sparse = in.Get<std::uint16_t>();
  for (std::uint16_t i = 0; in.ok() && i < sparse; ++i) {
    SparseParams& p = config.sparse[std::string(in.GetString())];
    p.idf = in.Get<std::uint8_t>() != 0;
  }
  m->schema = Schema(config);
}

bool GetConfig2(ByteReader& in, Manifest* m) {
  m->metadata = in.GetString();
  m->settings = in.GetString();
  const auto fields = in.Get<std::uint32_t>();
  for (std::uint32_t i = 0; in.ok() && i < fields; ++i) {
    auto field = DecodeField(in.GetString());
    if (!field.ok()) return false;
    m->schema.fields.push_back(std::move(field).value());
  }
  const auto indexes = in.Get<std::uint32_t>();
  for (std::uint32_t i = 0; in.ok() && i < indexes; ++i) {
    auto index = DecodeIndex(in.GetString());
    if (!index.ok()) return false;
    m->indexes.insert(std::move(index).value());
  }
  return in.ok();
}

void PutConfig(std::string* out, const Manifest& m) {
  PutString(out, m.metadata);
  PutString(out, m.settings);
  Put(out, static_cast<std::uint32_t>(m.schema.fields.size()));
  for (const auto& field : m.schema.fields) PutString(out, EncodeField(field));
  Put(out, static_cast<std::uint32_t>(m.indexes.size()));
  for (const auto& [key, params] : m.indexes) PutString(out, EncodeIndex(key, params));
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
  PutConfig(&out, *this);
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
  MALMOI_TRY(const auto body, ReadBody(bytes, kManifestMagic));
  ByteReader in(body.bytes);
  Manifest m;
  m.collection = in.Get<Uuid>();
  m.wal_epoch = in.Get<std::uint64_t>();
  m.base_seq = in.Get<std::uint64_t>();
  m.next_segment = in.Get<std::uint64_t>();
  bool ok = true;
  if (body.version == 1) {
    GetConfig1(in, &m);
  } else {
    ok = GetConfig2(in, &m);
  }
  const auto count = in.Get<std::uint32_t>();
  for (std::uint32_t i = 0; ok && i < count; ++i) {
    Entry& s = m.segments.emplace_back();
    s.info.id = in.Get<std::uint64_t>();
    s.info.size = in.Get<std::uint64_t>();
    s.info.rows = in.Get<std::uint32_t>();
    s.info.footer_crc = in.Get<std::uint32_t>();
    s.deleted = in.GetString();
    ok = in.ok() && (s.deleted.empty() || s.deleted.size() == (s.info.rows + 7ull) / 8);
  }
  for (const auto& field : m.schema.fields) {
    ok = ok && field.distance <= Distance::kManhattan && CheckField(field).ok();
  }
  if (!ok || !in.ok() || in.left() > 0 || !CheckJsonObject(m.metadata, "metadata").ok() ||
      !CheckJsonObject(m.settings, "settings").ok()) {
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
  PutString(&out, owner_state);
  Put(&out, Crc32c(out));
  return out;
}

Result<Catalogue> Catalogue::Decode(std::string_view bytes) {
  MALMOI_TRY(const auto body, ReadBody(bytes, kCatalogueMagic));
  ByteReader in(body.bytes);
  Catalogue c;
  c.next_folder = in.Get<std::uint64_t>();
  const auto count = in.Get<std::uint32_t>();
  for (std::uint32_t i = 0; in.ok() && i < count; ++i) {
    Entry& e = c.collections.emplace_back();
    e.name = in.GetString();
    e.folder = in.Get<std::uint64_t>();
  }
  if (body.version > 1) c.owner_state = in.GetString();
  if (!in.ok() || in.left() > 0) return Error(Code::kCorruption, "ill-formed");
  return c;
}

}  // namespace malmoi::vec
