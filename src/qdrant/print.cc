#include "qdrant/print.h"

#include "qdrant/config_store.h"

namespace malmoi::qdrant {
namespace {

using json::Writer;

void PrintDense(const float* data, std::size_t n, Writer* writer) {
  writer->BeginArray();
  for (std::size_t i = 0; i < n; ++i) writer->Put(data[i]);
  writer->EndArray();
}

void PrintMulti(const vec::MultiVector& multi, Writer* writer) {
  writer->BeginArray();
  for (std::size_t i = 0; i < multi.rows(); ++i) {
    PrintDense(multi.data.data() + i * multi.dim, multi.dim, writer);
  }
  writer->EndArray();
}

void PrintSparse(const vec::SparseVector& sparse, Writer* writer) {
  writer->BeginObject().Key("indices").BeginArray();
  for (const std::uint32_t index : sparse.indices) writer->Put(index);
  writer->EndArray().Key("values");
  PrintDense(sparse.values.data(), sparse.values.size(), writer);
  writer->EndObject();
}

void PrintOrder(const std::variant<std::int64_t, double>& value, Writer* writer) {
  writer->Key("order_value");
  std::visit([&](auto number) { writer->Put(number); }, value);
}

template <class P>
void PrintParts(const P& point, Writer* writer) {
  if (point.payload) writer->Key("payload").PutRaw(*point.payload);
  if (point.vectors) {
    writer->Key("vector");
    PrintVectors(*point.vectors, writer);
  }
  if (point.order_value) PrintOrder(*point.order_value, writer);
}

}  // namespace

void PrintVectors(const vec::NamedVectors& vectors, Writer* writer) {
  const std::size_t count = vectors.dense.size() + vectors.sparse.size() + vectors.multi.size();
  if (count == 1) {
    if (const auto dense = vectors.dense.find(""); dense != vectors.dense.end()) {
      PrintDense(dense->second.data(), dense->second.size(), writer);
      return;
    }
    if (const auto multi = vectors.multi.find(""); multi != vectors.multi.end()) {
      PrintMulti(multi->second, writer);
      return;
    }
  }
  writer->BeginObject();
  for (const auto& [name, dense] : vectors.dense) {
    writer->Key(name);
    PrintDense(dense.data(), dense.size(), writer);
  }
  for (const auto& [name, sparse] : vectors.sparse) {
    writer->Key(name);
    PrintSparse(sparse, writer);
  }
  for (const auto& [name, multi] : vectors.multi) {
    writer->Key(name);
    PrintMulti(multi, writer);
  }
  writer->EndObject();
}

void PrintId(const PointId& id, Writer* writer) {
  if (const auto* number = std::get_if<std::uint64_t>(&id)) {
    writer->Put(*number);
  } else {
    writer->Put(std::get<Uuid>(id).ToString());
  }
}

void PrintRecord(const Record& record, Writer* writer) {
  writer->BeginObject().Key("id");
  PrintId(record.id, writer);
  PrintParts(record, writer);
  writer->EndObject();
}

void PrintScored(const ScoredPoint& point, Writer* writer) {
  writer->BeginObject().Key("id");
  PrintId(point.id, writer);
  writer->Field("version", point.version).Field("score", point.score);
  PrintParts(point, writer);
  writer->EndObject();
}

void PrintScored(const std::vector<ScoredPoint>& points, Writer* writer) {
  writer->BeginArray();
  for (const ScoredPoint& point : points) PrintScored(point, writer);
  writer->EndArray();
}

void PrintGroups(const std::vector<PointGroup>& groups, Writer* writer) {
  writer->BeginObject().Key("groups").BeginArray();
  for (const PointGroup& group : groups) {
    writer->BeginObject().Key("hits");
    PrintScored(group.hits, writer);
    writer->Key("id");
    std::visit([&](const auto& id) { writer->Put(id); }, group.id);
    if (group.lookup) {
      writer->Key("lookup");
      PrintRecord(*group.lookup, writer);
    }
    writer->EndObject();
  }
  writer->EndArray().EndObject();
}

void PrintScroll(const ScrollResult& result, Writer* writer) {
  writer->BeginObject().Key("points").BeginArray();
  for (const Record& record : result.points) PrintRecord(record, writer);
  writer->EndArray().Key("next_page_offset");
  if (result.next_page_offset) {
    PrintId(*result.next_page_offset, writer);
  } else {
    writer->PutNull();
  }
  writer->EndObject();
}

void PrintFacet(const std::vector<vec::FacetCount>& counts, Writer* writer) {
  writer->BeginObject().Key("hits").BeginArray();
  for (const vec::FacetCount& count : counts) {
    writer->BeginObject().Key("value");
    std::visit([&](const auto& value) { writer->Put(value); }, count.value);
    writer->Field("count", count.count).EndObject();
  }
  writer->EndArray().EndObject();
}

void PrintMatrixPairs(const MatrixResult& result, Writer* writer) {
  writer->BeginObject().Key("pairs").BeginArray();
  for (std::size_t row = 0; row < result.nearest.size(); ++row) {
    for (const ScoredPoint& point : result.nearest[row]) {
      writer->BeginObject().Key("a");
      PrintId(result.ids[row], writer);
      writer->Key("b");
      PrintId(point.id, writer);
      writer->Field("score", point.score).EndObject();
    }
  }
  writer->EndArray().EndObject();
}

void PrintMatrixOffsets(const MatrixResult& result, Writer* writer) {
  std::map<PointId, std::size_t> place;
  for (std::size_t i = 0; i < result.ids.size(); ++i) place[result.ids[i]] = i;
  const auto each = [&](const auto& print) {
    writer->BeginArray();
    for (std::size_t row = 0; row < result.nearest.size(); ++row) {
      for (const ScoredPoint& point : result.nearest[row]) print(row, point);
    }
    writer->EndArray();
  };
  writer->BeginObject().Key("offsets_row");
  each([&](std::size_t row, const ScoredPoint&) { writer->Put(row); });
  writer->Key("offsets_col");
  each([&](std::size_t, const ScoredPoint& point) { writer->Put(place[point.id]); });
  writer->Key("scores");
  each([&](std::size_t, const ScoredPoint& point) { writer->Put(point.score); });
  writer->Key("ids").BeginArray();
  for (const PointId& id : result.ids) PrintId(id, writer);
  writer->EndArray().EndObject();
}

void PrintUpdate(const UpdateResult& result, Writer* writer) {
  writer->BeginObject()
      .Field("operation_id", result.operation_id)
      .Field("status", result.completed ? "completed" : "acknowledged")
      .EndObject();
}

void PrintCollection(const CollectionDescription& description, Writer* writer) {
  const vec::CollectionInfo& info = description.info;
  writer->BeginObject().Field("status", info.error ? "red" : "green").Key("optimizer_status");
  if (info.error) {
    writer->BeginObject().Field("error", *info.error).EndObject();
  } else {
    writer->Put("ok");
  }
  writer->Field("indexed_vectors_count", info.indexed_vectors)
      .Field("points_count", info.points)
      .Field("segments_count", std::max<std::uint64_t>(info.segments, 1))
      .Key("config")
      .Put(ShownConfig(description.config))
      .Key("payload_schema")
      .BeginObject();
  for (const auto& [key, index] : description.indexes) {
    writer->Key(key).BeginObject().Field("data_type", IndexKindName(index.params.kind));
    const auto params = json::Parse(index.params.settings);
    if (params.ok() && params.value().is_object() && !params.value().members().empty()) {
      writer->Key("params").Put(params.value());
    }
    writer->Field("points", index.points).EndObject();
  }
  writer->EndObject().Key("update_queue").BeginObject().Field("length", 0).EndObject();
  if (const auto time = CreatedAt(description.config)) writer->Field("created_at", *time);
  writer->EndObject();
}

void PrintSnapshot(const SnapshotDescription& snapshot, Writer* writer) {
  writer->BeginObject()
      .Field("name", snapshot.name)
      .Field("creation_time", snapshot.creation_time)
      .Field("size", snapshot.size)
      .Field("checksum", snapshot.checksum)
      .EndObject();
}

}  // namespace malmoi::qdrant
