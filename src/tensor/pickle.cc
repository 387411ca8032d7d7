#include <map>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "tensor/pickle_internal.h"

namespace malmoi::tensor {
namespace {

constexpr std::size_t kValuesMax = 1 << 20;  // On the stack and in the memo: far above a model's.
constexpr int kDepthMax = 8;

// One value of the pickle's language, as far as it is read.
struct Item {
  enum class Kind : std::uint8_t { kNone, kMark, kInt, kText, kGlobal, kTuple, kDict, kTensor };
  Kind kind = Kind::kNone;
  std::int64_t number = 0;
  std::string text;                          // Text; a global's module and name with a dot.
  std::vector<std::shared_ptr<Item>> items;  // Of a tuple; keys and values of a dict in turns.
  PickledTensor tensor;
};
using Value = std::shared_ptr<Item>;

Error Corrupt(const std::string& what) {
  return Error(Code::kCorruption, "pickle: " + what);
}
Error Unsupported(const std::string& what) {
  return Error(Code::kUnsupported,
               "pickle: " + what + " is not of a dict of tensors: save the weights as safetensors");
}

constexpr struct {
  std::string_view name;
  DType dtype;
} kStorages[] = {{"torch.FloatStorage", DType::kF32},     {"torch.HalfStorage", DType::kF16},
                 {"torch.BFloat16Storage", DType::kBf16}, {"torch.DoubleStorage", DType::kF64},
                 {"torch.LongStorage", DType::kI64},      {"torch.IntStorage", DType::kI32},
                 {"torch.ShortStorage", DType::kI16},     {"torch.CharStorage", DType::kI8},
                 {"torch.ByteStorage", DType::kU8},       {"torch.BoolStorage", DType::kBool}};

class Machine {
 public:
  explicit Machine(std::string_view bytes) : bytes_(bytes) {}
  // A value may hold itself: taken apart one by one, without recursion.
  ~Machine() {
    for (const Value& value : made_) value->items.clear();
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  Result<std::vector<PickledTensor>> Run() {
    for (;;) {
      MALMOI_TRY(const std::string_view op, Take(1));
      if (op[0] == '.') break;
      MALMOI_TRY(Step(static_cast<unsigned char>(op[0])));
      if (stack_.size() > kValuesMax || memo_.size() > kValuesMax)
        return Corrupt("too many values");
    }
    if (stack_.size() != 1) return Corrupt("does not end with one value");
    std::vector<PickledTensor> out;
    MALMOI_TRY(Collect(*stack_.front(), "", 0, &out));
    return out;
  }

 private:
  Value Make(Item::Kind kind) {
    made_.push_back(std::make_shared<Item>());
    made_.back()->kind = kind;
    return made_.back();
  }
  Value Number(std::int64_t n) {
    Value value = Make(Item::Kind::kInt);
    value->number = n;
    return value;
  }
  Result<std::string_view> Take(std::size_t n) {
    if (n > bytes_.size() - at_) return Corrupt("ends inside a value");
    const std::string_view out = bytes_.substr(at_, n);
    at_ += n;
    return out;
  }
  template <class T>
  Result<T> TakeInt() {
    MALMOI_TRY(const std::string_view raw, Take(sizeof(T)));
    return Load<T>(raw.data());
  }
  Result<std::string> TakeLine() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) return Corrupt("a line does not end");
    std::string out(bytes_.substr(at_, end - at_));
    at_ = end + 1;
    return out;
  }
  Status Push(Value value) {
    stack_.push_back(std::move(value));
    return Ok();
  }
  Result<Value> Pop() {
    if (stack_.empty()) return Corrupt("takes a value where there is none");
    Value out = std::move(stack_.back());
    stack_.pop_back();
    return out;
  }
  // The values after the last mark.
  Result<std::vector<Value>> PopMark() {
    std::size_t i = stack_.size();
    while (i > 0 && stack_[i - 1]->kind != Item::Kind::kMark) --i;
    if (i == 0) return Corrupt("has no mark");
    std::vector<Value> out(stack_.begin() + static_cast<std::ptrdiff_t>(i), stack_.end());
    stack_.resize(i - 1);
    return out;
  }
  Status PushTuple(std::size_t n) {
    if (stack_.size() < n) return Corrupt("takes a value where there is none");
    Value tuple = Make(Item::Kind::kTuple);
    tuple->items.assign(stack_.end() - static_cast<std::ptrdiff_t>(n), stack_.end());
    stack_.resize(stack_.size() - n);
    return Push(std::move(tuple));
  }

  Status Step(unsigned char op) {
    switch (op) {
      case 0x80:  // PROTO
        MALMOI_TRY(Take(1));
        return Ok();
      case '}':
        return Push(Make(Item::Kind::kDict));
      case '(':
        return Push(Make(Item::Kind::kMark));
      case ')':
        return PushTuple(0);
      case 0x85:
      case 0x86:
      case 0x87:
        return PushTuple(op - 0x84u);
      case 't':
        return MarkedTuple();
      case 'c':
        return Global();
      case 'q':
      case 'r':
      case 'h':
      case 'j':
        return Memo(op);
      case 'Q':
        return Persistent();
      case 'R':
        return Reduce();
      case 's':
      case 'u':
        return SetItems(op == 'u');
      case 'b':
        return Build();
      default:
        return Literal(op);
    }
  }

  Status Literal(unsigned char op) {
    switch (op) {
      case 'X': {
        MALMOI_TRY(const auto length, TakeInt<std::uint32_t>());
        MALMOI_TRY(const std::string_view raw, Take(length));
        Value text = Make(Item::Kind::kText);
        text->text = std::string(raw);
        return Push(std::move(text));
      }
      case 'J': {
        MALMOI_TRY(const auto n, TakeInt<std::int32_t>());
        return Push(Number(n));
      }
      case 'K': {
        MALMOI_TRY(const auto n, TakeInt<std::uint8_t>());
        return Push(Number(n));
      }
      case 'M': {
        MALMOI_TRY(const auto n, TakeInt<std::uint16_t>());
        return Push(Number(n));
      }
      case 0x8a:
        return Long();
      case 0x88:
      case 0x89:
        return Push(Number(op == 0x88 ? 1 : 0));
      case 'N':
        return Push(Make(Item::Kind::kNone));
      default:
        return Unsupported("opcode " + std::to_string(op));
    }
  }

  Status Long() {
    MALMOI_TRY(const auto length, TakeInt<std::uint8_t>());
    MALMOI_TRY(const std::string_view raw, Take(length));
    if (length > 8) return Unsupported("an integer of more than 8 bytes");
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < length; ++i) {
      n |= static_cast<std::uint64_t>(static_cast<unsigned char>(raw[i])) << (8 * i);
    }
    return Push(Number(static_cast<std::int64_t>(n)));
  }

  Status MarkedTuple() {
    MALMOI_TRY(auto items, PopMark());
    Value tuple = Make(Item::Kind::kTuple);
    tuple->items = std::move(items);
    return Push(std::move(tuple));
  }

  Status Global() {
    MALMOI_TRY(const std::string module, TakeLine());
    MALMOI_TRY(const std::string name, TakeLine());
    Value global = Make(Item::Kind::kGlobal);
    global->text = module + "." + name;
    return Push(std::move(global));
  }

  Status Memo(unsigned char op) {
    std::uint32_t key = 0;
    if (op == 'q' || op == 'h') {
      MALMOI_TRY(key, TakeInt<std::uint8_t>());
    } else {
      MALMOI_TRY(key, TakeInt<std::uint32_t>());
    }
    if (op == 'q' || op == 'r') {
      if (stack_.empty()) return Corrupt("remembers a value where there is none");
      memo_[key] = stack_.back();
      return Ok();
    }
    const auto found = memo_.find(key);
    if (found == memo_.end()) return Corrupt("recalls a value that it never had");
    return Push(found->second);
  }

  // ("storage", torch.FloatStorage, "0", "cpu", elements)
  Status Persistent() {
    MALMOI_TRY(const Value id, Pop());
    if (id->kind != Item::Kind::kTuple || id->items.size() < 3) return Corrupt("a storage's id");
    for (const auto& storage : kStorages) {
      if (storage.name != id->items[1]->text) continue;
      Value out = Make(Item::Kind::kTensor);
      out->tensor.dtype = storage.dtype;
      out->tensor.storage = id->items[2]->text;
      return Push(std::move(out));
    }
    return Unsupported("storage '" + id->items[1]->text + "'");
  }

  Status Reduce() {
    MALMOI_TRY(const Value arguments, Pop());
    MALMOI_TRY(const Value function, Pop());
    const std::string& name = function->text;
    if (name == "collections.OrderedDict") return Push(Make(Item::Kind::kDict));
    if (name == "torch._utils._rebuild_parameter" && !arguments->items.empty()) {
      return Push(arguments->items.front());
    }
    if (name == "torch._utils._rebuild_tensor_v2") return Rebuild(*arguments);
    return Unsupported("a call of '" + name + "'");
  }

  // (storage, offset, shape, strides, ...)
  Status Rebuild(const Item& arguments) {
    if (arguments.items.size() < 4 || arguments.items[0]->kind != Item::Kind::kTensor) {
      return Corrupt("a tensor's parts");
    }
    Value out = Make(Item::Kind::kTensor);
    out->tensor = arguments.items[0]->tensor;
    const std::int64_t offset = arguments.items[1]->number;
    const auto& shape = arguments.items[2]->items;
    const auto& strides = arguments.items[3]->items;
    if (offset < 0 || shape.size() != strides.size() || shape.size() > 16) {
      return Corrupt("a tensor's shape");
    }
    out->tensor.offset = static_cast<std::uint64_t>(offset);
    std::int64_t step = 1;
    for (std::size_t i = shape.size(); i-- > 0;) {
      const std::int64_t size = shape[i]->number;
      if (size < 0) return Corrupt("a tensor's shape");
      if (size > 1 && strides[i]->number != step) return Unsupported("a tensor with gaps");
      if (__builtin_mul_overflow(step, size, &step)) return Corrupt("a tensor's shape overflows");
    }
    for (const Value& size : shape) out->tensor.shape.push_back(size->number);
    return Push(std::move(out));
  }

  Status SetItems(bool many) {
    std::vector<Value> items;
    if (many) {
      MALMOI_TRY(items, PopMark());
    } else {
      MALMOI_TRY(Value value, Pop());
      MALMOI_TRY(Value key, Pop());
      items = {std::move(key), std::move(value)};
    }
    if (stack_.empty() || stack_.back()->kind != Item::Kind::kDict || items.size() % 2 != 0) {
      return Corrupt("sets items of what is no dict");
    }
    auto& to = stack_.back()->items;
    to.insert(to.end(), items.begin(), items.end());
    return Ok();
  }

  // An OrderedDict's attributes (_metadata): dropped.
  Status Build() {
    MALMOI_TRY(Pop());
    if (stack_.empty() || stack_.back()->kind != Item::Kind::kDict) {
      return Unsupported("the state of an object");
    }
    return Ok();
  }

  Status Collect(const Item& item, const std::string& prefix, int depth,
                 std::vector<PickledTensor>* out) {
    if (item.kind != Item::Kind::kDict || depth > kDepthMax) {
      return Unsupported("its value");
    }
    for (std::size_t i = 0; i + 1 < item.items.size(); i += 2) {
      if (++visited_ > kValuesMax) return Corrupt("too many tensors");
      const Item& key = *item.items[i];
      const Item& value = *item.items[i + 1];
      if (key.kind != Item::Kind::kText) return Unsupported("a key that is no text");
      if (value.kind == Item::Kind::kDict) {
        MALMOI_TRY(Collect(value, prefix + key.text + ".", depth + 1, out));
      } else if (value.kind == Item::Kind::kTensor) {
        out->push_back(value.tensor);
        out->back().name = prefix + key.text;
      }
    }
    return Ok();
  }

  const std::string_view bytes_;
  std::size_t at_ = 0;
  std::vector<Value> stack_;
  std::map<std::uint32_t, Value> memo_;
  std::vector<Value> made_;
  std::size_t visited_ = 0;
};

}  // namespace

Result<std::vector<PickledTensor>> ReadPickle(std::string_view bytes) {
  return Machine(bytes).Run();
}

}  // namespace malmoi::tensor
