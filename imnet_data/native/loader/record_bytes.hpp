// The bytes of a record, as they are needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace imnet {

// Memory kept between records; what a giant image needs beyond it is freed afterwards.
constexpr size_t kKeptNbytes = 16 << 20;

// Where the image is: in memory, or in a file.
struct RecordSource {
  const uint8_t* data = nullptr;  // null: read it from the file
  int file = -1;                  // below 0: open `path` for as long as it is read
  const char* path = "";
  int64_t offset = 0;
  int64_t nbytes = 0;
  bool whole = false;  // there must be nothing else in the file
};

enum class RecordCode {
  ok,
  unsupported,  // a JPEG for another decoder
  damaged,      // a fault in the image's bytes
  unreadable,   // a fault in the file that holds it
  failed,       // no fault in the data: memory, or a geometry that makes no sense
};

struct Outcome {
  RecordCode code = RecordCode::ok;
  std::string text;
};

// One per thread: keeps its memory between records. Each that was opened must be closed.
class RecordBytes {
 public:
  RecordBytes() = default;
  ~RecordBytes() { close(); }
  RecordBytes(const RecordBytes&) = delete;
  RecordBytes& operator=(const RecordBytes&) = delete;

  // Opens a record to read from `first` to `last`; all of it must be there.
  Outcome open(const RecordSource& source, int64_t first, int64_t last);
  // Reads from `from` to `to`, if that is more than nothing; what is in memory is not copied.
  Outcome read(int64_t from, int64_t to);
  // Closes the file, and gives back memory that only a giant image needed.
  void close();

  // The byte at `first`; those that were not read are of any value.
  const uint8_t* data() const { return data_; }

 private:
  Outcome open_file(const RecordSource& source);

  const uint8_t* data_ = nullptr;
  int file_ = -1;  // below 0: all is in memory
  bool ours_ = false;
  int64_t offset_ = 0, first_ = 0;
  std::vector<uint8_t> memory_;
};

}  // namespace imnet
