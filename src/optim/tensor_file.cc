#include "optim/tensor_file.h"

#include <cstring>
#include <limits>

#include "json/writer.h"
#include "optim/optimizer.h"
#include "os/vfs.h"
#include "tensor/safetensors.h"

namespace malmoi::optim {

void TensorFile::Add(std::string name, std::string_view dtype, const Shape& shape,
                     std::string_view bytes) {
  const std::size_t begin = data_.size();
  data_.append(bytes);
  entries_.push_back({std::move(name), std::string(dtype), shape, begin, data_.size()});
}

Status TensorFile::Write(const std::string& path) const {
  json::Writer w;
  w.BeginObject();
  if (!meta_.empty()) {
    w.Key("__metadata__").BeginObject();
    for (const auto& [key, value] : meta_) w.Field(key, value);
    w.EndObject();
  }
  for (const Entry& e : entries_) {
    w.Key(e.name).BeginObject().Field("dtype", e.dtype).Key("shape").BeginArray();
    for (const auto d : e.shape) w.Put(d);
    w.EndArray().Key("data_offsets").BeginArray().Put(e.begin).Put(e.end).EndArray().EndObject();
  }
  w.EndObject();
  std::string header = std::move(w).Take();
  header.append((8 - header.size() % 8) % 8, ' ');
  const std::uint64_t length = header.size();
  std::string out(reinterpret_cast<const char*>(&length), sizeof(length));
  out += header;
  out += data_;
  return os::WriteAtomically(os::PosixVfs(), path, out);
}

std::string_view StorageName(Storage storage) {
  switch (storage) {
    case Storage::kF64:
      return "F64";
    case Storage::kBf16:
      return "BF16";
    case Storage::kQ8:
      return "U8";
    case Storage::kF32:
      break;
  }
  return "F32";
}

Status SaveState(const Optimizer& optimizer, const std::string& path) {
  TensorFile file;
  json::Writer groups;
  groups.BeginArray();
  for (std::size_t g = 0; g < optimizer.groups(); ++g) groups.Put(optimizer.GroupState(g));
  groups.EndArray();
  file.Meta("groups", std::move(groups).Take());
  json::Writer scalars;
  scalars.BeginArray();
  for (std::size_t i = 0; i < optimizer.parameter_count(); ++i) {
    MALMOI_TRY(const auto state, optimizer.State(i));
    for (const StateTensor& t : state.tensors) {
      file.Add(std::to_string(i) + "/" + t.name, StorageName(t.storage), t.shape,
               {reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size()});
    }
    scalars.Put(state.scalars);
  }
  scalars.EndArray();
  file.Meta("scalars", std::move(scalars).Take());
  return file.Write(path);
}

namespace {

Result<Storage> ReadStorage(const std::string& name, tensor::DType dtype) {
  switch (dtype) {
    case tensor::DType::kF32:
      return Storage::kF32;
    case tensor::DType::kF64:
      return Storage::kF64;
    case tensor::DType::kBf16:
      return Storage::kBf16;
    default:
      return Error(Code::kInvalidArgument, "state '" + name + "' is " +
                                               std::string(tensor::DTypeName(dtype)) +
                                               ": expected F32, F64 or BF16");
  }
}

}  // namespace

Status LoadState(Optimizer& optimizer, const std::string& path) {
  MALMOI_TRY(const auto file, tensor::SafeTensors::Open(path));
  MALMOI_TRY(const auto groups, json::Parse(file->Metadata("groups")).With(path));
  MALMOI_TRY(const auto scalars, json::Parse(file->Metadata("scalars")).With(path));
  if (groups.items().size() != optimizer.groups() ||
      scalars.items().size() != optimizer.parameter_count()) {
    return Error(Code::kInvalidArgument,
                 path + ": state of " + std::to_string(groups.items().size()) + " groups and " +
                     std::to_string(scalars.items().size()) + " parameters, but there are " +
                     std::to_string(optimizer.groups()) + " and " +
                     std::to_string(optimizer.parameter_count()));
  }
  std::vector<ParameterState> states(scalars.items().size());
  for (std::size_t i = 0; i < states.size(); ++i) states[i].scalars = scalars.items()[i];
  for (const std::string& name : file->Names()) {
    const auto slash = name.find('/');
    std::size_t index = 0;
    for (std::size_t c = 0; c < slash && c < name.size(); ++c) {
      if (name[c] < '0' || name[c] > '9' || index > states.size()) index = states.size();
      index = index * 10 + static_cast<std::size_t>(name[c] - '0');
    }
    if (slash == std::string::npos || slash == 0 || index >= states.size()) {
      return Error(Code::kInvalidArgument, path + ": no parameter for the state '" + name + "'");
    }
    const tensor::TensorView* view = file->Find(name);
    MALMOI_TRY(const Storage storage, ReadStorage(name, view->dtype).With(path));
    states[index].tensors.push_back(
        {name.substr(slash + 1),
         storage,
         view->shape,
         {reinterpret_cast<const unsigned char*>(view->bytes.data()), view->bytes.size()}});
  }
  // All or nothing: what was, is kept until everything is in.
  std::vector<ParameterState> before;
  std::vector<json::Value> groups_before;
  for (std::size_t i = 0; i < states.size(); ++i) {
    MALMOI_TRY(auto kept, optimizer.State(i));
    before.push_back(Owned(std::move(kept)));
  }
  for (std::size_t g = 0; g < optimizer.groups(); ++g) {
    groups_before.push_back(optimizer.GroupState(g));
  }
  const auto apply = [&]() -> Status {
    for (std::size_t g = 0; g < optimizer.groups(); ++g) {
      MALMOI_TRY(optimizer.SetGroupState(g, groups.items()[g]));
    }
    for (std::size_t i = 0; i < states.size(); ++i) MALMOI_TRY(optimizer.SetState(i, states[i]));
    return Ok();
  };
  auto status = apply();
  if (!status.ok()) {
    for (std::size_t g = 0; g < groups_before.size(); ++g) {
      (void)optimizer.SetGroupState(g, groups_before[g]);
    }
    for (std::size_t i = 0; i < before.size(); ++i) (void)optimizer.SetState(i, before[i]);
  }
  return std::move(status).With(path);
}

ParameterState Owned(ParameterState state) {
  for (StateTensor& t : state.tensors) {
    Buffer<unsigned char> copy(t.bytes.size());
    if (!t.bytes.empty()) std::memcpy(copy.data(), t.bytes.data(), t.bytes.size());
    t.bytes = {copy.data(), t.bytes.size()};
    state.owned.push_back(std::move(copy));
  }
  return state;
}

}  // namespace malmoi::optim
