#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "json/value.h"
#include "model/samples_internal.h"
#include "tensor/safetensors.h"

namespace malmoi::model {

// What SampleInputs gave for a model, in a file, so that the model opens again without its pass in
// f32. Reading checks a sum over the file: what is damaged, or of something else, counts as absent.
//
//   "malmoi-samples 1\n"  string key  u32 layers  per layer qkv, out, up, down, each:
//   u32 count, u32 k, u8 smooth, f32 means[count, k], spread[k], most[k]
//   u64 XXH64 of all before
//
// Who changes what SampleInputs finds gives the first line another number. A string is a u32 length
// and bytes. Little-endian.

// Of all that the samples hang on: configuration, layers' weights (of others the first 4 KiB, as in
// a fingerprint), texts, and the CPU level, on which the last bits of f32 products hang.
std::string SamplesKey(const json::Value& config, const tensor::SafeTensors& file,
                       const std::vector<std::vector<std::int32_t>>& texts);

std::optional<std::vector<LayerInputs>> ReadSamples(const std::string& folder,
                                                    const std::string& key);
// Makes the folder where it is missing. A failure costs the next opening its time, and no more.
void WriteSamples(const std::string& folder, const std::string& key,
                  const std::vector<LayerInputs>& inputs);

}  // namespace malmoi::model
