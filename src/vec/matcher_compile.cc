#include <algorithm>

#include "vec/matcher_internal.h"
#include "vec/nested_index_internal.h"

namespace malmoi::vec {
namespace {

template <class T>
void SortUnique(std::vector<T>* items) {
  std::sort(items->begin(), items->end());
  items->erase(std::unique(items->begin(), items->end()), items->end());
}

bool HasBrackets(const std::vector<PathStep>& path) {
  return std::any_of(path.begin(), path.end(),
                     [](const PathStep& s) { return s.kind != PathStep::Kind::kKey; });
}

// Whether an index of the declared kind answers conditions by such a column.
bool Serves(IndexKind declared, ColumnKind column) {
  switch (column) {
    case ColumnKind::kKeyword:
      return declared == IndexKind::kKeyword;
    case ColumnKind::kUuid:
      return declared == IndexKind::kUuid;
    case ColumnKind::kInteger:
      return declared == IndexKind::kInteger;
    case ColumnKind::kNumber:
      return declared == IndexKind::kInteger || declared == IndexKind::kFloat;
    case ColumnKind::kBool:
      return declared == IndexKind::kBool;
    case ColumnKind::kDatetime:
      return declared == IndexKind::kDatetime;
    case ColumnKind::kGeo:
      return declared == IndexKind::kGeo;
    case ColumnKind::kText:
      return declared == IndexKind::kText;
    case ColumnKind::kPresence:
      return true;
  }
  return false;
}

}  // namespace

void Matcher::CompileValues(const std::vector<MatchValue>& values, bool uuid, Node* node) {
  for (const auto& value : values) {
    if (const auto* s = std::get_if<std::string>(&value)) {
      Uuid parsed;
      if (uuid && ParseUuid(*s, &parsed)) {
        node->uuids.push_back(parsed);
      } else {
        node->strings.push_back(*s);
      }
    } else if (const auto* b = std::get_if<bool>(&value)) {
      node->bools[*b ? 1 : 0] = true;
    } else {
      node->integers.push_back(std::get<std::int64_t>(value));
    }
  }
  SortUnique(&node->strings);
  SortUnique(&node->uuids);
  SortUnique(&node->integers);
}

// Columns whose values together decide the condition.
void Matcher::ChooseColumns(const IndexMap& indexes, Node* node) {
  const auto& test = node->field->test;
  std::vector<ColumnKind> kinds;
  if (std::holds_alternative<MatchAny>(test)) {
    if (!node->strings.empty()) kinds.push_back(ColumnKind::kKeyword);
    if (!node->uuids.empty()) kinds.push_back(ColumnKind::kUuid);
    if (!node->integers.empty()) kinds.push_back(ColumnKind::kInteger);
    if (node->bools[0] || node->bools[1]) kinds.push_back(ColumnKind::kBool);
  } else if (std::holds_alternative<MatchExcept>(test)) {
    const bool strings = node->integers.empty();
    if (node->bools[0] || node->bools[1] || (!strings && !node->strings.empty())) return;
    kinds.push_back(strings ? ColumnKind::kKeyword : ColumnKind::kInteger);
  } else if (std::holds_alternative<PrefixMatch>(test)) {
    kinds.push_back(ColumnKind::kKeyword);
  } else if (std::holds_alternative<MatchText>(test)) {
    kinds.push_back(ColumnKind::kText);
  } else if (std::holds_alternative<Range>(test)) {
    kinds.push_back(ColumnKind::kNumber);
  } else if (std::holds_alternative<DatetimeRange>(test)) {
    kinds.push_back(ColumnKind::kDatetime);
  } else if (std::holds_alternative<GeoBox>(test) || std::holds_alternative<GeoRadius>(test) ||
             std::holds_alternative<GeoPolygon>(test)) {
    kinds.push_back(ColumnKind::kGeo);
  } else if (!std::holds_alternative<MatchSubstring>(test) && !HasBrackets(node->path)) {
    kinds.push_back(ColumnKind::kPresence);
  }
  const auto index = indexes.find(node->field->key);
  for (const ColumnKind kind : kinds) {
    ColumnSpec& spec = node->columns.emplace_back();
    spec.key = node->field->key;
    spec.kind = kind;
    spec.path = node->path;
    spec.declared = index != indexes.end() && Serves(index->second.kind, kind);
  }
}

Result<bool> Matcher::CompileElements(const FieldCondition& field, const Schema& schema,
                                      const IndexMap& indexes, Node* node) {
  const auto& test = field.test;
  const bool presence =
      std::holds_alternative<IsEmpty>(test) || std::holds_alternative<IsNull>(test) ||
      std::holds_alternative<ValueEmpty>(test) || std::holds_alternative<ValueNull>(test);
  const auto index = indexes.find(field.key);
  if (!presence || index == indexes.end()) return false;
  MALMOI_TRY(const auto nested, NestedOf(field.key, index->second));
  if (!nested) return false;
  auto filter = std::make_shared<Filter>();
  filter->must.push_back({FieldCondition{nested->rest, test}});
  node->elements = std::move(filter);
  MALMOI_TRY(node->path, ParsePath(nested->array));
  node->path.push_back({.kind = PathStep::Kind::kEach});
  static const IndexMap kNone;
  MALMOI_TRY(auto inner, Create(*node->elements, schema, kNone));
  node->filter = std::make_unique<Matcher>(std::move(inner));
  return true;
}

Status Matcher::CompileField(const FieldCondition& field, const IndexMap& indexes, Node* node) {
  node->field = &field;
  MALMOI_TRY(node->path, ParsePath(field.key));
  const auto index = indexes.find(field.key);
  const bool indexed = index != indexes.end();
  node->whole = indexed;
  if (const auto* any = std::get_if<MatchAny>(&field.test)) {
    CompileValues(any->values, indexed && index->second.kind == IndexKind::kUuid, node);
  } else if (const auto* except = std::get_if<MatchExcept>(&field.test)) {
    CompileValues(except->values, false, node);
    const auto kind = node->integers.empty() ? IndexKind::kKeyword : IndexKind::kInteger;
    node->typed_except = indexed && index->second.kind == kind;
  }
  ChooseColumns(indexes, node);
  if (const auto* text = std::get_if<MatchText>(&field.test)) {
    const bool declared = indexed && index->second.kind == IndexKind::kText;
    MALMOI_TRY(auto rules, TextRules::For(declared ? index->second.text : TextParams{}));
    node->columns.front().rules = rules;
    // As in Qdrant: an index that does not say where words stand finds no phrase, none at all.
    const bool never =
        declared && text->mode == MatchText::Mode::kPhrase && !index->second.text.phrase_matching;
    node->across = declared && text->mode == MatchText::Mode::kAll;
    node->text = std::make_unique<TextMatcher>(
        std::move(rules), never ? MatchText{.text = {}, .mode = text->mode} : *text);
  }
  return Ok();
}

Result<Matcher::Nodes> Matcher::Compile(const std::vector<Condition>& conditions,
                                        const Schema& schema, const IndexMap& indexes) {
  Nodes out;
  for (const Condition& c : conditions) {
    Node node;
    node.condition = &c;
    if (const auto* field = std::get_if<FieldCondition>(&c.test)) {
      MALMOI_TRY(const bool elements, CompileElements(*field, schema, indexes, &node));
      if (!elements) MALMOI_TRY(CompileField(*field, indexes, &node));
    } else if (const auto* has = std::get_if<HasId>(&c.test)) {
      node.ids = has->ids;
      SortUnique(&node.ids);
    } else if (const auto* nested = std::get_if<Nested>(&c.test)) {
      MALMOI_TRY(node.path, ParsePath(nested->key));
      if (node.path.back().kind != PathStep::Kind::kEach) {
        node.path.push_back({.kind = PathStep::Kind::kEach});
      }
      static const Filter kAll;
      static const IndexMap kNone;
      MALMOI_TRY(auto inner,
                 Create(nested->filter == nullptr ? kAll : *nested->filter, schema, kNone));
      node.filter = std::make_unique<Matcher>(std::move(inner));
    } else if (const auto* filter = std::get_if<std::shared_ptr<const Filter>>(&c.test)) {
      if (*filter != nullptr) {
        MALMOI_TRY(auto inner, Create(**filter, schema, indexes));
        node.filter = std::make_unique<Matcher>(std::move(inner));
      }
    }
    out.push_back(std::move(node));
  }
  // Cheap tests first: those on ids need no payload.
  std::stable_partition(out.begin(), out.end(),
                        [](const Node& n) { return n.field == nullptr && n.filter == nullptr; });
  return out;
}

Result<Matcher> Matcher::Create(const Filter& filter, const Schema& schema,
                                const IndexMap& indexes) {
  Matcher out;
  out.schema_ = &schema;
  MALMOI_TRY(out.must_, Compile(filter.must, schema, indexes));
  MALMOI_TRY(out.must_not_, Compile(filter.must_not, schema, indexes));
  MALMOI_TRY(out.should_, Compile(filter.should, schema, indexes));
  if (filter.min_should) {
    MALMOI_TRY(out.min_should_, Compile(filter.min_should->conditions, schema, indexes));
    out.min_count_ = filter.min_should->min_count;
  }
  return out;
}

}  // namespace malmoi::vec
