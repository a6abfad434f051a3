// Reading ahead: the system is asked for what will be read next, so that who reads it need not wait.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace imnet {

// A piece of a file that will be read.
struct Extent {
  int file = -1;  // below 0: open `path` for as long as it takes to ask
  std::string path;
  int64_t offset = 0;
  int64_t nbytes = 0;
};

// What streams and threads of one ReadAhead share.
struct ReadAheadState {
  std::mutex lock;
  std::condition_variable asked, idle;
  int64_t most_nbytes = 0;
  int64_t ahead_nbytes = 0;   // asked for, and not passed yet
  int64_t passed_nbytes = 0;  // since threads were last told that there is room
  bool closed = false;
};

// Extents in the order in which they will be read, such as those of an epoch.
class ReadAheadStream {
 public:
  // Says that extent number `number` is being read.
  void passed(size_t number);

 private:
  friend class ReadAhead;
  enum class Progress : uint8_t { waiting, asked, passed };
  struct Chunk {
    size_t first;  // number of its first extent
    std::vector<Extent> extents;
    std::vector<Progress> progress;  // one for each extent
    size_t begun = 0, ended = 0, passed = 0;
  };

  // Returns the chunk whose extent is asked for next; those that are passed are left out.
  std::shared_ptr<Chunk> next_chunk();

  // all of it under the lock
  std::shared_ptr<ReadAheadState> state;
  bool in_window = true;
  std::deque<std::shared_ptr<Chunk>> chunks;  // some of whose extents are not ended or passed
  size_t begun_chunks = 0;                    // of them
  size_t count = 0;                           // extents added
  size_t busy = 0;                            // threads that ask for one of them
};

// Asks by posix_fadvise(POSIX_FADV_WILLNEED): the bytes come into the page cache without a copy, and
// are read from there as ever. Threads of its own do it, as opening files and finding blocks may
// wait for the storage, too.
class ReadAhead {
 public:
  // At most `most_nbytes` are asked for and not passed, of all streams together.
  ReadAhead(int64_t most_nbytes, int threads);
  ~ReadAhead();  // as close()
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // Without a window, extents are asked for as they are added, and nobody says that one is passed;
  // each thread waits until one has come.
  std::shared_ptr<ReadAheadStream> open(bool in_window);

  // Appends extents; returns of how many earlier calls all is done, since the last time. Their files
  // must stay open until then, or until end().
  size_t add(ReadAheadStream& stream, std::vector<Extent> extents);

  // Asks for nothing more of it; returns when no thread is busy with it.
  void end(const std::shared_ptr<ReadAheadStream>& stream);

  void close();

  // What is asked for and not passed now, of all streams.
  int64_t ahead_nbytes();

 private:
  std::shared_ptr<ReadAheadStream> next();
  void work();

  std::shared_ptr<ReadAheadState> state_ = std::make_shared<ReadAheadState>();
  std::vector<std::shared_ptr<ReadAheadStream>> streams_;
  std::vector<std::thread> threads_;
};

}  // namespace imnet
