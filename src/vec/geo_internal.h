#pragma once

#include <optional>

#include "vec/filter.h"
#include "vec/packed_internal.h"

namespace malmoi::vec {

// {"lon": number, "lat": number} in range.
std::optional<GeoPoint> AsGeoPoint(const Packed& value);

bool Inside(const GeoBox& box, const GeoPoint& p);
bool Inside(const GeoRadius& circle, const GeoPoint& p);
bool Inside(const GeoPolygon& polygon, const GeoPoint& p);
double HaversineMetres(const GeoPoint& a, const GeoPoint& b);

// Latitudes outside of which the shape has no point: {lowest, highest}.
std::pair<double, double> Latitudes(const GeoBox& box);
std::pair<double, double> Latitudes(const GeoRadius& circle);
std::pair<double, double> Latitudes(const GeoPolygon& polygon);

}  // namespace malmoi::vec
