// Reading ahead: what will be read next is fetched before that, so that who reads it need not wait.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "loader/extent.hpp"

namespace imnet {

constexpr char kReadAheadThread[] = "read-ahead";  // what the system calls such a thread

// What streams and threads of one ReadAhead share; all of it under the lock.
struct ReadAheadState {
  std::mutex lock;
  std::condition_variable asked, ended;
  int64_t most_nbytes = 0;
  int64_t ahead_nbytes = 0;   // asked for, and not taken yet
  int64_t taken_nbytes = 0;   // since threads were last told that there is room
  Slabs slabs;                // of extents that are read past the page cache
  bool closed = false;
};

// An extent that was read ahead into memory of our own.
struct ReadBytes {
  Piece memory;
  const uint8_t* data = nullptr;  // null where it was not
  size_t nbytes = 0;
  bool was_cached = false;
};

// Extents in the order in which they will be read, such as those of an epoch.
class ReadAheadStream {
 public:
  // Says that extent number `number` is being read; returns its bytes where they are here, or on
  // their way. Else they are read from the file, out of the page cache where they were asked for.
  ReadBytes take(size_t number);

  // Takes the memory back for other extents.
  void give_back(const ReadBytes& bytes);

 private:
  friend class ReadAhead;
  enum class Progress : uint8_t { waiting, being_asked, asked, taken };
  struct Chunk {
    size_t first;  // number of its first extent
    std::vector<Extent> extents;
    std::vector<Progress> progress;  // one for each extent
    std::vector<ReadBytes> bytes;    // likewise, if any are read past the page cache
    size_t begun = 0, ended = 0, taken = 0;
  };

  // all of it under the lock

  // Returns the chunk whose extent is asked for next; those that are taken are left out.
  std::shared_ptr<Chunk> next_chunk();
  std::shared_ptr<Chunk> chunk_of(size_t number) const;

  std::shared_ptr<ReadAheadState> state;
  bool in_window = true;
  std::deque<std::shared_ptr<Chunk>> chunks;  // some of whose extents are not ended or taken
  size_t begun_chunks = 0;                    // of them
  size_t count = 0;                           // extents added
  size_t busy = 0;                            // threads that ask for one of them
  size_t cached = 0;                          // asked for in vain, one after another
};

// Fetches extents in threads of its own, as opening files and finding blocks may wait for the
// storage, too. Into the page cache, which costs no copy; or past it into memory of our own, which
// costs half the time of a processor, and leaves the page cache to what will be read again.
class ReadAhead {
 public:
  // At most `most_nbytes` are asked for and not taken, of all streams together.
  ReadAhead(int64_t most_nbytes, int threads);
  ~ReadAhead();  // as close()
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // Without a window, extents are asked for as they are added, and nobody takes them; each thread
  // waits until one has come.
  std::shared_ptr<ReadAheadStream> open(bool in_window);

  // Appends extents; returns of how many earlier calls all is done, since the last time. Their files
  // must stay open until then, or until end().
  size_t add(ReadAheadStream& stream, std::vector<Extent> extents);

  // Asks for nothing more of it; returns when no thread is busy with it.
  void end(const std::shared_ptr<ReadAheadStream>& stream);

  void close();

  // What is asked for and not taken now, of all streams.
  int64_t ahead_nbytes();

 private:
  std::shared_ptr<ReadAheadStream> next();
  void work();

  std::shared_ptr<ReadAheadState> state_ = std::make_shared<ReadAheadState>();
  std::vector<std::shared_ptr<ReadAheadStream>> streams_;
  std::vector<std::thread> threads_;
};

}  // namespace imnet
