"""The real engine in process (qdrant-edge-py) under the calls of qdrant-client that
tools/store_operations.py makes. It knows no ids as examples: they are looked up here and left out of
the results as Qdrant does. Two things that depend on an operation long past are evened out: a point
whose payload was cleared gets an empty one (a null set on it would stay, until an optimisation makes
the payload an empty one), and a sparse vector is emptied before it is deleted (its old postings would
stay and come to life with the point's next sparse vector)."""
import shutil
import tempfile
from types import SimpleNamespace

import qdrant_edge as edge
from qdrant_client import models

U = edge.UpdateOperation
INDEX = {"keyword": "Keyword", "integer": "Integer", "float": "Float", "bool": "Bool",
         "datetime": "Datetime", "geo": "Geo"}


def to_range(value):
    parts = {k: v for k, v in value.model_dump().items() if v is not None}
    if isinstance(value, models.DatetimeRange):
        return edge.RangeDateTime(**{k: v.isoformat() for k, v in parts.items()})
    return edge.RangeFloat(**{k: float(v) for k, v in parts.items()})


# The engine's condition and where a match of the client keeps what it takes.
MATCHES = {models.MatchValue: (edge.MatchValue, "value"), models.MatchAny: (edge.MatchAny, "any"),
           models.MatchExcept: (edge.MatchExcept, "except_"),
           models.MatchPrefix: (edge.MatchPrefix, "prefix"),
           models.MatchSubstring: (edge.MatchSubstring, "substring"),
           models.MatchText: (edge.MatchText, "text"),
           models.MatchTextAny: (edge.MatchTextAny, "text_any"),
           models.MatchPhrase: (edge.MatchPhrase, "phrase")}


def to_match(value):
    make, member = MATCHES[type(value)]
    return make(getattr(value, member))


def to_vector(v):
    if isinstance(v, models.SparseVector):
        return edge.SparseVector(v.indices, v.values)
    return v


def to_order(o):
    direction = {None: None, models.Direction.ASC: edge.Direction.Asc,
                 models.Direction.DESC: edge.Direction.Desc}[o.direction]
    return edge.OrderBy(o.key, direction, o.start_from)


class Edge:
    def __init__(self, distance):
        self.folder = tempfile.mkdtemp(prefix="malmoi-edge-")
        config = edge.EdgeConfig(
            vectors={"d": edge.EdgeVectorParams(size=4, distance=getattr(edge.Distance, {
                "Cosine": "Cosine", "Euclid": "Euclid", "Dot": "Dot", "Manhattan": "Manhattan"}[distance.value])),
                "m": edge.EdgeVectorParams(size=3, distance=edge.Distance.Dot,
                                           multivector_config=edge.MultiVectorConfig(
                                               edge.MultiVectorComparator.MaxSim))},
            sparse_vectors={"s": edge.EdgeSparseVectorParams()})
        self.shard = edge.EdgeShard.create(self.folder, config)

    def close(self):
        self.shard.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self):
        self.shard.close()
        self.shard = edge.EdgeShard.load(self.folder)

    def _with_bool(self, key, value):
        """Ids of the points that have it: the Python binding takes True for 1."""
        points, _ = self.shard.scroll(edge.ScrollRequest(limit=1000, with_payload=True))
        return {p.id for p in points if p.payload.get(key) is value}

    def _condition(self, c):
        if isinstance(c, models.Filter):
            return self._filter(c)
        if isinstance(c, models.IsEmptyCondition):
            return edge.IsEmptyCondition(c.is_empty.key)
        if isinstance(c, models.IsNullCondition):
            return edge.IsNullCondition(c.is_null.key)
        if isinstance(c, models.HasIdCondition):
            return edge.HasIdCondition(set(c.has_id))
        if isinstance(c, models.SliceCondition):
            return edge.SliceCondition(c.slice.total, c.slice.index)
        if isinstance(c, models.HasVectorCondition):
            return edge.HasVectorCondition(c.has_vector)
        if isinstance(c, models.NestedCondition):
            return edge.NestedCondition(c.nested.key, self._filter(c.nested.filter))
        if isinstance(c.match, models.MatchValue) and isinstance(c.match.value, bool):
            return edge.HasIdCondition(self._with_bool(c.key, c.match.value))
        parts = {}
        if c.match is not None:
            parts["match"] = to_match(c.match)
        if c.range is not None:
            parts["range"] = to_range(c.range)
        at = lambda p: edge.GeoPoint(p.lon, p.lat)
        if c.geo_radius is not None:
            parts["geo_radius"] = edge.GeoRadius(at(c.geo_radius.center), c.geo_radius.radius)
        if c.geo_bounding_box is not None:
            box = c.geo_bounding_box
            parts["geo_bounding_box"] = edge.GeoBoundingBox(at(box.top_left), at(box.bottom_right))
        if c.values_count is not None:
            parts["values_count"] = edge.ValuesCount(**c.values_count.model_dump())
        return edge.FieldCondition(c.key, **parts)

    def _filter(self, f):
        if f is None:
            return None
        parts = {}
        for clause in ("must", "should", "must_not"):
            conditions = getattr(f, clause)
            if conditions is not None:
                parts[clause] = [self._condition(c) for c in conditions]
        if f.min_should is not None:
            parts["min_should"] = edge.MinShould(
                [self._condition(c) for c in f.min_should.conditions], f.min_should.min_count)
        return edge.Filter(**parts)

    def _expression(self, e):
        x = edge.Expression
        if isinstance(e, str):
            return x.Variable(e)
        if isinstance(e, (int, float)):
            return x.Constant(float(e))
        if isinstance(e, models.SumExpression):
            return x.Sum([self._expression(i) for i in e.sum])
        if isinstance(e, models.MultExpression):
            return x.Mult([self._expression(i) for i in e.mult])
        if isinstance(e, models.AbsExpression):
            return x.Abs(self._expression(e.abs))
        return x.Condition(self._condition(e))

    # Writes.
    def upsert(self, _, points, update_filter=None, update_mode=None, wait=True):
        mode = {None: None, models.UpdateMode.UPSERT: edge.UpdateMode.Upsert,
                models.UpdateMode.INSERT_ONLY: edge.UpdateMode.InsertOnly,
                models.UpdateMode.UPDATE_ONLY: edge.UpdateMode.UpdateOnly}[update_mode]
        self.shard.update(U.upsert_points(
            [edge.Point(p.id, {k: to_vector(v) for k, v in p.vector.items()}, p.payload)
             for p in points], self._filter(update_filter), mode))

    def _by(self, plain, by_filter, selector, *rest):
        if isinstance(selector, models.Filter):
            self.shard.update(by_filter(self._filter(selector), *rest))
        else:
            self.shard.update(plain(selector, *rest))

    def delete(self, _, points_selector, wait=True):
        self._by(U.delete_points, U.delete_points_by_filter, points_selector)

    def set_payload(self, _, payload, points, key=None, wait=True):
        self._by(U.set_payload, U.set_payload_by_filter, points, payload, key)

    def overwrite_payload(self, _, payload, points, wait=True):
        self._by(U.overwrite_payload, U.overwrite_payload_by_filter, points, payload)

    def delete_payload(self, _, keys, points, wait=True):
        self._by(U.delete_payload, U.delete_payload_by_filter, points, keys)

    def _chosen(self, selector):
        """Ids of the points that exist."""
        if not isinstance(selector, models.Filter):
            return [p.id for p in self.shard.retrieve(selector, False, False)]
        points, _ = self.shard.scroll(edge.ScrollRequest(limit=1000, filter=self._filter(selector)))
        return [p.id for p in points]

    def clear_payload(self, _, points_selector, wait=True):
        chosen = self._chosen(points_selector)
        try:
            self._by(U.clear_payload, U.clear_payload_by_filter, points_selector)
        finally:  # Points that exist are cleared also where others are missing.
            self.shard.update(U.overwrite_payload(chosen, {}))

    def delete_vectors(self, _, vectors, points, wait=True):
        if "s" in vectors:
            empty = {"s": edge.SparseVector([], [])}
            self.shard.update(U.update_vectors(
                [edge.PointVectors(p, empty) for p in self._chosen(points)]))
        self.shard.update(U.delete_vectors(points, vectors))

    def update_vectors(self, _, points, wait=True):
        self.shard.update(U.update_vectors([edge.PointVectors(p.id, p.vector) for p in points]))

    def create_payload_index(self, _, field_name, field_schema, wait=True):
        kind = edge.TextIndexParams(phrase_matching=True) if field_name == "text" \
            else getattr(edge.PayloadSchemaType, INDEX[field_schema])
        self.shard.update(U.create_field_index(field_name, kind))

    # Reads.
    def count(self, _, count_filter=None, exact=True):
        request = edge.CountRequest(exact=exact, filter=self._filter(count_filter))
        return SimpleNamespace(count=self.shard.count(request))

    def scroll(self, _, scroll_filter=None, limit=10, with_payload=True, with_vectors=False,
               order_by=None):
        points, offset = self.shard.scroll(edge.ScrollRequest(
            limit=limit, filter=self._filter(scroll_filter), with_payload=with_payload,
            with_vector=with_vectors, order_by=None if order_by is None else to_order(order_by)))
        return points, offset

    def facet(self, _, key, facet_filter=None, limit=10, exact=True):
        found = self.shard.facet(edge.FacetRequest(key, limit=limit, exact=exact,
                                                   filter=self._filter(facet_filter)))
        return SimpleNamespace(hits=[SimpleNamespace(value=h.value, count=h.count)
                                     for h in found.hits])

    def _example(self, value, used):
        if not isinstance(value, int):
            return value
        found = self.shard.retrieve([value], False, True)
        if not found or "d" not in found[0].vector:
            raise ValueError(f"no point {value} with a vector")
        used.append(value)
        return found[0].vector["d"]

    def _query(self, q, using, used):
        one = lambda v: self._example(v, used)
        if q is None:
            return None
        if isinstance(q, models.FusionQuery):
            return edge.Fusion.Dbsf() if q.fusion == models.Fusion.DBSF else edge.Fusion.Rrf(2)
        if isinstance(q, models.RrfQuery):
            return edge.Fusion.Rrf(q.rrf.k, q.rrf.weights)
        if isinstance(q, models.OrderByQuery):
            return to_order(q.order_by)
        if isinstance(q, models.FormulaQuery):
            return edge.Formula(self._expression(q.formula),
                                {k: float(v) for k, v in (q.defaults or {}).items()})
        if isinstance(q, models.RecommendQuery):
            r = q.recommend
            positive, negative = [one(v) for v in r.positive], [one(v) for v in r.negative or []]
            if r.strategy == "average_vector":
                mean = lambda rows: [sum(c) / len(rows) for c in zip(*rows)]
                best = mean(positive)
                if negative:
                    best = [2 * a - b for a, b in zip(best, mean(negative))]
                return edge.Query.Nearest(best, using=using)
            kind = edge.Query.RecommendBestScore if r.strategy == "best_score" \
                else edge.Query.RecommendSumScores
            return kind(edge.RecommendQuery(positive, negative), using=using)
        pairs = lambda c: [edge.ContextPair(one(p.positive), one(p.negative)) for p in c]
        if isinstance(q, models.DiscoverQuery):
            target = one(q.discover.target)
            return edge.Query.Discover(edge.DiscoverQuery(target, pairs(q.discover.context)), using=using)
        if isinstance(q, models.ContextQuery):
            return edge.Query.Context(edge.ContextQuery(pairs(q.context)), using=using)
        if isinstance(q, models.NearestQuery):
            # Qdrant's lambda is how much relevance counts.
            return edge.Mmr(q.nearest, 1 - q.mmr.diversity, q.mmr.candidates_limit, using=using)
        return edge.Query.Nearest(to_vector(q), using=using)

    def _prefetches(self, given):
        if given is None:
            return None
        given = given if isinstance(given, list) else [given]
        return [edge.Prefetch(limit=p.limit, query=self._query(p.query, p.using, []),
                              prefetches=self._prefetches(p.prefetch), filter=self._filter(p.filter))
                for p in given]

    def query_points(self, _, query=None, using=None, prefetch=None, limit=10, offset=None,
                     query_filter=None, with_payload=False, score_threshold=None):
        used = []
        inner = self._query(query, using, used)
        wanted = self._filter(query_filter)
        if used:
            excluded = edge.HasIdCondition(set(used))
            wanted = edge.Filter(must=[wanted] if wanted is not None else [], must_not=[excluded])
        found = self.shard.query(edge.QueryRequest(
            limit=limit, offset=offset or 0, query=inner, prefetches=self._prefetches(prefetch),
            filter=wanted, with_payload=with_payload, score_threshold=score_threshold))
        return SimpleNamespace(points=found)
