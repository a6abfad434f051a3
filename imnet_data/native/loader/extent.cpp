#include "loader/extent.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace imnet {
namespace {

// Linux takes no more of one call than the device's read-ahead, of which 128 KiB is the default.
constexpr int64_t kStepNbytes = 128 << 10;
constexpr int64_t kPage = 4096;        // no device asks for a stricter alignment
constexpr int64_t kMost = 1LL << 40;   // of one extent: what the index says may be damaged
constexpr long kCachestat = 451;       // Linux 6.5; the same number on every processor

// A file that is closed with this, unless somebody else holds it open.
class File {
 public:
  File(const char* path, int flags) : descriptor_(::open(path, flags)), ours_(true) {}
  explicit File(int descriptor) : descriptor_(descriptor), ours_(false) {}
  ~File() {
    if (ours_ && descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int descriptor() const { return descriptor_; }

  // Whether the file has all of an extent.
  bool has(const Extent& extent) const {
    struct stat about;
    if (descriptor_ < 0 || fstat(descriptor_, &about) != 0) return false;
    if (extent.offset < 0 || extent.nbytes < 1 || extent.nbytes > about.st_size - extent.offset)
      return false;
    return !extent.whole || extent.nbytes == about.st_size;
  }

 private:
  int descriptor_;
  bool ours_;
};

constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;  // a pipe is not waited for

// Whether all of an extent is in the page cache; false where the system does not say.
bool is_cached(int file, const Extent& extent) {
  struct {
    uint64_t offset, nbytes;
  } range = {static_cast<uint64_t>(extent.offset), static_cast<uint64_t>(extent.nbytes)};
  struct {
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
  } pages = {};
  if (syscall(kCachestat, file, &range, &pages, 0) != 0) return false;
  const int64_t first = extent.offset / kPage, last = (extent.offset + extent.nbytes - 1) / kPage;
  return sysconf(_SC_PAGESIZE) == kPage && pages.cached == static_cast<uint64_t>(last - first + 1);
}

}  // namespace

size_t direct_nbytes(const Extent& extent) {
  if (extent.offset < 0 || extent.nbytes < 1 || extent.nbytes > kMost) return 0;
  return static_cast<size_t>((extent.offset % kPage + extent.nbytes + kPage - 1) / kPage * kPage);
}

bool ask(const Extent& extent, bool wait) {
  const File file = extent.file < 0 ? File(extent.path.c_str(), kFlags) : File(extent.file);
  if (!file.has(extent)) return false;
  if (is_cached(file.descriptor(), extent)) return true;
  const int64_t end = extent.offset + extent.nbytes;
  for (int64_t from = extent.offset; from < end; from += kStepNbytes)
    posix_fadvise(file.descriptor(), from, std::min(kStepNbytes, end - from),
                  POSIX_FADV_WILLNEED);
  char last;
  if (wait) (void)!pread(file.descriptor(), &last, 1, end - 1);
  return false;
}

const uint8_t* read_direct(const Extent& extent, const Piece& memory) {
  const File file(extent.path.c_str(), kFlags | O_DIRECT);
  if (!file.has(extent) || is_cached(file.descriptor(), extent)) return nullptr;
  const size_t room = direct_nbytes(extent);
  const auto before = static_cast<size_t>(extent.offset % kPage);
  const size_t needed = before + static_cast<size_t>(extent.nbytes);
  if (room == 0 || memory.size < room) return nullptr;
  for (size_t done = 0; done < needed;) {
    const ssize_t got = pread(file.descriptor(), memory.data + done, room - done,
                              extent.offset - static_cast<off_t>(before) + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return nullptr;
    done += static_cast<size_t>(got);
    if (done < needed && done % kPage != 0) return nullptr;  // the file became shorter
  }
  return memory.data + before;
}

}  // namespace imnet
