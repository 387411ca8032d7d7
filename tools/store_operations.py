"""Random operations on a store, as calls of qdrant-client: what tools/store_difference.py plays."""
from qdrant_client import models

DIM, IDS = 4, 30
WORDS = ["old", "green", "tree", "Green", "house", "도서관", "old-tree"]
KEYWORDS = ["red", "green", "blue", "빨강"]


def vector(rng, dim=DIM):
    return [rng.randint(-8, 8) / 4 for _ in range(dim)] if rng.random() < 0.9 else [0.0] * dim


def sparse(rng):
    indices = sorted(rng.sample(range(12), rng.randint(1, 4)))
    return models.SparseVector(indices=indices, values=[rng.randint(1, 8) / 4 for _ in indices])


def payload(rng):
    out = {}
    if rng.random() < 0.8:
        out["color"] = rng.choice([rng.choice(KEYWORDS), rng.sample(KEYWORDS, 2)])
    if rng.random() < 0.8:
        out["n"] = rng.randint(-5, 20)
    if rng.random() < 0.6:
        out["f"] = rng.randint(-40, 40) / 8
    if rng.random() < 0.4:
        out["flag"] = rng.random() < 0.5
    if rng.random() < 0.4:
        out["deep"] = {"list": [{"a": rng.randint(0, 3), "b": rng.choice(KEYWORDS)}
                                for _ in range(rng.randint(0, 3))]}
    if rng.random() < 0.3:
        out["place"] = {"lon": rng.randint(-170, 170), "lat": rng.randint(-80, 80)}
    if rng.random() < 0.3:
        out["empty"] = rng.choice([None, [], [None], {}, 0])
    if rng.random() < 0.4:
        out["text"] = " ".join(rng.choices(WORDS, k=rng.randint(1, 5)))
    if rng.random() < 0.3:
        out["when"] = f"2024-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}T00:00:00Z"
    return out


def condition(rng, depth=0):
    kind = rng.randint(0, 19 if depth < 2 else 17)
    field = models.FieldCondition
    if kind == 0:
        return field(key="color", match=models.MatchValue(value=rng.choice(KEYWORDS)))
    if kind == 1:
        return field(key="color", match=models.MatchAny(any=rng.sample(KEYWORDS, 2)))
    if kind == 2:
        return field(key="n", match=models.MatchExcept(**{"except": rng.sample(range(10), 3)}))
    if kind == 3:
        low = rng.randint(-5, 15)
        return field(key=rng.choice(["n", "f"]), range=models.Range(gte=low, lt=low + 8))
    if kind == 4:
        return models.IsEmptyCondition(is_empty=models.PayloadField(key=rng.choice(
            ["color", "empty", "deep.list"])))
    if kind == 5:
        return models.IsNullCondition(is_null=models.PayloadField(key="empty"))
    if kind == 6:
        return models.HasIdCondition(has_id=rng.sample(range(IDS), 5))
    if kind == 7:
        return field(key="deep.list", values_count=models.ValuesCount(gte=rng.randint(0, 2)))
    if kind == 8:
        return field(key="deep.list[].a", match=models.MatchValue(value=rng.randint(0, 3)))
    if kind == 9:
        return field(key="flag", match=models.MatchValue(value=rng.random() < 0.5))
    if kind == 10:
        return field(key="when", range=models.DatetimeRange(gte=f"2024-0{rng.randint(1, 9)}-01T00:00:00Z"))
    if kind == 11:
        return models.HasVectorCondition(has_vector=rng.choice("dsm"))
    if kind == 12:
        west, south = rng.randint(-170, 100), rng.randint(-80, 30)
        return field(key="place", geo_bounding_box=models.GeoBoundingBox(
            top_left=models.GeoPoint(lon=west, lat=south + 50),
            bottom_right=models.GeoPoint(lon=west + 70, lat=south)))
    if kind == 13:
        center = models.GeoPoint(lon=rng.randint(-170, 170), lat=rng.randint(-80, 80))
        return field(key="place", geo_radius=models.GeoRadius(
            center=center, radius=rng.randint(1, 9) * 1e6))
    if kind == 14:
        return field(key="color", match=models.MatchPrefix(prefix=rng.choice(["r", "gre", "빨", "x"])))
    if kind == 15:
        return field(key="color", match=models.MatchSubstring(
            substring=rng.choice(["e", "ree", "강", "blue", "x"])))
    if kind == 16:
        total = rng.randint(1, 4)
        return models.SliceCondition(slice=models.Slice(total=total, index=rng.randrange(total)))
    if kind == 17:
        words = " ".join(rng.sample(WORDS, rng.randint(1, 2)))
        return field(key="text", match=rng.choice([
            models.MatchText(text=words), models.MatchTextAny(text_any=words),
            models.MatchPhrase(phrase=words)]))
    if kind == 18:
        return models.NestedCondition(nested=models.Nested(key="deep.list", filter=models.Filter(must=[
            field(key="a", match=models.MatchValue(value=rng.randint(0, 3))),
            field(key="b", match=models.MatchValue(value=rng.choice(KEYWORDS)))])))
    return filter_of(rng, depth + 1)


def distinct_conditions(rng, depth):
    """Three of them: where one stands twice, the engine's answer depends on their order (of A, B, A
    two of which must hold it returns what B alone keeps; of A, A, B it does not)."""
    found = []
    while len(found) < 3:
        drawn = condition(rng, depth)
        if drawn not in found:
            found.append(drawn)
    return found


def filter_of(rng, depth=0):
    parts = {}
    for clause in ("must", "should", "must_not"):
        if rng.random() < 0.45:
            parts[clause] = [condition(rng, depth) for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.1:
        parts["min_should"] = models.MinShould(
            conditions=distinct_conditions(rng, depth), min_count=rng.randint(1, 3))
    return models.Filter(**parts)


def maybe_filter(rng):
    return filter_of(rng) if rng.random() < 0.5 else None


def selector(rng):
    if rng.random() < 0.6:
        return rng.sample(range(IDS), rng.randint(1, 4))
    return filter_of(rng)


def point(rng):
    vectors = {}
    if rng.random() < 0.9:
        vectors["d"] = vector(rng)
    if rng.random() < 0.7:
        vectors["s"] = sparse(rng)
    if rng.random() < 0.5:
        vectors["m"] = [vector(rng, 3) for _ in range(rng.randint(1, 3))]
    return models.PointStruct(id=rng.randrange(IDS), vector=vectors, payload=payload(rng))


def nearest(rng):
    kind = rng.random()
    if kind < 0.6:
        return dict(query=vector(rng), using="d")
    if kind < 0.85:
        return dict(query=sparse(rng), using="s")
    return dict(query=[vector(rng, 3) for _ in range(2)], using="m")


def example(rng):
    """A vector, or now and then the id of a point, which may be missing."""
    return rng.randrange(IDS) if rng.random() < 0.25 else vector(rng)


def fused(rng):
    kind = rng.randint(0, 2)
    if kind == 0:
        return models.FusionQuery(fusion=models.Fusion.DBSF)
    if kind == 1:
        return models.FusionQuery(fusion=models.Fusion.RRF)
    weights = [rng.randint(1, 4) / 2 for _ in range(2)] if rng.random() < 0.5 else None
    return models.RrfQuery(rrf=models.Rrf(k=rng.randint(1, 60), weights=weights))


def prefetch(rng, depth=0):
    parts = dict(**nearest(rng), limit=rng.choice([IDS, 5]))
    if rng.random() < 0.3:
        parts["filter"] = filter_of(rng)
    if depth == 0 and rng.random() < 0.2:
        parts["prefetch"] = [prefetch(rng, 1)]
    return models.Prefetch(**parts)


def query(rng):
    kind, limit = rng.randint(0, 11), rng.randint(1, 12)
    some = lambda n: [example(rng) for _ in range(n)]
    if kind <= 2:
        least = {"score_threshold": rng.randint(-8, 16) / 4 + 0.1} if rng.random() < 0.15 else {}
        return dict(**nearest(rng), limit=limit, offset=rng.choice([0, 0, 3]), **least)
    if kind == 3:
        strategy = rng.choice(["average_vector", "best_score", "sum_scores"])
        return dict(query=models.RecommendQuery(recommend=models.RecommendInput(
            positive=some(rng.randint(1, 2)), negative=some(rng.randint(0, 2)), strategy=strategy)),
            using="d", limit=limit)
    if kind == 4:
        pairs = [models.ContextPair(positive=example(rng), negative=example(rng)) for _ in range(2)]
        if rng.random() < 0.4:
            return dict(query=models.ContextQuery(context=pairs), using="d", limit=limit)
        inner = models.DiscoverQuery(discover=models.DiscoverInput(target=example(rng), context=pairs))
        return dict(query=inner, using="d", limit=limit)
    if kind in (5, 6):
        return dict(prefetch=[prefetch(rng) for _ in range(2)], query=fused(rng), limit=limit)
    if kind == 7:
        return dict(prefetch=prefetch(rng), query=vector(rng), using="d", limit=limit)
    if kind == 8:
        formula = models.SumExpression(sum=["$score", models.MultExpression(mult=[
            rng.randint(1, 4), condition(rng, 2)]), models.AbsExpression(abs="n")])
        return dict(prefetch=models.Prefetch(query=vector(rng), using="d", limit=IDS),
                    query=models.FormulaQuery(formula=formula, defaults={"n": 0}), limit=limit)
    if kind == 9:
        mmr = models.Mmr(diversity=rng.randint(0, 4) / 4, candidates_limit=rng.choice([10, IDS]))
        return dict(query=models.NearestQuery(nearest=vector(rng), mmr=mmr), using="d", limit=limit)
    if kind == 10:
        return dict(query=models.OrderByQuery(order_by=order(rng)), limit=limit)
    return dict(limit=limit)


def order(rng):
    direction = rng.choice([None, models.Direction.ASC, models.Direction.DESC])
    return models.OrderBy(key=rng.choice(["n", "f"]), direction=direction,
                          start_from=rng.choice([None, None, rng.randint(-5, 15)]))


def grouped(rng):
    by = rng.choice(["color", "n"])
    return dict(**nearest(rng), group_by=by, limit=rng.randint(1, 4), group_size=rng.randint(1, 3),
                query_filter=maybe_filter(rng))


INDEXES = {"color": "keyword", "n": "integer", "f": "float", "flag": "bool", "when": "datetime",
           "place": "geo", "text": models.TextIndexParams(type="text", phrase_matching=True),
           "deep.list[].a": "integer"}


def operation(rng):
    """One step as (name, arguments of the client's call)."""
    kind = rng.random()
    if kind < 0.25:
        more = {}
        if rng.random() < 0.15:
            more["update_mode"] = rng.choice(list(models.UpdateMode))
        elif rng.random() < 0.15:
            more["update_filter"] = filter_of(rng)
        points = [point(rng) for _ in range(rng.randint(1, 6))]
        if more:  # Of an id twice local mode judges the second by the first, the engine does not.
            points = list({p.id: p for p in points}.values())
        return "upsert", dict(points=points, **more)
    if kind < 0.30:
        return "delete", dict(points_selector=selector(rng))
    if kind < 0.36:
        inside = {"key": rng.choice(["deep", "other", "other.more"])} if rng.random() < 0.2 else {}
        return "set_payload", dict(payload=payload(rng) or {"x": 1}, points=selector(rng), **inside)
    if kind < 0.39:
        return "overwrite_payload", dict(payload=payload(rng), points=selector(rng))
    if kind < 0.42:
        return "delete_payload", dict(keys=rng.sample(["color", "n", "deep.list", "f", "deep.list[].a", "other.n"], 2),
                                      points=selector(rng))
    if kind < 0.44:
        return "clear_payload", dict(points_selector=selector(rng))
    if kind < 0.46:
        return "delete_vectors", dict(vectors=[rng.choice("dsm")],
                                      points=rng.sample(range(IDS), 3))
    if kind < 0.49:
        field = rng.choice(list(INDEXES))
        return "create_payload_index", dict(field_name=field, field_schema=INDEXES[field])
    if kind < 0.495:
        return "restart", {}
    if kind < 0.53:
        points = [models.PointVectors(id=rng.randrange(IDS), vector={"d": vector(rng)})]
        return "update_vectors", dict(points=points)
    if kind < 0.58:
        return "count", dict(count_filter=filter_of(rng), exact=True)
    if kind < 0.60:
        return "facet", dict(key=rng.choice(["color", "n", "flag"]), facet_filter=maybe_filter(rng),
                             limit=100, exact=True)
    if kind < 0.62:
        return "query_points_groups", grouped(rng)
    if kind < 0.64:
        return "scroll", dict(scroll_filter=maybe_filter(rng), limit=IDS * 2, order_by=order(rng),
                              with_payload=True, with_vectors=False)
    if kind < 0.70:
        return "scroll", dict(scroll_filter=maybe_filter(rng), limit=rng.randint(1, IDS),
                              with_payload=True, with_vectors=True)
    return "query_points", dict(**query(rng), query_filter=maybe_filter(rng),
                                with_payload=rng.random() < 0.3)


def needed_index(name, arguments):
    """The payload field that must have an index for the step, or None."""
    if name == "facet":
        return arguments["key"]
    by = arguments.get("order_by")
    if by is None and isinstance(arguments.get("query"), models.OrderByQuery):
        by = arguments["query"].order_by
    return by.key if by is not None else None
