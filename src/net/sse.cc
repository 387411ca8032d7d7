#include "net/client.h"

namespace malmoi::net {

bool SseParser::Feed(std::string_view bytes,
                     const std::function<bool(std::string_view data)>& event) {
  buffer_.append(bytes);
  std::size_t at = 0;
  bool go_on = true;
  while (go_on) {
    const std::size_t end = buffer_.find_first_of("\r\n", at);
    if (end == std::string::npos) break;
    // A '\r' at the very end may be half of "\r\n": wait for the next byte.
    if (buffer_[end] == '\r' && end + 1 == buffer_.size()) break;
    const std::string_view line = std::string_view(buffer_).substr(at, end - at);
    at = end + (buffer_[end] == '\r' && buffer_[end + 1] == '\n' ? 2 : 1);
    if (line.empty()) {
      if (has_data_) go_on = event(data_);
      data_.clear();
      has_data_ = false;
    } else if (line == "data" || line.starts_with("data:")) {
      std::string_view value = line.substr(line.size() == 4 ? 4 : 5);
      if (value.starts_with(' ')) value.remove_prefix(1);
      if (has_data_) data_.push_back('\n');
      data_.append(value);
      has_data_ = true;
    }
  }
  buffer_.erase(0, at);
  return go_on;
}

}  // namespace malmoi::net
