#pragma once

#include <cstdint>
#include <mutex>
#include <string>

namespace malmoi::obs {

// A progress bar on standard error for a person, with rate and time left; where standard error is
// no terminal, a plain line every ten seconds and at the end. Silent when `quiet`. Thread-safe.
//
//   Progress progress("reading", "files", total, quiet); progress.Add(1); progress.Finish();
class Progress {
 public:
  Progress(std::string label, std::string unit, std::uint64_t total, bool quiet);
  ~Progress();  // Finishes.
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Add(std::uint64_t done);
  void SetTotal(std::uint64_t total);
  void SetNote(std::string note);  // Shown after the numbers, such as "412 chunks/s".
  void Finish();

  // "reading  [#####.....]  120/240 files  60.0 files/s  0:02 left  note"
  static std::string Render(const std::string& label, const std::string& unit, std::uint64_t done,
                            std::uint64_t total, double seconds, const std::string& note);

 private:
  void Draw(bool last);  // mutex_ held.

  std::mutex mutex_;  // guards: all below
  std::string label_, unit_, note_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  bool quiet_;
  bool terminal_;
  bool finished_ = false;
  std::int64_t start_ns_;
  std::int64_t drawn_ns_ = 0;
};

}  // namespace malmoi::obs
