#include "loader/record_bytes.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace imnet {
namespace {

Outcome unreadable(std::string text) { return {RecordCode::unreadable, std::move(text)}; }

}  // namespace

Outcome RecordBytes::open(const RecordSource& source, int64_t first, int64_t last) {
  file_ = -1;
  if (source.data != nullptr) {
    data_ = source.data + first;
    return {};
  }
  const Outcome opened = open_file(source);
  if (opened.code != RecordCode::ok) return opened;
  const auto count = static_cast<size_t>(last - first);
  if (memory_.size() < count) memory_.resize(count);
  data_ = memory_.data();
  first_ = first;
  offset_ = source.offset;
  return {};
}

Outcome RecordBytes::open_file(const RecordSource& source) {
  ours_ = source.file < 0;
  // a pipe that nobody writes to would be waited for; its size is 0
  file_ = ours_ ? ::open(source.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : source.file;
  if (file_ < 0) return unreadable(std::strerror(errno));
  // before memory is asked for, and before the reading, which sees a file that shrinks meanwhile
  struct stat about;
  if (fstat(file_, &about) != 0) return unreadable(std::strerror(errno));
  if (source.offset < 0 || source.nbytes < 0 || source.nbytes > about.st_size - source.offset)
    return unreadable("needed are " + std::to_string(source.nbytes) +
                      " bytes, but the file ends at " + std::to_string(about.st_size));
  if (source.whole && source.nbytes != about.st_size)
    return unreadable("the file has " + std::to_string(about.st_size) + " bytes, not " +
                      std::to_string(source.nbytes));
  return {};
}

Outcome RecordBytes::read(int64_t from, int64_t to) {
  while (file_ >= 0 && from < to) {
    const ssize_t got = pread(file_, memory_.data() + (from - first_),
                              static_cast<size_t>(to - from), static_cast<off_t>(offset_ + from));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(std::strerror(errno));
    if (got == 0) return unreadable("the file was cut short while it was open");
    from += got;
  }
  return {};
}

void RecordBytes::close() {
  if (ours_ && file_ >= 0) ::close(file_);
  file_ = -1;
  if (memory_.size() > kKeptNbytes) std::vector<uint8_t>().swap(memory_);
}

}  // namespace imnet
